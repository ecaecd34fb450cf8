"""Order keys: who may order lamps: signing by the centre, checking by a gateway (Ed25519, RFC 8032).

>>> from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
>>> key = Ed25519PrivateKey.from_private_bytes(bytes(32))
>>> key_name(key.public_key())
'139e3940e64b5491'
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shell.refusal import Refusal
from wire.command import Command, ScheduleOrder, SignedCommand

ORDER_BYTES_MAX = 512 * 1024
_KINDS: dict[str, type[Command] | type[ScheduleOrder]] = {"command": Command, "schedule": ScheduleOrder}
_SIGNED = msgspec.msgpack.Decoder(SignedCommand)


class OrderError(ValueError):
    """What came is no order that may be believed; the text says why."""


class UnreadableError(OrderError):
    """It is no order at all."""


class UnknownKeyError(OrderError):
    """It is signed with a key that this gateway was not given."""


class AlteredError(OrderError):
    """Its signature does not fit what it says."""


def key_name(public: Ed25519PublicKey) -> str:
    """Return the name of a key: the first 16 hexadecimal digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def read_keys(paths: Iterable[Path]) -> dict[str, Ed25519PublicKey]:
    """Return the public keys of files, by name; raise Refusal for one that holds no line of Base64 of 32 bytes."""
    keys = {}
    for path in paths:
        try:
            public = Ed25519PublicKey.from_public_bytes(base64.b64decode(path.read_bytes().strip(), validate=True))
        except OSError as error:
            raise Refusal(
                str(path), f"cannot be read: {error.strerror}", "put the centre's public key there"
            ) from error
        except (binascii.Error, ValueError) as error:
            raise Refusal(
                str(path),
                "is no public key for orders",
                "expected one line: Base64 of 32 bytes, as the centre shows it",
            ) from error
        keys[key_name(public)] = public
    return keys


def sign_order(private: Ed25519PrivateKey, order: Command | ScheduleOrder) -> SignedCommand:
    """Return an order as it is published."""
    kind: Literal["command", "schedule"] = "command" if isinstance(order, Command) else "schedule"
    body = msgspec.json.encode(order)
    return SignedCommand(
        kind=kind, body=body, key=key_name(private.public_key()), signature=private.sign(_content(kind, body))
    )


def read_order(keys: Mapping[str, Ed25519PublicKey], payload: bytes) -> Command | ScheduleOrder:
    """Return the order in a payload if it is from who may give orders; raise OrderError."""
    if len(payload) > ORDER_BYTES_MAX:
        raise UnreadableError(f"expected at most {ORDER_BYTES_MAX} bytes, got {len(payload)}")
    try:
        signed = _SIGNED.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"is no signed order: {error}") from error
    return verify_order(keys, signed)


def verify_order(keys: Mapping[str, Ed25519PublicKey], signed: SignedCommand) -> Command | ScheduleOrder:
    """Return what was signed, decoded only after the signature is found to fit; raise OrderError."""
    public = keys.get(signed.key)
    if public is None:
        raise UnknownKeyError(f"is signed with the key {signed.key!r}, which may give no orders here")
    try:
        public.verify(signed.signature, _content(signed.kind, signed.body))
    except InvalidSignature as error:
        raise AlteredError("its signature does not fit") from error
    try:
        return msgspec.json.decode(signed.body, type=_KINDS[signed.kind])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"is no {signed.kind}: {error}") from error


def _content(kind: str, body: bytes) -> bytes:
    """Return what is signed: the kind too, so that a schedule is never taken for a command."""
    return kind.encode() + b"\0" + body
