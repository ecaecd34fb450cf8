"""Models: found by name and hash, downloaded whole or not at all."""

import hashlib
import http.server
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import models
from edge.models import Model, catalogue, fetch, resolve
from shell.refusal import Refusal

ROOT = Path(__file__).parents[2]
WEIGHTS = bytes(range(256)) * 1000


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/whole")
            self.end_headers()
            return
        if self.path not in {"/whole", "/cut", "/endless"}:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(WEIGHTS) * (1000 if self.path == "/endless" else 1)))
        self.end_headers()
        try:
            for _ in range(1000 if self.path == "/endless" else 1):
                self.wfile.write(WEIGHTS[: len(WEIGHTS) // 2] if self.path == "/cut" else WEIGHTS)
        except ConnectionError:
            pass  # the client has seen enough

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WAYSIDE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WAYSIDE_DATA", raising=False)
    return tmp_path / "models"


def model(url: str, content: bytes = WEIGHTS) -> Model:
    return Model(
        name="tiny",
        file="tiny.onnx",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        licence="Apache-2.0",
        about="for tests",
        url=url,
    )


def refused(wanted: Model) -> str:
    with pytest.raises(Refusal) as raised:
        fetch(wanted, lambda _: None)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("path", ["/whole", "/moved"])
def test_a_download_is_kept_under_its_name_and_every_byte_is_reported(server: str, folder: Path, path: str) -> None:
    seen: list[int] = []
    assert fetch(model(server + path), seen.append) == folder / "tiny.onnx"
    assert (folder / "tiny.onnx").read_bytes() == WEIGHTS
    assert sum(seen) == len(WEIGHTS)


def test_a_file_with_another_hash_is_not_kept(server: str, folder: Path) -> None:
    assert "expected sha256 " in refused(model(f"{server}/whole", b"other weights" * 20_000))
    assert list(folder.iterdir()) == []


def test_a_download_that_breaks_off_leaves_what_was_there_before(server: str, folder: Path) -> None:
    folder.mkdir()
    (folder / "tiny.onnx").write_bytes(b"the old one")
    assert "cannot be downloaded" in refused(model(f"{server}/cut"))
    assert [path.read_bytes() for path in folder.iterdir()] == [b"the old one"]


def test_a_server_that_sends_for_ever_is_cut_off(server: str, folder: Path) -> None:
    assert "expected sha256 " in refused(model(f"{server}/endless"))
    assert list(folder.iterdir()) == []


def test_a_missing_file_on_the_server_is_said(server: str, folder: Path) -> None:
    assert "the server answers 404" in refused(model(f"{server}/nothing"))
    assert list(folder.iterdir()) == []


def test_without_a_network_it_says_where_the_file_may_be_put_by_hand(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        text = refused(model(f"http://127.0.0.1:{taken.getsockname()[1]}/whole"))
    assert "cannot be downloaded" in text
    assert f"put tiny.onnx into {folder}" in text


def test_a_folder_that_cannot_be_written_is_said(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("WAYSIDE_MODELS", str(tmp_path / "file" / "models"))
    assert "cannot be written" in refused(model(f"{server}/whole"))


def test_a_model_that_nobody_publishes_says_how_it_is_made(folder: Path) -> None:
    made = next(each for each in catalogue() if not each.url)
    assert "it is made by changing the input" in refused(made)
    assert not folder.exists()


def test_a_name_is_looked_up_in_the_folders_in_their_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "catalogue", lambda: (model("http://unused"),))
    cache = Path("~/.cache/wayside/models").expanduser()
    cache.mkdir(parents=True)
    (cache / "tiny.onnx").write_bytes(WEIGHTS)
    assert resolve("tiny") == cache / "tiny.onnx"
    folder.mkdir()
    (folder / "tiny.onnx").write_bytes(WEIGHTS)
    assert resolve("tiny") == folder / "tiny.onnx"


def test_a_known_model_with_a_wrong_hash_is_refused_with_the_cure(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "catalogue", lambda: (model("http://unused"),))
    folder.mkdir()
    (folder / "tiny.onnx").write_bytes(WEIGHTS[:-1])
    with pytest.raises(Refusal, match=r"expected sha256 .*; run `wayside model fetch tiny`"):
        resolve("tiny")


def test_a_known_model_that_is_nowhere_is_refused_with_the_folders_and_the_cure(folder: Path) -> None:
    with pytest.raises(Refusal, match=r"is in none of .*models.*; run `wayside model fetch yolox-nano`") as raised:
        resolve("yolox-nano")
    assert str(folder) in str(raised.value)


def wayside(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wayside", "model", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)


@pytest.mark.usefixtures("folder")
def test_the_command_lists_what_is_missing() -> None:
    listed = wayside("list")
    assert listed.returncode == 0
    assert "yolox-nano" in listed.stdout
    assert "missing" in listed.stdout


@pytest.mark.usefixtures("folder")
def test_the_command_refuses_an_unknown_name_in_one_line_with_exit_code_2() -> None:
    refused_name = wayside("fetch", "yolox-nan")
    assert refused_name.returncode == 2
    said = "wayside: yolox-nan: no model of this name is known; did you mean yolox-nano?\n"
    assert refused_name.stderr == said
