"""Samples of 23 models as their vendors publish them: every value, every error, every command, by the profiles."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from devices.profile import read_profile
from devices.protocols.lorawan import LorawanProfile
from devices.reading import DecodeError
from tests.fixtures.vendor_terms import Terms
from wayside.profiles import FOLDER

pytestmark = pytest.mark.data

PROFILES = {
    "decentlab-dl-atm41": "decentlab/dl-atm41",
    "decentlab-dl-ctd10": "decentlab/dl-ctd10",
    "decentlab-dl-lid": "decentlab/dl-lid",
    "decentlab-dl-pr26": "decentlab/dl-pr26",
    "digital-matter-oyster": "digital-matter/oyster",
    "dingtek-df530": "dingtek/df530",
    "dingtek-df702": "dingtek/df702",
    "dragino-ldds75": "dragino/ldds75",
    "dragino-lds01-lds02": "dragino/lds01-lds02",
    "dragino-lt-22222-l": "dragino/lt-22222-l",
    "milesight-em300-mcs": "milesight/em300-mcs",
    "milesight-em310-tilt": "milesight/em310-tilt",
    "milesight-em310-udl": "milesight/em310-udl",
    "milesight-em400-udl": "milesight/em400-udl",
    "milesight-em500-lgt": "milesight/em500-lgt",
    "milesight-em500-swl": "milesight/em500-swl",
    "milesight-uc300": "milesight/uc300",
    "milesight-ws302": "milesight/ws302",
    "milesight-ws523": "milesight/ws523",
    "nas-ul20xx-fw1.1": "nas/ul20xx",
    "nwave-nps310sm": "nwave/nps310sm",
    "tekzitel-tekzipark": "tekzitel/tekzipark",
    "yobiiq-em2101": "yobiiq/em2101",
}


def samples(kind: str) -> list[Any]:
    folder = Path(os.environ.get("WAYSIDE_DATA", "nowhere")) / "vectors" / "lorawan"
    found = []
    for path in sorted(folder.glob("*.json")):
        for number, sample in enumerate(json.loads(path.read_text("utf-8")).get(kind, ())):
            found.append(pytest.param(path.stem, sample, id=f"{path.stem} {number}"))
    return found


def terms_of(stem: str, known: dict[str, Terms] = {}) -> Terms:  # noqa: B006  # read once for all samples
    if stem not in known:
        path = FOLDER / f"{PROFILES[stem]}.yaml"
        profile = read_profile(path.read_bytes(), str(path))
        assert isinstance(profile, LorawanProfile)
        known[stem] = Terms(profile)
    return known[stem]


@pytest.fixture(autouse=True)
def _needs_vectors() -> None:
    if "WAYSIDE_DATA" not in os.environ:
        pytest.skip("WAYSIDE_DATA is not set: no vectors")


UPLINKS, COMMANDS = samples("uplink_examples"), samples("downlink_examples")


def test_there_are_as_many_samples_as_the_folder_says() -> None:
    errors = [sample for _, sample in (each.values for each in UPLINKS) if "expected_errors" in sample]
    assert (len(UPLINKS), len(errors), len(COMMANDS)) == (112, 5, 69)


@pytest.mark.parametrize(("stem", "sample"), UPLINKS)
def test_an_uplink_says_what_its_vendor_says(stem: str, sample: dict[str, Any]) -> None:
    terms, payload = terms_of(stem), bytes.fromhex(sample["bytes_hex"])
    if "expected" not in sample:
        with pytest.raises(DecodeError) as caught:
            terms.profile.decoded(payload, sample["fPort"])
        assert all(error in str(caught.value) for error in sample["expected_errors"])
        return
    decoded = terms.profile.decoded(payload, sample["fPort"])
    assert terms.differences(sample["expected"], decoded, sample["fPort"]) == []
    assert len(decoded.faults) == len(sample.get("expected_errors", ()))
    assert terms.warnings(decoded) == sample.get("expected_warnings", [])


@pytest.mark.parametrize(("stem", "sample"), COMMANDS)
def test_a_command_has_the_bytes_that_its_vendor_sends(stem: str, sample: dict[str, Any]) -> None:
    terms = terms_of(stem)
    command, values = terms.command(sample["command"])
    request = terms.profile.request(command, values)
    assert request.payload.hex() == sample["bytes_hex"]
    assert sample.get("fPort") in (None, request.port)
