"""`wayside rules`: check rules and run the tests that they bring."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from edge.device_terms import watched_by
from edge.rule_files import OWN_BOOK, read_book
from rules.rule import Rule
from rules.rule_book import failures

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of rules.", show_default="its own")]

rules_app = typer.Typer(no_args_is_help=True, add_completion=False, help="Rules: check them, and run their own tests.")


@rules_app.command("check")
def check_rules(folder: Folder = OWN_BOOK) -> None:
    """Read every rule, and say what each one watches and which parameters a zone or a device may set."""
    out = Console(soft_wrap=True, highlight=False, markup=False)
    for rule in read_book(folder).rules:
        where = f"of devices: {', '.join(watched_by(rule))}" if rule.is_of_devices else _zones(rule)
        out.print(f"{rule.file.name}: {rule.file.kind} {where}")
        for name, parameter in rule.file.parameters.items():
            bounds = f"{parameter.default:g} {parameter.unit} ({parameter.min:g} to {parameter.max:g})"
            out.print(f"  {name} = {bounds}: {parameter.help}")


def _zones(rule: Rule) -> str:
    return f"in zones of type {', '.join(rule.file.zone_types)}"


@rules_app.command("test")
def try_rules(folder: Folder = OWN_BOOK) -> None:
    """Run the tests inside the rules; exit with 1 if one fails."""
    out = Console(soft_wrap=True, highlight=False, markup=False)
    found, count = list[str](), 0
    for rule in read_book(folder).rules:
        count += len(rule.file.tests)
        found += [f"{rule.document.source}: {failure}" for failure in failures(rule)]
    for failure in found:
        out.print(failure)
    out.print(f"{count - len(found)} of {count} tests pass")
    if found:
        raise typer.Exit(1)
