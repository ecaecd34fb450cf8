"""What the documents point at is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = [*sorted(ROOT.glob("*.md")), ROOT / "deploy/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FOLDERS = "config|deploy|detectors|devices|edge|firmware_profiles|ingest|rules|shell|tests|wayside|wire"

every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@every_document
def test_every_link_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


@every_document
def test_every_path_that_is_named_exists(path: Path) -> None:
    # What follows "<" or a word of the reader's own is a pattern.
    named = re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", path.read_text())
    assert [name for name in named if not (ROOT / name).exists() and not name.startswith("deploy/secrets")] == []


def test_every_decision_has_its_four_parts_and_stands_in_the_list() -> None:
    records = sorted((ROOT / "docs/decisions").glob("0*.md"))
    listed = (ROOT / "docs/decisions/README.md").read_text()
    for record in records:
        assert record.name in listed
        assert re.findall(r"^\*\*([\w ]+)\.\*\*", record.read_text(), re.MULTILINE) == [
            "Objective",
            "Is",
            "Is not",
            "Prior art",
            "Decision",
        ]
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
