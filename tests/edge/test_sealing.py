import asyncio
import base64
import stat
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.clock import Clock, Reading
from edge.config import Camera, Motion, Onnx, Zone
from edge.outbox import Outbox
from edge.overlay import jpeg
from edge.provenance import calibration_facts, provenance
from edge.sealing import Head, manifest_of, open_chain, picture_size
from edge.signing import open_key
from shell.refusal import Refusal
from tests.fixtures.messages import T0
from tests.fixtures.package import CONTENTS, Chain, a_draft, listed, sha256_of, unpack
from wire.manifest import MANIFEST_NAME, SEAL_NAME, Manifest
from wire.seal import read_seal

_CAMERA = Camera(
    id="cam-1",
    source="rtsp://amara:secret@10.0.0.9/main",
    size=(320, 240),
    backend=Motion(),
    zones=(Zone(id="kerb", type="no_parking", polygon=((10, 10), (200, 10), (200, 100))),),
)


# The key


def test_the_key_is_made_once_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    key = open_key(tmp_path / "keys")
    (path,) = (tmp_path / "keys").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert open_key(tmp_path / "keys").public == key.public
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.public))
    public.verify(base64.b64decode(key.sign(b"content")), b"content")


def test_a_key_that_others_can_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    open_key(tmp_path)
    path = tmp_path / "seal.pem"
    path.chmod(0o640)
    with pytest.raises(Refusal, match="others can read it"):
        open_key(tmp_path)
    path.chmod(0o600)
    path.write_bytes(b"no key at all")
    with pytest.raises(Refusal, match="is no Ed25519 key"):
        open_key(tmp_path)


# The chain


def test_each_link_names_the_one_before_and_is_signed(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    before = None
    for number in (1, 2, 3):
        parts = unpack(chain.seal(a_draft(f"stay-{number}")))
        manifest, seal = msgspec.json.decode(parts[MANIFEST_NAME], type=Manifest), read_seal(parts[SEAL_NAME])
        assert (manifest.number, manifest.previous, manifest.key) == (number, before, chain.key.public)
        assert (seal.sha256, seal.size) == (sha256_of(parts[MANIFEST_NAME]), len(parts[MANIFEST_NAME]))
        before = seal.sha256


def test_the_end_of_the_chain_is_kept_and_a_lost_one_begins_a_new_chain(tmp_path: Path) -> None:
    def opened() -> tuple[Outbox, Head]:
        outbox = Outbox(tmp_path / "outbox.sqlite", agent="box-1", bytes_max=10**9)
        return outbox, asyncio.run(open_chain(outbox))

    outbox, first = opened()
    moved = msgspec.structs.replace(first, number=7, previous="a" * 64)
    outbox.put(states={"chain": msgspec.msgpack.encode(moved)}).result(10)
    outbox.close()
    outbox, again = opened()
    assert again == moved
    outbox.put(states={"chain": b"not msgpack"}).result(10)
    outbox.close()
    outbox, new = opened()
    outbox.close()
    assert new.number == 0
    assert new.chain != first.chain


def test_a_manifest_says_what_lacks_and_why() -> None:
    draft = a_draft(expects=("arrival", "middle", "limit", "closeup", "clip", "manifest"))
    draft = msgspec.structs.replace(draft, files=draft.files[:2], missing={"clip": "no video"}, end_ms=T0 + 5)
    manifest = manifest_of(draft, "box-1", "A" * 43 + "=", Head(chain="0" * 16), T0)
    assert manifest.missing.keys() == {"middle", "closeup", "clip"}
    assert manifest.missing["clip"] == "no video"
    assert manifest.end_ms == T0 + 5


def test_two_files_of_one_role_have_two_names() -> None:
    draft = a_draft("twice", {})
    files = [listed(draft.event, "limit.jpg", content) for content in (b"1", b"2", b"3")]
    assert [each.name for each in draft.with_files(*files).files] == ["limit.jpg", "limit-2.jpg", "limit-3.jpg"]


def test_a_pictures_size_and_colour_are_read_from_its_header() -> None:
    colour, grey = np.full((48, 64, 3), 90, np.uint8), np.full((10, 20), 90, np.uint8)
    assert picture_size(jpeg(colour, "a comment in front")) == (64, 48, 24)
    assert picture_size(cv2.imencode(".jpg", grey)[1].tobytes()) == (20, 10, 8)
    assert picture_size(CONTENTS["arrival.jpg"]) is None
    assert picture_size(b"") is None


# Facts


def test_settings_are_hashed_whole_but_for_the_source_and_its_password(tmp_path: Path) -> None:
    facts = provenance(_CAMERA)
    assert facts == provenance(msgspec.structs.replace(_CAMERA, source="street.mp4"))
    assert facts != provenance(msgspec.structs.replace(_CAMERA, tick_hz=3.0))
    assert "model_sha256" not in facts
    (tmp_path / "net.onnx").write_bytes(b"weights")
    seen = provenance(msgspec.structs.replace(_CAMERA, backend=Onnx(model=str(tmp_path / "net.onnx"))))
    assert seen["model_sha256"] == sha256_of(b"weights")


def test_a_calibration_is_named_by_its_hash_where_there_is_one() -> None:
    assert calibration_facts({"calibration": None}) == calibration_facts({}) == {}
    one, other = ({"calibration": {"points": [[0, 0, metres, 0]]}} for metres in (3.5, 3.6))
    assert calibration_facts(one)["calibration_sha256"] != calibration_facts(other)["calibration_sha256"]


@pytest.mark.parametrize(
    ("reading", "is_verified"),
    [
        (Reading(state="synced", offset_s=0.001, error_s=0.02), True),
        (Reading(state="synced", offset_s=0.9, error_s=1.01), False),
        (Reading(state="holdover", offset_s=0.0, error_s=1.0), True),
        (Reading(state="unsynced"), False),
    ],
)
def test_a_clock_is_verified_only_within_a_second(reading: Reading, is_verified: bool) -> None:  # noqa: FBT001
    assert reading.facts["clock_verified"] is is_verified
    assert ("clock_error_s" in reading.facts) == (reading.error_s is not None)


def test_the_kernels_word_is_read_or_the_clock_is_unsynced() -> None:
    clock = Clock()
    reading = clock.read()
    assert clock.state() == reading.state
    assert reading.state == "unsynced" or (reading.error_s or 0) >= 0
