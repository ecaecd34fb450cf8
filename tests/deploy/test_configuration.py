"""The configurations that come along are read by the very readers that the programs use."""

from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml

from edge.config import read_agent, read_camera
from ingest.config import read_centre
from tests.fixtures.deploy import DEPLOY, SERVICES


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("*.yaml")), ids=lambda path: str(path.relative_to(DEPLOY)))
def test_an_example_follows_the_schema_that_its_first_line_names(path: Path) -> None:
    marker, _, named = path.read_text().splitlines()[0].partition("$schema=")
    assert marker == "# yaml-language-server: "
    schema = msgspec.json.decode((path.parent / named).read_bytes())
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("folder", ["compose", "centre"])
def test_the_centre_is_read(folder: str) -> None:
    assert read_centre(DEPLOY / folder / "centre.yaml").agent_secret_file


@pytest.mark.parametrize("folder", ["compose", "box"])
def test_the_agent_is_read(folder: str) -> None:
    agent = read_agent(DEPLOY / folder / "edge.yaml")
    assert agent.broker_password_file
    assert agent.evidence_token_file
    assert [read_camera(DEPLOY / "box" / name).id for name in agent.cameras] == ["kerb-1"]


def test_what_the_containers_read_is_what_they_are_given() -> None:
    centre, agent = read_centre(DEPLOY / "compose/centre.yaml"), read_agent(DEPLOY / "compose/edge.yaml")
    given = [f"/run/secrets/{name}" for name in SERVICES["ingest"]["secrets"] + SERVICES["agent"]["secrets"]]
    named = [centre.database_password_file, centre.broker_password_file, centre.agent_secret_file]
    assert [*named, agent.broker_password_file, agent.evidence_token_file] == given
    assert (centre.host, centre.port) == ("0.0.0.0", 8080)
