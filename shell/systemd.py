"""Word to systemd: READY, WATCHDOG, STOPPING (sd_notify(3)); silent where there is no systemd."""

import os
import socket


def notify(state: str) -> bool:
    """Send one state, for example ``READY=1``; return whether anybody was there to be told."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(state.encode(), address)
        except OSError:
            return False
    return True
