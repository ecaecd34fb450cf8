"""JSON from anybody: read within bounds, and looked into by path."""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from devices.reading import DecodeError

BYTES_MAX = 64 * 1024
DEPTH_MAX = 16
FOUND_MAX = 1_024
Path = Annotated[str, Meta(pattern=r"^[^.\[\]]+(\.[^.\[\]]+|\[\d*\])*$(?!\n)", max_length=200)]
"""``ENERGY.Power``, ``sensors[0].value``, ``sensors[].value`` for each of a list."""
Step = str | int | None
"""A key, a number in a list, or each of a list."""
_STEP = re.compile(r"(?P<key>[^.\[\]]+)|\[(?P<index>\d*)\]|\.")


def read_json(payload: bytes) -> Any:
    """Return the document in ``payload``; raise DecodeError for what is none, too large or too deep."""
    if len(payload) > BYTES_MAX:
        raise DecodeError(BYTES_MAX, f"expected at most {BYTES_MAX} bytes, got {len(payload)}")
    if (at := _too_deep(payload)) is not None:
        raise DecodeError(at, f"expected at most {DEPTH_MAX} levels of nesting")
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DecodeError(0, f"no valid JSON: {str(error)[:120]}") from error


def steps_of(path: str) -> list[Step]:
    """Return the steps that a path is made of.

    >>> steps_of("sensors[].value"), steps_of("a[0]")
    (['sensors', None, 'value'], ['a', 0])
    """
    return [
        step["key"] or (int(step["index"]) if step["index"] else None)
        for step in _STEP.finditer(path)
        if step[0] != "."
    ]


def found_at(document: Any, steps: list[Step]) -> list[tuple[Any, Any]]:
    """Return what stands at a path, each beside the innermost list's element that it is in; null is nothing."""
    here: list[tuple[Any, Any]] = [(document, document)]
    for step in steps:
        deeper: list[tuple[Any, Any]] = []
        for value, element in here:
            if isinstance(value, dict) and isinstance(step, str) and step in value:
                deeper.append((value[step], element))
            elif isinstance(value, list) and step is None:
                deeper += [(each, each) for each in value]
            elif isinstance(value, list) and isinstance(step, int):
                deeper += [(each, element) for each in value[step : step + 1]]
        here = deeper[:FOUND_MAX]
    return [(value, element) for value, element in here if value is not None]


def value_at(document: Any, path: str, kind: type | tuple[type, ...]) -> Any:
    """Return what stands at a path of keys, or none if it is not of that kind; a flag is no number."""
    for key in path.split("."):
        document = document.get(key) if isinstance(document, dict) else None
    is_flag = isinstance(document, bool)
    wants_flag = kind is bool or (isinstance(kind, tuple) and bool in kind)
    return document if isinstance(document, kind) and is_flag <= wants_flag else None


def _too_deep(payload: bytes) -> int | None:
    """Return where nesting becomes too deep, or none."""
    if payload.count(b"{") + payload.count(b"[") <= DEPTH_MAX:
        return None
    depth, is_text, is_escaped = 0, False, False
    for at, byte in enumerate(payload):
        if is_text:
            is_text = is_escaped or byte != 0x22
            is_escaped = not is_escaped and byte == 0x5C
        elif byte == 0x22:
            is_text = True
        elif byte in b"{[":
            depth += 1
            if depth > DEPTH_MAX:
                return at
        elif byte in b"}]":
            depth -= 1
    return None
