"""`wayside evidence`: check a package of evidence, without agent, centre or network."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rules.completeness import PROFILES, Profile, check, sentence
from shell.refusal import Refusal
from wayside.package_files import open_files
from wayside.verifying import Report, Sealed, verify

evidence_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Evidence: check that a package is what the agent sealed."
)
_KEY_LENGTH = 44


@evidence_app.callback()
def _start() -> None:
    """Keep `verify` a command of its own, though it is the only one."""


@evidence_app.command("verify")
def verify_package(
    package: Annotated[Path, typer.Argument(metavar="FOLDER|ZIP", help="As the console gives it, or unpacked.")],
    key: Annotated[str, typer.Option(help="The agent's public key, or a file that holds it.")] = "",
    profile: Annotated[str, typer.Option(help=f"Also check completeness: {', '.join(PROFILES)}.")] = "",
) -> None:
    """Check hashes, signature and chain, and name the first broken byte; exit with 1 if broken, 2 if unreadable."""
    asked = _profile(profile) if profile else None
    out = Console(soft_wrap=True, highlight=False, markup=False)
    report = verify(open_files(package), _key(key) if key else None)
    for sealed in report.sealed:
        out.print(_about(sealed))
        for role, reason in sealed.manifest.missing.items():
            out.print(f"  without {role}: {reason}")
        for line in check(asked, sealed.manifest) if asked else []:
            out.print(f"  {asked.name if asked else ''}: {'met' if line.is_met else 'MISSING'}: {sentence(line)}")
    for fault in report.faults:
        out.print(f"BROKEN {fault}")
    out.print(_verdict(report, is_key_given=bool(key)))
    if report.faults:
        raise typer.Exit(1)


def _about(sealed: Sealed) -> str:
    manifest = sealed.manifest
    at = datetime.fromtimestamp(manifest.raised_ms / 1000, UTC)
    where = f"{sealed.folder}: " if sealed.folder else ""
    return (
        f"{where}{manifest.kind} {manifest.event_id}, {manifest.camera}/{manifest.zone}, raised "
        f"{at:%Y-%m-%d %H:%M:%S} UTC, clock {manifest.clock}; "
        f"number {manifest.number} of chain {manifest.chain} of {manifest.agent}, key {manifest.key}"
    )


def _verdict(report: Report, *, is_key_given: bool) -> str:
    if report.faults:
        return f"broken: {len(report.faults)} faults; {report.files} files are whole"
    key = "" if is_key_given else "; whose key it is was not checked, give --key for that"
    return f"whole: {report.files} files, {len(report.sealed)} manifests{key}"


def _profile(name: str) -> Profile:
    if name not in PROFILES:
        raise Refusal(name, "no profile of this name is known", f"known: {', '.join(PROFILES)}")
    return PROFILES[name]


def _key(given: str) -> str:
    path = Path(given)
    text = given
    try:
        if len(given) != _KEY_LENGTH and path.is_file():
            text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(given, f"cannot be read as a public key: {error}") from error
    if len(text) != _KEY_LENGTH:
        raise Refusal(given, "is no public key", "expected 44 letters of Base64, as the console's page Fleet shows it")
    return text
