"""Key: the Ed25519 key (RFC 8032) that the centre makes at its first start and signs every order with."""

import base64
import os
import secrets
import stat
from pathlib import Path

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from shell.disk import sync
from shell.order_keys import key_name, sign_order
from shell.refusal import Refusal
from wire.command import Command, ScheduleOrder

_FILE = "command.pem"


class CommandKey:
    """The private key and what a gateway must know of it."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public: str = base64.b64encode(private.public_key().public_bytes_raw()).decode()
        """32 bytes as Base64: what stands in a gateway's file of the key."""
        self.name: str = key_name(private.public_key())

    def sign(self, order: Command | ScheduleOrder) -> bytes:
        """Return an order as it is published."""
        return msgspec.msgpack.encode(sign_order(self._private, order))


def open_command_key(storage: Path) -> CommandKey:
    """Return the key of a centre, made if there is none yet; raise Refusal if it cannot be used.

    A key that others can read is refused, not mended: nobody knows who has read it.
    """
    path = storage / "keys" / _FILE
    try:
        if not path.exists():
            _make(path)
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Refusal(str(path), "others can read it", "delete it and give every gateway the new key")
        private = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise Refusal(str(path), f"cannot be read or made: {error.strerror}", "check storage") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Refusal(str(path), "is no Ed25519 key", "put the right one back") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise Refusal(str(path), "is no Ed25519 key", "put the right one back")
    return CommandKey(private)


def _make(path: Path) -> None:
    """Write a new key, whole or not at all; of two processes that start at once one makes it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    temporary = path.with_suffix(f".{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(private)
    sync(temporary)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    sync(path.parent)
