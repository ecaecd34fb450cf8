"""Files and functions stay short enough to be read in one go."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("config", "detectors", "devices", "edge", "ingest", "rules", "shell", "wayside", "wire")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70

modules = pytest.mark.parametrize(
    "path",
    [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))],
    ids=lambda path: str(path.relative_to(ROOT)),
)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@modules
def test_a_module_and_its_functions_can_be_read_in_one_go(path: Path) -> None:
    content = path.read_text()
    assert len(content.splitlines()) <= FILE_LINES_MAX
    long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in functions(ast.parse(content))
        if node.end_lineno is not None and node.end_lineno - node.lineno >= FUNCTION_LINES_MAX
    }
    assert long == {}
