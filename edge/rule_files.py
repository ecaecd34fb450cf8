"""The book of rules in a folder."""

from pathlib import Path

import rules
from config.document import ConfigError
from rules.rule import Rule
from rules.rule_book import Book

OWN_BOOK = Path(rules.__path__[0]) / "book"


def read_rules(folder: Path) -> tuple[Rule, ...]:
    """Read every ``*.yaml`` of a folder; raise ConfigError naming the file that is wrong, or that none is there."""
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        problem = "holds no rules (*.yaml)" if folder.is_dir() else "no such folder"
        raise ConfigError(str(folder), 0, "", problem, f"Wayside's own are in {OWN_BOOK}")
    return tuple(_read(path) for path in paths)


def read_book(folder: Path) -> Book:
    """Read the book of a folder; raise ConfigError."""
    return Book(read_rules(folder))


def _read(path: Path) -> Rule:
    try:
        return Rule(path.read_bytes(), str(path))
    except OSError as error:
        raise ConfigError(str(path), 0, "", f"cannot be read: {error.strerror}") from error
