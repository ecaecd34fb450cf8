"""`wayside ingest`: what it says when it cannot, and what it prints when it can."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from config.document import ConfigError
from ingest.cli import ingest_app
from ingest.evidence import token_of
from shell.order_keys import read_keys
from shell.refusal import Refusal
from tests.fixtures.mosquitto import Mosquitto, free_port
from tests.fixtures.postgres import Postgres

RUNNER = CliRunner()


def centre(folder: Path, broker: str = "mqtt://127.0.0.1:1", more: str = "") -> str:
    path = folder / "centre.yaml"
    path.write_text(f"broker: {broker}\n{more}")
    return str(path)


def test_an_agents_token_is_printed_and_depends_on_the_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a secret of more than sixteen bytes\n")
    path = centre(tmp_path, more="agent_secret_file: secret\n")
    result = RUNNER.invoke(ingest_app, ["agent-token", "box-1", "--config", path])
    assert result.stdout.strip() == token_of(b"a secret of more than sixteen bytes", "box-1")


@pytest.mark.parametrize(
    ("agent", "secret", "problem"),
    [
        ("Box 1", "a secret of more than sixteen bytes", "expected an agent's id"),
        ("box-1", "short", "at least 16 bytes"),
        ("box-1", None, "cannot be read"),
    ],
)
def test_a_token_that_would_be_worthless_is_refused(
    tmp_path: Path, agent: str, secret: str | None, problem: str
) -> None:
    if secret is not None:
        (tmp_path / "secret").write_text(secret)
    path = centre(tmp_path, more="agent_secret_file: secret\n")
    result = RUNNER.invoke(ingest_app, ["agent-token", agent, "--config", path])
    assert isinstance(result.exception, Refusal)
    assert problem in str(result.exception)


@pytest.mark.system
def test_check_says_in_one_line_each_what_can_be_used(tmp_path: Path, mosquitto: Mosquitto) -> None:
    result = RUNNER.invoke(ingest_app, ["check", centre(tmp_path, mosquitto.url)])
    assert result.exit_code == 0, result.output
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == [
        "configuration", "database", "broker", "storage",
    ]  # fmt: skip
    assert "MQTTv5" in result.stdout


def test_check_ends_with_2_and_names_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("a file where a folder should be")
    result = RUNNER.invoke(ingest_app, ["check", centre(tmp_path, f"mqtt://127.0.0.1:{free_port()}")])
    assert result.exit_code == 2
    assert [line for line in result.stderr.splitlines() if "failed" not in line] == []
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == ["broker", "storage"]


@pytest.mark.system
def test_postgresql_is_never_changed_without_being_asked(tmp_path: Path, postgres: Postgres) -> None:
    url = postgres.new_database()
    path = centre(tmp_path, more=f"database: {url}\nport: 0\n")
    served = RUNNER.invoke(ingest_app, ["serve", path])
    assert isinstance(served.exception, Refusal)
    assert "wayside ingest migrate" in str(served.exception)
    assert "wayside ingest migrate" in RUNNER.invoke(ingest_app, ["check", path]).stderr

    migrated = RUNNER.invoke(ingest_app, ["migrate", path])

    assert migrated.exit_code == 0
    assert "empty -> " in migrated.stdout
    engine = sa.create_engine(url)
    assert "cases" in sa.inspect(engine).get_table_names()
    engine.dispose()
    assert "database: ok" in RUNNER.invoke(ingest_app, ["check", path]).stdout


@pytest.mark.system
def test_a_password_from_a_file_is_put_into_the_url_and_never_printed(tmp_path: Path, postgres: Postgres) -> None:
    (tmp_path / "password").write_text("p@ss/word:%\n")
    url = postgres.new_database().replace("postgres@", "postgres:{password}@")
    path = centre(tmp_path, more=f"database: {url}\ndatabase_password_file: password\n")
    result = RUNNER.invoke(ingest_app, ["migrate", path])
    assert result.exit_code == 0, result.exception
    assert "p@ss" not in result.output
    assert "p%40ss" not in result.output


def test_a_time_zone_that_nobody_knows_is_named_with_its_line(tmp_path: Path) -> None:
    result = RUNNER.invoke(ingest_app, ["command-key", centre(tmp_path, more="time_zone: Asia/Nowhere\n")])
    assert isinstance(result.exception, ConfigError)
    assert "time_zone" in str(result.exception)
    assert ":2:" in str(result.exception)


def test_the_command_key_is_printed_the_same_each_time(tmp_path: Path) -> None:
    said = {RUNNER.invoke(ingest_app, ["command-key", centre(tmp_path)]).stdout for _ in range(2)}
    assert len(said) == 1
    (tmp_path / "command.pub").write_text(said.pop())
    assert len(read_keys([tmp_path / "command.pub"])) == 1
