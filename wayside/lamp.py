"""`wayside lamp`: switch lamps by way of the centre's API, and watch each one until it is proven or has failed."""

import getpass
import os
import time
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from shell.refusal import Refusal

lamp_app = typer.Typer(no_args_is_help=True, help="Switch lamps by way of the centre, and see each one proven.")

_POLL_S = 0.3
_PATIENCE_S = 25 * 60
_STAGES = (
    "waiting", "issued", "accepted", "sent", "reported", "proven",
    "reported-not-proven", "rejected", "expired", "unreachable", "superseded",
)  # fmt: skip

Lamps = Annotated[list[str] | None, typer.Argument(help="Lamps by id.")]
Area = Annotated[str, typer.Option(help="All lamps of an area.")]
Circuit = Annotated[str, typer.Option(help="All lamps of a circuit.")]
Group = Annotated[str, typer.Option(help="All lamps of a group.")]
Gateway = Annotated[str, typer.Option(help="All lamps of a gateway.")]
Every = Annotated[bool, typer.Option("--all", help="All lamps.")]
Minutes = Annotated[int | None, typer.Option(min=1, help="How long until the schedule returns; 60 if left out.")]
Reason = Annotated[str, typer.Option(help="Why; must be given to switch off or dim.")]
_CENTRE = "http://127.0.0.1:8080"


