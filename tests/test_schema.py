"""Published schemas: never stale, and they refuse what the program refuses."""

from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from wayside.schema import ROOT, SCHEMAS, schema, stale


def validator(path: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(msgspec.json.decode((ROOT / path).read_bytes()))


def test_no_schema_is_stale() -> None:
    assert stale() == [], "write them with `python -m wayside.schema`"


@pytest.mark.parametrize("path", SCHEMAS)
def test_a_schema_is_a_schema(path: str) -> None:
    jsonschema.Draft202012Validator.check_schema(msgspec.json.decode((ROOT / path).read_bytes()))


def test_no_schema_lies_about_that_nobody_makes() -> None:
    folders = {(ROOT / path).parent for path in SCHEMAS if "schema/" in path}
    found = {str(file.relative_to(ROOT)) for folder in folders for file in folder.glob("*.json")}
    assert found <= set(SCHEMAS)


def test_an_editor_is_told_what_a_key_means() -> None:
    camera = msgspec.json.decode(schema(SCHEMAS["docs/schema/camera.json"]))["$defs"]["Camera"]
    assert camera["properties"]["ring_s"]["description"] == (
        "How much compressed video is kept in memory for clips, seconds."
    )


@pytest.mark.parametrize(
    "path",
    [*sorted((ROOT / "firmware_profiles").rglob("*.yaml")), *sorted((ROOT / "rules" / "book").glob("*.yaml"))],
    ids=lambda path: path.stem,
)
def test_what_stands_in_the_tree_follows_the_schema_that_its_first_line_names(path: Path) -> None:
    marker, _, named = path.read_text().splitlines()[0].partition("$schema=")
    assert marker == "# yaml-language-server: "
    # JSON has no numbers for keys; an editor reads them as text too.
    content: Any = msgspec.to_builtins(yaml.safe_load(path.read_text()), str_keys=True)
    validator(str((path.parent / named).resolve().relative_to(ROOT))).validate(content)


def test_an_unknown_key_is_underlined_in_the_editor() -> None:
    errors = validator("firmware_profiles/schema.json").iter_errors({"vendr": "acme"})
    # Each kind of profile says what it misses; an editor shows those of the nearest.
    assert any(
        "'vendr' was unexpected" in inner.message for error in errors for inner in (error, *(error.context or ()))
    )
