"""The tables of parameters in documents, made from the schema of the camera's file.

Between ``<!-- parameters: NAME -->`` and ``<!-- end -->`` stands one row for each key of the struct of that name.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

_PLACE = re.compile(r"(<!-- parameters: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_HEAD = "| key | default | unit | range | meaning |\n|---|---|---|---|---|\n"


def documents(root: Path) -> list[Path]:
    """Return the documents that have such a table."""
    return [path for path in sorted((root / "docs").rglob("*.md")) if _PLACE.search(path.read_text("utf-8"))]


def filled(text: str, structs: Mapping[str, Any]) -> str:
    r"""Return a document with its tables as the schema (its ``$defs``) has them; raise KeyError for an unknown struct.

    >>> seconds = {"type": "number", "minimum": 0, "unit": "s", "default": 5.0, "description": "How long."}
    >>> print(filled("<!-- parameters: Wait -->\n<!-- end -->", {"Wait": {"properties": {"wait_s": seconds}}}))
    <!-- parameters: Wait -->
    | key | default | unit | range | meaning |
    |---|---|---|---|---|
    | `wait_s` | `5` | s | >= 0 | How long. |
    <!-- end -->
    """

    def table(found: re.Match[str]) -> str:
        rows = [_row(key, field) for key, field in structs[found[2]]["properties"].items()]
        return found[1] + _HEAD + "".join(rows) + found[3]

    return _PLACE.sub(table, text)


def _row(key: str, field: dict[str, Any]) -> str:
    if field.get("default", ...) is None:  # what may be left out has its unit and range one step further in
        field = {**field.get("anyOf", [{}])[0], **field}
    default = f"`{_said(field['default'])}`" if "default" in field else "required"
    meaning = field.get("description", "").replace("|", "\\|")
    return f"| `{key}` | {default} | {field.get('unit', '')} | {_range(field)} | {meaning} |\n"


def _said(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else msgspec.json.encode(value).decode().replace(",", ", ")


def _range(field: dict[str, Any]) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    if "enum" in field:
        return ", ".join(str(each) for each in field["enum"])
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    if low is not None:
        return f">= {low:g}"
    return f"<= {high:g}" if high is not None else ""
