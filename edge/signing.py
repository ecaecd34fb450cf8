"""Signing: the key an agent makes at its first start and seals manifests with (Ed25519, RFC 8032)."""

import base64
import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from shell.disk import sync
from shell.refusal import Refusal

_FILE = "seal.pem"


class SigningKey:
    """A private key and the public one that belongs to it."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public: str = base64.b64encode(private.public_key().public_bytes_raw()).decode()
        """32 bytes as Base64."""

    def sign(self, content: bytes) -> str:
        """Return the signature, 64 bytes as Base64."""
        return base64.b64encode(self._private.sign(content)).decode()


def open_key(folder: Path) -> SigningKey:
    """Return the key in ``folder``, made if there is none yet; raise Refusal if it cannot be used.

    A key that others can read is refused, not mended: nobody knows who has read it.
    """
    path = folder / _FILE
    try:
        if not path.exists():
            _make(folder, path)
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Refusal(str(path), "others can read it", "delete it: a new key is made; or chmod 600 if nobody has")
        private = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise Refusal(str(path), f"cannot be read or made: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Refusal(
            str(path), "is no Ed25519 key", "put the right one back, or delete it: a new one is made"
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise Refusal(str(path), "is no Ed25519 key", "put the right one back, or delete it: a new one is made")
    return SigningKey(private)


def _make(folder: Path, path: Path) -> None:
    """Write a new key that is whole or not there at all."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    temporary = path.with_suffix(".part")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(private)
    sync(temporary)
    temporary.rename(path)
    sync(folder)
