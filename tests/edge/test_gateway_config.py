"""A gateway's files are checked as one: what is wrong is named with file, line, key and what to write instead."""

from pathlib import Path

import pytest

from config.document import ConfigError
from edge.check import findings
from edge.gateway_config import read_gateway
from edge.rule_files import OWN_BOOK
from edge.setup import read_setup
from shell.refusal import Refusal
from tests.fixtures.gateway import write_gateway

SCHEDULES = """
programs: {day: [{at: sunset, level: 100}, {at: sunrise, level: 0}]}
calendars: {streets: {default: day}}
assign: [{area: old-town, calendar: streets}]
"""
METER = """
devices:
  - {id: meter-1, role: circuit, profile: wayside/circuit-meter, link: bus, address: "247", circuit: c-1}
"""


def test_a_gateway_is_read_with_all_that_it_names(tmp_path: Path) -> None:
    path = write_gateway(tmp_path, 3, more="schedules: schedules.yaml\n", schedules=SCHEDULES, meters=METER)
    path.write_text(path.read_text().replace("[lamps.yaml]", "[lamps.yaml, meters.yaml]"))
    setup = read_gateway(path)
    assert [entry.id for entry in setup.entries] == ["lamp-1", "lamp-2", "lamp-3", "meter-1"]
    lamp = setup.lamps["lamp-2"]
    assert (lamp.is_metered, lamp.is_dimmable, lamp.on_circuit_meter, lamp.rated_a) == (True, True, True, 0.45)
    assert setup.schedule is not None
    assert len(setup.keys) == 1


@pytest.mark.parametrize(
    ("file", "found", "instead", "said"),
    [
        ("gateway", "position:", "positon:", "gateway.yaml:1: positon: unknown key; did you mean 'position'?"),
        ("gateway", "position:", "time_zone: Asia/Shanghia\nposition:", "did you mean 'Asia/Shanghai'?"),
        ("gateway", "modbus-tcp", "modbus", "links[0].type"),
        ("gateway", "[lamps.yaml]", "[lmaps.yaml]", "lmaps.yaml: cannot be read: No such file"),
        ("gateway", "centre.pub", "lamps.yaml", "command_keys[0]"),
        ("gateway", "position:", "override_minutes: 900\nposition:", "at most override_minutes_max, 720"),
        ("lamps", "id: lamp-2", "id: lamp-1", "lamps.yaml:3: devices[1].id: device 'lamp-1' is there twice"),
        ("lamps", "link: bus, address: '2'", "link: buss, address: '2'", "no link 'buss'; its links: bus"),
        ("lamps", "address: '2'", "address: '1'", "devices[1].address: '1' of 'bus' is 'lamp-1' already"),
        ("lamps", "address: '2'", "address: '300'", "lamps.yaml:3: devices[1]: '300' is no unit"),
        ("lamps", "profile: acme/quick-lamp", "profile: acme/slow-lamp", "no profile 'acme/slow-lamp'; `wayside"),
        ("lamps", "profile: acme/quick-lamp", "profile: ../../etc/passwd", "no profile '../../etc/passwd'"),
        ("lamps", "profile: acme/quick-lamp, ", "", "devices[0].profile: a device of 'bus' needs a profile"),
        ("lamps", "profile: acme/quick-lamp", "profile: wayside/circuit-meter", "cannot be switched: a lamp's"),
        ("lamps", "role: lamp", "role: lampe", "devices[0].role"),
        ("schedules", "area: old-town", "area: odl-town", "assign[0].area: no lamp of this gateway has"),
        ("schedules", "sunset", "sunste", "for example 'sunset-00:15'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_where_it_stands(tmp_path: Path, file: str, found: str, instead: str, said: str) -> None:
    path = write_gateway(tmp_path, 3, more="schedules: schedules.yaml\n", schedules=SCHEDULES)
    wrong = tmp_path / f"{file}.yaml"
    assert found in wrong.read_text()
    wrong.write_text(wrong.read_text().replace(found, instead, 1))
    with pytest.raises(ConfigError) as refused:
        read_gateway(path)
    assert said in str(refused.value), str(refused.value)


def edge_file(folder: Path, more: str) -> Path:
    path = folder / "edge.yaml"
    path.write_text(f"id: box-1\nbroker: mqtt://127.0.0.1:1\ncentre: http://127.0.0.1:1\nrules: {OWN_BOOK}\n{more}")
    return path


def test_a_box_needs_cameras_or_a_gateway(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is nothing to do; name `cameras`, a `gateway`, or both"):
        read_setup(edge_file(tmp_path, ""))
    write_gateway(tmp_path)
    setup = read_setup(edge_file(tmp_path, "gateway: gateway.yaml\n"))
    assert setup.cameras == ()
    assert setup.gateway is not None


def test_the_hash_of_a_box_is_that_of_its_devices_too(tmp_path: Path) -> None:
    write_gateway(tmp_path)
    path = edge_file(tmp_path, "gateway: gateway.yaml\n")
    before = read_setup(path).sha256
    (tmp_path / "lamps.yaml").write_text((tmp_path / "lamps.yaml").read_text().replace("c-1", "c-2"))
    assert read_setup(path).sha256 != before


def test_a_parameter_that_no_rule_of_a_lamp_takes_is_refused_where_it_stands(tmp_path: Path) -> None:
    write_gateway(tmp_path, each=", parameters: {hold: 3}")
    with pytest.raises(ConfigError, match=r"lamps.yaml:2: devices\[0\].parameters.hold"):
        read_setup(edge_file(tmp_path, "gateway: gateway.yaml\n"))


def test_check_says_what_is_proven_and_what_would_stay_unseen(tmp_path: Path) -> None:
    path = write_gateway(tmp_path, 40, meters=METER)
    path.write_text(path.read_text().replace("[lamps.yaml]", "[lamps.yaml, meters.yaml]"))
    profile = tmp_path / "profiles/acme/quick-lamp.yaml"
    profile.write_text("".join(line for line in profile.read_text().splitlines(keepends=True) if "current" not in line))
    setup = read_setup(edge_file(tmp_path, "gateway: gateway.yaml\n"))
    table = {(each.what, each.subject): (each.result, each.verdict) for each in findings(setup)}
    assert table["link", "bus"] == ("1 circuit, 40 lamp", "ok")
    assert table["lamps", "0 of 40"] == ("proven by a current of their own", "ok")
    assert table["circuit", "c-1"] == ("40 lamps behind one meter, of which 1 may be dark unseen", "look")
    assert table["schedules", "schedules"][1] == "look"
    assert table["orders", "command_keys"][0].startswith("signed with ")
    assert table["broker", "mqtt://127.0.0.1:1"][1] == "no"


def test_check_of_a_camera_that_a_box_without_cameras_does_not_have(tmp_path: Path) -> None:
    write_gateway(tmp_path)
    with pytest.raises(Refusal, match="no camera of this agent has that id"):
        list(findings(read_setup(edge_file(tmp_path, "gateway: gateway.yaml\n")), only="cam-1"))
