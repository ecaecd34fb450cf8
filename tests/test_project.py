"""The project as a newcomer meets it: its documents name what exists, and nothing half-done is left in the tree."""

import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from wayside.__main__ import COMMANDS

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*.md")) if path.is_file()
]
# Spelt apart, so that this file does not find itself.
LEFTOVERS = ("TO" + "DO", "FIX" + "ME", "X" + "XX", "NotImplemented" + "Error", "lorem " + "ipsum")
MACHINE_PATHS = (r"/work/" + r"(?:main|shared)\b", r"/home/" + r"(?!\.\.)\w+/", r"/Users" + r"/\w+")
REGISTRIES = ("pypi" + ".org", "python" + "hosted", "npm" + "js.org", "deb.debian" + ".org")


def tracked(*suffixes: str) -> Iterator[tuple[str, str]]:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in names:
        path = ROOT / name
        if name.endswith(suffixes) and path.is_file() and "/vendor/" not in name:
            yield name, path.read_text(errors="replace")


def lines_with(pattern: str, *suffixes: str) -> list[str]:
    return [
        f"{name}:{number}"
        for name, content in tracked(*suffixes)
        for number, line in enumerate(content.splitlines(), 1)
        if re.search(pattern, line)
    ]


def verbs() -> dict[str, set[str]]:
    """Return every command and its sub-commands, which are none for a command that takes arguments itself."""
    found = {}
    for name, (module, application, _) in COMMANDS.items():
        command: Any = typer.main.get_command(getattr(importlib.import_module(module), application))
        found[name] = set(getattr(command, "commands", ()))
    return found


RUN_EXTRAS = ("vision", "postgres", "demo")
VERBS = verbs()
NAMED = [
    (path, command, verb)
    for path in DOCUMENTS
    for command, verb in re.findall(
        r"(?:^|`|\$ )wayside ([a-z][a-z0-9]*)(?: ([a-z][a-z-]*))?\b", path.read_text(), re.MULTILINE
    )
]


@pytest.mark.parametrize("path", sorted({path for path, *_ in NAMED}), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_a_document_names_exists(path: Path) -> None:
    unknown = [
        f"wayside {command} {verb}"
        for where, command, verb in NAMED
        if where == path and (command not in VERBS or (VERBS[command] and verb and verb not in VERBS[command]))
    ]
    assert unknown == []


@pytest.mark.parametrize("command", VERBS)
def test_every_command_is_named_in_a_document(command: str) -> None:
    named = {(name, verb) for _, name, verb in NAMED}
    assert command in {name for name, _ in named}
    assert {verb for verb in VERBS[command] if (command, verb) not in named} == set()


@pytest.mark.parametrize("target", re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
def test_make_help_names_every_target_that_is_for_people(target: str) -> None:
    said = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    line = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(f"{target}:"))
    assert (f"make {target} " in said) == ("## " in line)


def test_nothing_half_done_is_left() -> None:
    assert lines_with("|".join(LEFTOVERS), ".py", ".yaml", ".md", ".sh", ".html", ".js", "Makefile") == []


def test_no_path_of_a_single_machine_and_no_registry_is_named() -> None:
    pattern = "|".join((*MACHINE_PATHS, *(re.escape(name) for name in REGISTRIES)))
    assert lines_with(pattern, ".py", ".toml", ".yaml", ".md", ".sh", ".lock", "Makefile", "Dockerfile", "run") == []


def test_help_is_quick_because_it_imports_no_command() -> None:
    code = """
import atexit, sys
from wayside.__main__ import main

sys.argv = ["wayside", "--help"]
atexit.register(lambda: print(sorted(set(sys.modules) & {"av", "cv2", "numpy", "sqlalchemy"})))
main()
"""
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-1] == "[]"
    assert all(command in said.stdout for command in COMMANDS)


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("requirements.lock", RUN_EXTRAS), ("requirements-dev.lock", (*RUN_EXTRAS, "openvino", "plates", "dev"))],
)
def test_every_library_is_locked_to_a_version_that_the_project_allows(lock: str, extras: tuple[str, ...]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(text) for text in project["dependencies"]]
    wanted += [Requirement(text) for extra in extras for text in project["optional-dependencies"][extra]]
    locked: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)(?:\[\w+\])?==([^\s;]+)", (ROOT / lock).read_text(), re.MULTILINE):
        locked.setdefault(canonicalize_name(name), []).append(version)
    unfit = [
        str(each)
        for each in wanted
        if not any(each.specifier.contains(version) for version in locked.get(canonicalize_name(each.name), []))
    ]
    assert unfit == []
