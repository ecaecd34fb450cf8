"""What a type would have taken at some place of a document, so that a refusal can say what to write instead."""

import re
from collections.abc import Iterator
from typing import Any

from msgspec import inspect

_STEP = re.compile(r"\[[^\]]*\]|[^.\[\]]+")


def keys_at(kind: Any, path: str, document: Any) -> set[str]:
    """Return the keys that a document of ``kind`` may have at ``path``, for example ``zones[0]``.

    Of a union it is the member whose tag stands there.
    """
    structs = [info for info in _at(kind, path) if isinstance(info, inspect.StructType)]
    found = document
    for step in _STEP.findall(path):
        if isinstance(found, list) and step[1:-1].isdecimal():
            found = found[int(step[1:-1])]
        else:
            found = found.get(step) if isinstance(found, dict) else None
    if isinstance(found, dict):
        structs = [info for info in structs if info.tag_field is None or found.get(info.tag_field) == info.tag]
    keys = {field.encode_name for info in structs for field in info.fields}
    return keys | {info.tag_field for info in structs if info.tag_field is not None}


def words_at(kind: Any, path: str) -> list[str]:
    """Return the words of which a document of ``kind`` must have one at ``path``; none if it takes others too."""
    parent, _, last = path.rpartition(".")
    tags = [info.tag for info in _at(kind, parent) if isinstance(info, inspect.StructType) and info.tag_field == last]
    literals = [info.values for info in _at(kind, path) if isinstance(info, inspect.LiteralType)]
    return [str(word) for word in (*tags, *(word for words in literals for word in words))]


def example_at(kind: Any, path: str) -> str:
    """Return an example of what ``kind`` takes at ``path``, or an empty string if its type gives none."""
    for info in _at(kind, path):
        if isinstance(info, inspect.Metadata):
            for example in (info.extra_json_schema or {}).get("examples", ()):
                return str(example)
    return ""


def _at(kind: Any, path: str) -> list[Any]:
    """Return all that may stand at a place: annotations, unions, and what is in them."""
    infos = list(_unwrapped(inspect.type_info(kind)))
    for step in _STEP.findall(path):
        infos = [inner for info in infos for child in _inside(info, step) for inner in _unwrapped(child)]
    return infos


def _unwrapped(info: Any) -> Iterator[Any]:
    yield info
    if isinstance(info, inspect.Metadata):
        yield from _unwrapped(info.type)
    elif isinstance(info, inspect.UnionType):
        for each in info.types:
            yield from _unwrapped(each)


def _inside(info: Any, step: str) -> Iterator[Any]:
    """Return the types that stand one step inside another."""
    number = step.strip("[]")
    if isinstance(info, inspect.StructType):
        yield from (field.type for field in info.fields if field.encode_name == step)
    elif isinstance(info, inspect.TupleType) and number.isdecimal():
        yield from info.item_types[int(number) :][:1]
    elif isinstance(info, inspect.DictType):
        yield info.value_type
    elif step.startswith("[") and isinstance(info, inspect.VarTupleType | inspect.ListType):
        yield info.item_type
