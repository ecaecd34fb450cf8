"""The JSON Schemas of messages and configuration files, and the tables of parameters in documents, made from them.

`python -m wayside.schema` writes them into the tree.

With ``--check`` it only names those that are stale and exits with 1. Descriptions are the docstrings under the fields.
"""

import ast
import inspect
import itertools
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from devices.conditions.device import AnyDevice
from devices.conditions.level import Level
from devices.conditions.manhole import Manhole
from devices.conditions.vehicle import Vehicle
from devices.conditions.weather import Weather
from devices.profile import Profile
from devices.schedule import ScheduleFile
from edge.config import Agent, Camera
from edge.gateway_config import DevicesFile, Gateway
from ingest.config import Centre
from rules.rule import RuleFile
from wayside.parameters import documents, filled
from wire.batch import Batch
from wire.command import Ack, Command, LampState, ScheduleOrder
from wire.device import Device, Presence, Stranger
from wire.event import Event, Evidence
from wire.fix import Fix
from wire.health import Health, Status
from wire.loss import LossRecord
from wire.observation import Observation
from wire.receipt import Receipt

ROOT = Path(__file__).parent.parent
DRAFT = "https://json-schema.org/draft/2020-12/schema"

SCHEMAS: dict[str, Any] = {
    "docs/schema/camera.json": Camera,
    "docs/schema/centre.json": Centre,
    "docs/schema/devices.json": DevicesFile,
    "docs/schema/edge.json": Agent,
    "docs/schema/gateway.json": Gateway,
    "docs/schema/schedules.json": ScheduleFile,
    "firmware_profiles/schema.json": Profile,
    "rules/schema.json": RuleFile,
    "wire/schema/ack.json": Ack,
    "wire/schema/batch.json": Batch,
    "wire/schema/command.json": Command,
    "wire/schema/device.json": Device,
    "wire/schema/event.json": Event,
    "wire/schema/evidence.json": Evidence,
    "wire/schema/fix.json": Fix,
    "wire/schema/health.json": Health,
    "wire/schema/lamp.json": LampState,
    "wire/schema/loss.json": LossRecord,
    "wire/schema/observation.json": Observation,
    "wire/schema/presence.json": Presence,
    "wire/schema/receipt.json": Receipt,
    "wire/schema/schedule_order.json": ScheduleOrder,
    "wire/schema/status.json": Status,
    "wire/schema/stranger.json": Stranger,
}
"""Path in the tree, and what it is the schema of."""
TABLED: tuple[Any, ...] = (Camera, AnyDevice, Manhole, Level, Vehicle, Weather)
"""What the documents have tables of, beside the structs that these are made of."""


def schema(kind: Any) -> bytes:
    """Return the JSON Schema of ``kind``, ready to be written."""
    (reference,), components = msgspec.json.schema_components([kind])
    for struct in _structs(kind):
        _describe(components[struct.__name__]["properties"], struct)
    body = {"$schema": DRAFT, **reference, "$defs": components}
    text = msgspec.json.encode(body)
    return msgspec.json.format(text, indent=2) + b"\n"


def stale() -> list[str]:
    """Return the paths of schemas and documents whose content is not what the code says."""
    return [path for path, content in _made() if not (ROOT / path).is_file() or (ROOT / path).read_bytes() != content]


def _made() -> Iterator[tuple[str, bytes]]:
    """Yield the path and content of everything that is made here."""
    for path, kind in SCHEMAS.items():
        yield path, schema(kind)
    structs = {name: each for kind in TABLED for name, each in msgspec.json.decode(schema(kind))["$defs"].items()}
    for document in documents(ROOT):
        yield str(document.relative_to(ROOT)), filled(document.read_text("utf-8"), structs).encode()


def _structs(kind: Any) -> list[type]:
    """Return every struct that a type is made of."""
    found: dict[type, None] = {}
    waiting: list[Any] = [msgspec.inspect.type_info(kind)]
    while waiting:
        info = waiting.pop()
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls in found or info.array_like:
                continue
            found[info.cls] = None
            waiting += [field.type for field in info.fields]
        for name in ("item_type", "value_type", "types", "item_types"):
            inner = getattr(info, name, ())
            waiting += inner if isinstance(inner, tuple) else (inner,)
    return list(found)


def _describe(properties: dict[str, Any], struct: type) -> None:
    """Add the docstrings that stand under a struct's fields."""
    for owner in struct.__mro__:
        if owner.__module__.startswith(("msgspec", "builtins")):
            continue
        tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
        body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef))
        for field, text in itertools.pairwise(body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                    # Beside a reference a description is allowed since draft 2019-09.
                    properties[name]["description"] = " ".join(words.replace("``", "`").split())


def main() -> None:
    """Write or check every schema."""
    found = stale()
    if "--check" in sys.argv[1:]:
        if found:
            sys.exit(f"stale: {', '.join(found)}; write them with `python -m wayside.schema`")
        return
    for path, content in _made():
        if path in found:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_bytes(content)
            print(path)  # noqa: T201  # a script's own voice


if __name__ == "__main__":
    main()
