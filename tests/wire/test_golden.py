"""Samples of every message as once sent: they must decode for ever, so none is ever changed or removed."""

from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from wayside.schema import SCHEMAS
from wire.batch import Batch, decode, encode
from wire.command import Ack, Command, LampState, ScheduleOrder
from wire.device import Device, Presence, Stranger
from wire.event import Event, Evidence
from wire.fix import Fix
from wire.health import Health, Status
from wire.loss import LossRecord
from wire.observation import Observation
from wire.receipt import Receipt

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parent.parent.parent
KINDS: dict[str, Any] = {
    "ack": Ack,
    "command": Command,
    "device": Device,
    "fix": Fix,
    "lamp": LampState,
    "presence": Presence,
    "schedule_order": ScheduleOrder,
    "stranger": Stranger,
    "batch": Batch,
    "event": Event,
    "evidence": Evidence,
    "health": Health,
    "loss": LossRecord,
    "observation": Observation,
    "receipt": Receipt,
    "status": Status,
}
SAMPLES = sorted(GOLDEN.glob("*.json"))


def kind_of(path: Path) -> str:
    return path.stem.split("-")[1]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_decodes_and_comes_back_the_same(path: Path) -> None:
    message = msgspec.json.decode(path.read_bytes(), type=KINDS[kind_of(path)])
    assert msgspec.json.decode(msgspec.json.encode(message)) == msgspec.json.decode(path.read_bytes())


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_follows_the_published_schema(path: Path) -> None:
    schema = msgspec.json.decode((ROOT / f"wire/schema/{kind_of(path)}.json").read_bytes())
    jsonschema.Draft202012Validator(schema).validate(msgspec.json.decode(path.read_bytes()))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.bin")), ids=lambda path: path.stem)
def test_a_compressed_batch_opens_to_what_its_json_says(path: Path) -> None:
    opened = decode(path.read_bytes())
    as_json = decode(path.with_suffix(".json").read_bytes())
    assert opened == as_json
    assert opened.refused == ()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_field_of_a_newer_release_is_ignored(path: Path) -> None:
    newer = {**msgspec.json.decode(path.read_bytes()), "from_a_newer_release": [1, {"a": None}]}
    kind = KINDS[kind_of(path)]
    assert msgspec.convert(newer, kind) == msgspec.json.decode(path.read_bytes(), type=kind)


def test_every_message_has_a_sample_and_a_schema() -> None:
    assert {kind_of(path) for path in SAMPLES} == set(KINDS)
    assert {Path(path).stem for path in SCHEMAS if path.startswith("wire/")} == set(KINDS)
    assert list(GOLDEN.glob("*.bin"))


def test_the_version_is_seen_on_the_wire() -> None:
    batch = msgspec.json.decode((GOLDEN / "v1-batch-minimal.json").read_bytes(), type=Batch)
    assert msgspec.json.decode(msgspec.json.encode(batch))["version"] == 1
    assert decode(encode(batch)).messages == ((1, batch.messages[0]),)
