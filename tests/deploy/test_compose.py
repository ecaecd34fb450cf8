"""compose.yaml: hardened throughout, nothing secret in it, and every file that it names is there or is made."""

import shutil
import subprocess
from pathlib import Path

import pytest

from ingest.evidence import token_of
from tests.fixtures.deploy import COMPOSE, ROOT, SERVICES, make_secrets

NEEDED = {"mosquitto", "postgres", "influxdb", "ingest", "agent"}

every_service = pytest.mark.parametrize("name", sorted(SERVICES))


def test_the_compose_client_takes_it() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no `docker compose` on this machine")
    done = subprocess.run([docker, "compose", "config", "-q"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_all_of_the_centre_is_there() -> None:
    assert set(SERVICES) >= NEEDED


@every_service
def test_a_service_runs_without_rights_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert "privileged" not in service
    is_ours = service["image"].startswith("wayside-")
    assert "USER 10001:10001" in (ROOT / "deploy/Dockerfile").read_text() if is_ours else service["user"][0] != "0"


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_a_service_tells_whether_it_is_well(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@every_service
def test_an_image_is_built_here_or_pinned(name: str) -> None:
    service = SERVICES[name]
    assert "build" in service or service["image"].partition(":")[2] not in {"", "latest"}


@every_service
def test_what_a_service_names_is_declared(name: str) -> None:
    service = SERVICES[name]
    assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"])
    assert set(service.get("networks", ())) <= set(COMPOSE["networks"])
    assert set(service.get("depends_on", ())) <= set(SERVICES)
    for volume in service.get("volumes", ()):
        source = volume.split(":")[0]
        assert (ROOT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"]


@every_service
def test_no_secret_stands_in_the_file(name: str) -> None:
    for key, value in SERVICES[name].get("environment", {}).items():
        assert not any(word in key for word in ("PASSWORD", "TOKEN", "SECRET")) or key.endswith("_FILE"), key
        assert not key.endswith("_FILE") or Path(value).name in SERVICES[name]["secrets"], key


def test_only_the_broker_with_tls_is_open_to_the_world() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports == {"mosquitto": ["8883:8883"], "ingest": ["127.0.0.1:8080:8080"]}
    assert COMPOSE["networks"]["back"]["internal"] is True
    assert SERVICES["postgres"]["networks"] == ["back"]


def test_every_secret_is_made_by_the_script(secrets: Path) -> None:
    for name, secret in COMPOSE["secrets"].items():
        assert (secrets / Path(secret["file"]).relative_to("deploy/secrets")).stat().st_size > 0, name


def test_secrets_are_kept_from_others_and_from_git(secrets: Path) -> None:
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert (secrets / "ca.key").stat().st_mode & 0o777 == 0o600
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_running_the_script_again_keeps_what_is_there_and_adds_agents(tmp_path: Path) -> None:
    assert make_secrets(tmp_path, "localhost", "kerb-north").returncode == 0
    kept = ["agent_secret.txt", "broker.crt", "agents/kerb-north/broker_password.txt"]
    before = [(tmp_path / name).read_bytes() for name in kept]
    assert make_secrets(tmp_path, "localhost", "kerb-south").returncode == 0
    assert [(tmp_path / name).read_bytes() for name in kept] == before
    users = [line.partition(":")[0] for line in (tmp_path / "broker_passwords.txt").read_text().splitlines()]
    assert users == ["ingest", "kerb-north", "kerb-south"]


def test_a_token_made_by_the_script_is_the_one_that_the_centre_expects(secrets: Path) -> None:
    secret = (secrets / "agent_secret.txt").read_bytes().strip()
    for agent in ("kerb-north", "kerb-south"):
        made = (secrets / "agents" / agent / "evidence_token.txt").read_text().strip()
        assert made == token_of(secret, agent)


@pytest.mark.parametrize("agent", ["Ab", "a", "../x", "a b", "ingest", "-ab", "", "ab\ncd", "x" * 42])
def test_a_name_that_is_no_agent_is_refused(agent: str, tmp_path: Path) -> None:
    done = make_secrets(tmp_path / "secrets", "localhost", agent)
    assert (done.returncode, "expected an agent id" in done.stderr) == (2, True)
    assert not (tmp_path / "secrets").exists()


def test_the_build_sees_no_secret() -> None:
    lines = (ROOT / "deploy/Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert not any(rule.startswith(("!deploy", "!.")) for rule in rules)