class Visit:
    """A session at the centre."""

    def __init__(self, client: httpx.Client, account: str, password_file: Path | None) -> None:
        self._client = client
        password, centre = _password(account, password_file), str(client.base_url)
        answer = self._answer("POST", "/sign-in", data={"name": account, "password": password})
        if answer.status_code != 303:
            raise Refusal(account, f"cannot sign in at {centre}", "check account and password")
        self._token = self.get("/api/me")["csrf_token"]

    def get(self, path: str, **query: Any) -> Any:
        """Return what the centre answers; raise Refusal."""
        return _body(self._answer("GET", path, params=query))

    def send(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """Change something; raise Refusal. An order that must be approved first is an answer, not a refusal."""
        answer = self._answer(method, path, json=body, headers={"X-CSRF-Token": self._token})
        if answer.status_code == 409 and "command_id" in answer.json():
            return answer.json()
        return _body(answer)

    def _answer(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, **more)
        except httpx.TransportError as error:
            raise Refusal(str(self._client.base_url), f"does not answer: {error}", "is the centre there?") from error


@lamp_app.callback()
def visit_of(
    context: typer.Context,
    *,
    centre: Annotated[str, typer.Option(envvar="WAYSIDE_CENTRE", help="Address of the centre.")] = _CENTRE,
    account: Annotated[str, typer.Option(envvar="WAYSIDE_ACCOUNT", help="Who you are there.")] = "",
    password_file: Annotated[
        Path | None, typer.Option(help="Holds the password; else WAYSIDE_PASSWORD, else it is asked for.")
    ] = None,
) -> None:
    """Say which centre, and who you are there."""

    def visit() -> Visit:
        client = httpx.Client(base_url=centre, timeout=30, headers={"Accept": "application/json"})
        context.call_on_close(client.close)
        return Visit(client, account, password_file)

    context.obj = visit


@lamp_app.command()
def on(
    context: typer.Context,
    lamps: Lamps = None,
    *,
    area: Area = "",
    circuit: Circuit = "",
    group: Group = "",
    gateway: Gateway = "",
    every: Every = False,
    minutes: Minutes = None,
    reason: Reason = "",
) -> None:
    """Switch lamps on."""
    chosen = _selection(lamps, area=area, circuit=circuit, group=group, agent=gateway, every=every)
    ask = {"selection": chosen, "action": "on", "minutes": minutes, "reason": reason}
    _order(context.obj(), ask)


@lamp_app.command()
def off(
    context: typer.Context,
    lamps: Lamps = None,
    *,
    reason: Annotated[str, typer.Option(help="Why.")],
    area: Area = "",
    circuit: Circuit = "",
    group: Group = "",
    gateway: Gateway = "",
    every: Every = False,
    minutes: Minutes = None,
) -> None:
    """Switch lamps off; more than the limits allow waits until a second person has approved it."""
    chosen = _selection(lamps, area=area, circuit=circuit, group=group, agent=gateway, every=every)
    ask = {"selection": chosen, "action": "off", "minutes": minutes, "reason": reason}
    _order(context.obj(), ask)


@lamp_app.command()
def dim(
    context: typer.Context,
    lamps: Lamps = None,
    *,
    level: Annotated[int, typer.Option(min=1, max=100, help="Percent of full light.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    area: Area = "",
    circuit: Circuit = "",
    group: Group = "",
    gateway: Gateway = "",
    every: Every = False,
    minutes: Minutes = None,
) -> None:
    """Dim lamps; limited as switching off is."""
    chosen = _selection(lamps, area=area, circuit=circuit, group=group, agent=gateway, every=every)
    ask = {"selection": chosen, "action": "dim", "level": level, "minutes": minutes, "reason": reason}
    _order(context.obj(), ask)


@lamp_app.command()
def resume(
    context: typer.Context,
    lamps: Lamps = None,
    *,
    area: Area = "",
    circuit: Circuit = "",
    group: Group = "",
    gateway: Gateway = "",
    every: Every = False,
    reason: Reason = "",
) -> None:
    """Give lamps back to their schedules."""
    chosen = _selection(lamps, area=area, circuit=circuit, group=group, agent=gateway, every=every)
    _order(context.obj(), {"selection": chosen, "action": "resume", "reason": reason})


@lamp_app.command()
def status(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="Part of a lamp's id, name, area or circuit.")] = "",
    *,
    area: Area = "",
    circuit: Circuit = "",
    group: Group = "",
    faults: Annotated[bool, typer.Option("--faults", help="Only lamps with a fault.")] = False,
) -> None:
    """Print what lamps are to do, say, and are proven to do; those with faults first."""
    visit: Visit = context.obj()
    query = {"text": text, "area": area, "circuit": circuit, "group": group, "standing": "faults" if faults else "all"}
    table = Table("lamp", "to be", "says", "proven", "proof", "fault", "why", box=None, pad_edge=False)
    after: str | None = ""
    count = 0
    while after is not None:
        page = visit.get("/api/lamps", after=after, rows=500, **query)
        for each in page["lamps"]:
            levels = ("-" if each[name] is None else f"{each[name]} %" for name in ("desired", "reported", "proven"))
            why = (
                f"{each['why']}, {each['actor']}: {each['reason']}" if each["why"] == "override" else each["why"] or ""
            )
            table.add_row(each["id"], *levels, each["proof"] or "", each["fault"] or "", why)
        after, count = page["next"], page["count"]
    Console(highlight=False).print(table)
    typer.echo(f"{count} lamps, {page['totals']['faults']} faults, {page['totals']['kwh_today']:.1f} kWh today")


@lamp_app.command()
def schedule(
    context: typer.Context,
    gateway: Annotated[str, typer.Argument(help="The gateway's id.")],
    *,
    put: Annotated[
        Path | None, typer.Option(help="A schedule file to give it; left out, its schedules are printed.")
    ] = None,
    reason: Reason = "",
) -> None:
    """Print the schedules that a gateway was last given, or give it others."""
    visit: Visit = context.obj()
    if put is None:
        found = visit.get(f"/api/schedules/{gateway}")
        typer.echo(f"# {found['stage']}, given by {found['actor']}: {found['reason']}", err=True)
        typer.echo(found["schedules"], nl=False)
        return
    try:
        text = put.read_text()
    except OSError as error:
        raise Refusal(str(put), f"cannot be read: {error.strerror}") from error
    _follow(visit, visit.send("PUT", f"/api/schedules/{gateway}", {"schedules": text, "reason": reason}))


def _selection(lamps: list[str] | None, *, every: bool, **where: str) -> dict[str, Any]:
    named = {name: value for name, value in where.items() if value}
    if not (lamps or named or every):
        raise Refusal("lamp", "which lamps?", "name some, or give --circuit, --area, --group, --gateway or --all")
    return named | ({"lamps": lamps} if lamps else {}) | ({"all": True} if every else {})


def _order(visit: Visit, ask: dict[str, Any]) -> None:
    body = {name: value for name, value in ask.items() if value is not None}
    _follow(visit, visit.send("POST", "/api/lamps/commands", body))


def _follow(visit: Visit, given: dict[str, Any]) -> None:
    """Print each change until the order has ended everywhere; exit with 1 unless all is proven."""
    for each in given["over"]:
        where = f"circuit {each['circuit'].partition('/')[2]}" if each["circuit"] else "all lamps"
        typer.echo(f"limit: {each['count']} of {where} within a minute, {each['allowed']} are allowed", err=True)
    if given["state"] == "waiting":
        typer.echo(f"waits for a second person to approve {given['command_id']}, ten minutes at most", err=True)
    order = _watch(visit, given["command_id"])
    wanted = {"proven", "accepted"} if order["kind"] == "schedule" else {"proven"}
    lines = order["parts"] if order["kind"] == "schedule" else order["results"]
    for each in lines:
        if each["stage"] not in wanted:
            reason = f": {each['reason']}" if each["reason"] else ""
            typer.echo(f"{each.get('lamp', each['agent'])}: {each['stage']}{reason}", err=True)
    if order["state"] != "ended" or set(order["stages"]) - wanted:
        raise typer.Exit(1)


def _watch(visit: Visit, command_id: str) -> dict[str, Any]:
    """Print how many lamps stand where, each time that it changes; return the order when it has ended."""
    said, deadline = "", time.monotonic() + _PATIENCE_S
    while True:
        order: dict[str, Any] = visit.get(f"/api/lamps/commands/{command_id}")
        counts = ", ".join(f"{order['stages'][name]} {name}" for name in _STAGES if name in order["stages"])
        if counts != said:
            typer.echo(counts)
            said = counts
        if order["state"] in ("ended", "lapsed") or time.monotonic() > deadline:
            return order
        time.sleep(_POLL_S)


def _password(account: str, password_file: Path | None) -> str:
    if not account:
        raise Refusal("lamp", "who are you?", "give --account, or set WAYSIDE_ACCOUNT")
    if password_file is not None:
        try:
            return password_file.read_text().strip()
        except OSError as error:
            raise Refusal(str(password_file), f"cannot be read: {error.strerror}") from error
    return os.environ.get("WAYSIDE_PASSWORD") or getpass.getpass(f"Password of {account}: ")


def _body(answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json()
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = answer.reason_phrase
    raise Refusal(str(answer.url), f"{answer.status_code}: {detail}")
