"""Rows of the database as typed structs."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)


def read_row(kind: type[T], row: Mapping[Any, Any], **more: Any) -> T:
    """Return a row's columns, and ``more`` beside them, as a struct; columns that it has no field for are left out."""
    # The names of a row are SQLAlchemy's own kind of string, which msgspec refuses as keys.
    found = {name: row[name] for name in kind.__struct_fields__ if name in row}
    return msgspec.convert(found | more, kind)
