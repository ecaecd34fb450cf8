"""Every rule of the book against the tests inside it."""

from pathlib import Path

import pytest

from rules.rule import Rule
from rules.rule_book import Book, failures

BOOK = Path(__file__).parents[2] / "rules" / "book"
PATHS = sorted(BOOK.glob("*.yaml"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_rule_passes_its_own_tests(path: Path) -> None:
    assert failures(Rule(path.read_bytes(), str(path))) == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_rule_tries_a_start_an_end_and_a_stay_that_is_nothing(path: Path) -> None:
    trials = Rule(path.read_bytes(), str(path)).file.tests
    phases = {phase for trial in trials for _, phase in trial.phases}
    assert phases == {"start", "end"}
    assert any(not trial.phases for trial in trials)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_rule_is_named_as_its_file(path: Path) -> None:
    assert Rule(path.read_bytes(), str(path)).file.name == path.stem


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_rule_tries_a_near_miss_and_a_gap(path: Path) -> None:
    rule = Rule(path.read_bytes(), str(path))
    notes = " ".join(trial.note for trial in rule.file.tests)
    assert "near miss" in notes
    assert "gap" in notes


def test_the_rules_of_the_book_go_together() -> None:
    assert len(Book(Rule(path.read_bytes(), str(path)) for path in PATHS).rules) == len(PATHS) > 0
