"""The log: one line a happening, and no password in it, wherever it came from."""

import json
import subprocess
import sys

import pytest

from shell.log import redact

SCRIPT = """
import logging, structlog
from shell.log import configure
configure(as_json={as_json})
log = structlog.get_logger()
url = "rtsp://admin:hunter2@10.0.0.9/stream"
log.info("camera.open", source=url, nested=dict(urls=[url]), error=OSError(url))
logging.getLogger("paho").warning("cannot reach %s", url)
try:
    raise OSError(f"cannot open {{url}}")
except OSError:
    log.exception("camera.lost")
"""


def lines(*, as_json: bool) -> list[str]:
    code = SCRIPT.format(as_json=as_json)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize(
    ("text", "struck"),
    [
        ("rtsp://admin:secret@10.0.0.9/stream", "rtsp://***@10.0.0.9/stream"),
        ("rtsp://admin:p@ss:w0rd@cam.local:554/s", "rtsp://***@cam.local:554/s"),
        ("mqtt://box-1@broker:1883", "mqtt://***@broker:1883"),
        ("http://cam/snap?user=a&Password=b%20c&size=1", "http://cam/snap?user=a&Password=***&size=1"),
        ("postgresql+psycopg://w:x@db/w and http://u:v@h/", "postgresql+psycopg://***@db/w and http://***@h/"),
        ("http://host/path?mail=a@b.c", "http://host/path?mail=a@b.c"),
        ("write to a@b.c", "write to a@b.c"),
        ("rtsp://10.0.0.9/stream", "rtsp://10.0.0.9/stream"),
        ("tokens=3", "tokens=3"),
    ],
)
def test_what_is_secret_in_a_url_is_struck_out(text: str, struck: str) -> None:
    assert redact(text) == struck


def test_every_line_for_machines_is_json_with_a_time_and_a_level() -> None:
    found = [json.loads(line) for line in lines(as_json=True)]
    assert [(each["event"], each["level"]) for each in found] == [
        ("camera.open", "info"),
        ("cannot reach rtsp://***@10.0.0.9/stream", "warning"),
        ("camera.lost", "error"),
    ]
    assert all(each["timestamp"].endswith("Z") for each in found)
    assert found[0]["nested"] == {"urls": ["rtsp://***@10.0.0.9/stream"]}


@pytest.mark.parametrize("as_json", [True, False])
def test_no_password_is_in_the_log_however_it_got_there(as_json: bool) -> None:  # noqa: FBT001  # a parameter of pytest
    text = "\n".join(lines(as_json=as_json))
    assert "hunter2" not in text
    assert text.count("***@10.0.0.9") >= 5


def test_only_warnings_of_libraries_are_shown() -> None:
    code = "import logging; from shell.log import configure; configure(); logging.getLogger('paho').info('chatter')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
