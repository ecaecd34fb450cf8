"""Word to systemd, heard on a real datagram socket."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from shell.systemd import notify


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(10)
        yield listening


def test_systemd_hears_each_state(listener: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listener.bind(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    assert [notify("READY=1"), notify("WATCHDOG=1"), notify("STOPPING=1\nSTATUS=停止")] == [True, True, True]
    assert [listener.recv(256) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", "STOPPING=1\nSTATUS=停止".encode()]


def test_an_abstract_socket_is_reached_too(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    listener.bind("")  # the kernel gives an abstract name
    name = listener.getsockname()
    monkeypatch.setenv("NOTIFY_SOCKET", "@" + name[1:].decode())
    assert notify("READY=1")
    assert listener.recv(256) == b"READY=1"


@pytest.mark.parametrize("address", [None, "", "/nowhere/notify"])
def test_where_nobody_listens_the_process_goes_on(address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert notify("READY=1") is False
