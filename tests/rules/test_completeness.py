"""What the standards ask, line by line."""

from typing import Any

import msgspec
import pytest

from rules.completeness import PROFILES, SENTENCES, check, sentence
from wire.manifest import Manifest, ManifestFile

T0 = 1_700_000_000_000


def a_file(role: Any, at_s: float, **changes: Any) -> ManifestFile:
    file = ManifestFile(
        name=f"{role}.jpg",
        role=role,
        sha256="a" * 64,
        size=1,
        media_type="image/jpeg",
        time_ms=T0 + int(at_s * 1000),
        pixels=(1920, 1080),
        colour_bits=24,
        tags="AAAAAAAA",
    )
    return msgspec.structs.replace(file, **changes)


def a_manifest(*files: ManifestFile, **facts: float | bool | str) -> Manifest:
    return Manifest(
        format=1,
        agent="box-1",
        chain="0" * 16,
        number=1,
        previous=None,
        key="A" * 43 + "=",
        sealed_ms=T0,
        event_id="018bcfe5-6800-7f70-85ab-33365204ce9b",
        rule="illegal-parking",
        kind="illegal_parking",
        camera="cam-1",
        zone="kerb",
        label="car",
        confidence=0.9,
        start_ms=T0,
        raised_ms=T0 + 180_000,
        end_ms=None,
        clock="synced",
        position=None,
        bbox=(0, 0, 1, 1),
        size=(1920, 1080),
        facts={"limit_s": 180, "clock_verified": True, "clock_error_s": 0.02, **facts},
        expects=(),
        files=files,
        missing={},
    )


GOOD = (a_file("arrival", 4), a_file("middle", 94), a_file("limit", 184.5), a_file("closeup", 60))


def missed(profile: str, manifest: Manifest) -> list[str]:
    return [line.key for line in check(PROFILES[profile], manifest) if not line.is_met]


@pytest.mark.parametrize("profile", PROFILES)
def test_whole_evidence_meets_a_profile_and_none_at_all_misses_it(profile: str) -> None:
    assert missed(profile, a_manifest(*GOOD)) == []
    assert set(missed(profile, a_manifest(clock_verified=False))) == {
        line.key for line in check(PROFILES[profile], a_manifest(clock_verified=False))
    }


@pytest.mark.parametrize(
    ("files", "facts", "lacks"),
    [
        (GOOD[:3], {}, ["closeup"]),
        ((GOOD[0], GOOD[3]), {}, ["panoramas", "apart"]),
        ((a_file("arrival", 4), a_file("limit", 13.9), GOOD[3]), {}, ["apart"]),
        ((GOOD[0], a_file("limit", 184, pixels=(1280, 719)), GOOD[3]), {}, ["pixels"]),
        ((GOOD[0], a_file("limit", 184, pixels=(768, 576)), GOOD[3]), {"is_analogue": True}, []),
        ((GOOD[0], a_file("limit", 184, colour_bits=8), GOOD[3]), {}, ["colour"]),
        (GOOD, {"clock_verified": False}, ["clock_unverified"]),
        (GOOD, {"clock_error_s": 1.2}, ["clock"]),
        ((GOOD[0], a_file("limit", 184, copy_of="b" * 64), GOOD[3]), {}, ["panoramas", "apart"]),
    ],
)
def test_ga_t_832_names_what_is_missing(
    files: tuple[ManifestFile, ...], facts: dict[str, Any], lacks: list[str]
) -> None:
    assert missed("ga-t-832", a_manifest(*files, **facts)) == lacks


def test_beijing_asks_for_stills_further_apart_than_the_permitted_time() -> None:
    assert missed("beijing-parking", a_manifest(*GOOD[:2], a_file("limit", 184))) == ["spans"]
    assert missed(
        "beijing-parking", a_manifest(a_file("arrival", 10.5), a_file("middle", 99), a_file("limit", 199))
    ) == ["arrival"]
    assert missed("beijing-parking", a_manifest(*GOOD, limit_s="often")) == ["spans"]


def test_every_line_is_a_sentence() -> None:
    lines = [line for profile in PROFILES.values() for line in check(profile, a_manifest(*GOOD))]
    lines += check(PROFILES["ga-t-832"], a_manifest(clock_verified=False))
    assert {line.key for line in lines} == set(SENTENCES)
    assert sentence(lines[0]) == "3 panoramas at different times, at least 2 asked"
