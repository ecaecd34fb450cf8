"""An order is believed when it is signed by a key that was named, and not one bit of it was changed."""

import base64
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from shell.order_keys import (
    AlteredError,
    OrderError,
    UnknownKeyError,
    UnreadableError,
    key_name,
    read_keys,
    read_order,
    sign_order,
    verify_order,
)
from shell.refusal import Refusal
from tests.fixtures.lamps import a_command, a_schedule_order
from wire.command import SignedCommand

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = {key_name(KEY.public_key()): KEY.public_key()}


def test_what_was_signed_is_what_is_read() -> None:
    for order in (a_command(["lamp-1"], "dim", level=5), a_schedule_order("programs: {}")):
        assert read_order(KEYS, msgspec.msgpack.encode(sign_order(KEY, order))) == order


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_one_bit_is_enough_to_be_refused(place: int, bit: int) -> None:
    payload = bytearray(msgspec.msgpack.encode(sign_order(KEY, a_command(["lamp-1"]))))
    payload[place % len(payload)] ^= 1 << bit
    with pytest.raises(OrderError):
        read_order(KEYS, bytes(payload))


@given(st.binary(max_size=300))
def test_no_bytes_but_an_order_are_an_order(payload: bytes) -> None:
    with pytest.raises(OrderError):
        read_order(KEYS, payload)


def test_each_fault_has_its_name() -> None:
    signed = sign_order(KEY, a_command(["lamp-1"]))
    with pytest.raises(UnknownKeyError):
        verify_order({}, signed)
    with pytest.raises(AlteredError):
        verify_order(KEYS, msgspec.structs.replace(signed, kind="schedule"))
    body = b'{"id": 1}'
    wrong = SignedCommand(kind="command", body=body, key=signed.key, signature=KEY.sign(b"command\0" + body))
    with pytest.raises(UnreadableError):
        verify_order(KEYS, wrong)


def test_keys_are_read_from_the_line_that_the_centre_shows(tmp_path: Path) -> None:
    path = tmp_path / "centre.pub"
    path.write_text(base64.b64encode(KEY.public_key().public_bytes_raw()).decode() + "\n")
    assert list(read_keys([path])) == list(KEYS)
    for content, said in (("", "is no public key"), ("AAAA", "is no public key"), ("?", "is no public key")):
        path.write_text(content)
        with pytest.raises(Refusal, match=said):
            read_keys([path])
    with pytest.raises(Refusal, match="cannot be read"):
        read_keys([tmp_path / "gone.pub"])
