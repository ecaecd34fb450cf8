"""Completeness: what a standard asks of an event's evidence, and what of it a manifest shows to be there; pure."""

from typing import Literal

import msgspec

from wire.manifest import Manifest, ManifestFile

Key = Literal["panoramas", "apart", "spans", "arrival", "pixels", "colour", "clock", "clock_unverified", "closeup"]
PANORAMAS = ("arrival", "middle", "limit", "before", "after")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is asked, and what there is of it; ``values`` fill the sentence of the ``key``."""

    key: Key
    is_met: bool
    values: dict[str, str] = {}


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What one standard asks; None and 0 where it asks nothing."""

    name: str
    source: str
    panoramas_min: int
    """Pictures of the whole place at different times."""
    apart_s: float = 0.0
    """Seconds between two of them, for an offence of standing."""
    spans_limit: bool = False
    """Two of them must be further apart than the permitted time."""
    arrival_s: float | None = None
    """How soon after the stand the first must be taken."""
    pixels_min: tuple[int, int] | None = None
    pixels_min_analogue: tuple[int, int] | None = None
    """For a camera whose picture was analogue, which the fact `is_analogue` says."""
    colour_bits_min: int = 0
    clock_error_s_max: float | None = None
    """And the clock must have been verified against its reference."""
    closeup: bool = False


PROFILES = {
    each.name: each
    for each in (
        Profile(
            name="ga-t-832",
            source="GA/T 832-2014",
            panoramas_min=2,
            apart_s=10.0,
            pixels_min=(1280, 720),
            pixels_min_analogue=(768, 576),
            colour_bits_min=24,
            clock_error_s_max=1.0,
            closeup=True,
        ),
        Profile(
            name="beijing-parking",
            source="Beijing local standard in force since 2014-04-01",
            panoramas_min=3,
            spans_limit=True,
            arrival_s=10.0,
        ),
    )
}

SENTENCES: dict[Key, str] = {
    "panoramas": "{have} panoramas at different times, at least {need} asked",
    "apart": "first and last panorama {have} s apart, at least {need} s asked",
    "spans": "first and last panorama {have} s apart, more than the permitted {need} s asked",
    "arrival": "first panorama {have} s after the stand, at most {need} s asked",
    "pixels": "smallest panorama {have} pixels, at least {need} asked",
    "colour": "{have}-bit colour, at least {need}-bit asked",
    "clock": "clock verified to {have} s, at most {need} s asked",
    "clock_unverified": "clock not verified against a reference; an error of at most {need} s asked",
    "closeup": "close-up of the plate's side: {have}",
}
"""In English, for a terminal."""
_UNKNOWN = "?"


def check(profile: Profile, manifest: Manifest) -> list[Line]:
    """Return a line for each thing that the profile asks."""
    stills = sorted(
        (each for each in manifest.files if each.role in PANORAMAS and each.copy_of is None),
        key=lambda each: each.time_ms,
    )
    lines = [_at_least("panoramas", len({each.time_ms for each in stills}), profile.panoramas_min)]
    between_s = (stills[-1].time_ms - stills[0].time_ms) / 1000 if stills else 0.0
    if profile.apart_s:
        lines.append(_at_least("apart", between_s, profile.apart_s))
    if profile.spans_limit:
        lines.append(_spans(manifest, between_s))
    if profile.arrival_s is not None:
        after_s = (stills[0].time_ms - manifest.start_ms) / 1000 if stills else None
        is_met = after_s is not None and after_s <= profile.arrival_s
        lines.append(_line("arrival", after_s, profile.arrival_s, is_met=is_met))
    lines += _pictures(profile, manifest, stills)
    if profile.clock_error_s_max is not None:
        lines.append(_clock(manifest, profile.clock_error_s_max))
    if profile.closeup:
        is_there = any(each.role == "closeup" and each.copy_of is None for each in manifest.files)
        lines.append(Line(key="closeup", is_met=is_there, values={"have": "1" if is_there else "0", "need": "1"}))
    return lines


def sentence(line: Line) -> str:
    """Return a line in English."""
    return SENTENCES[line.key].format(**line.values)


def _spans(manifest: Manifest, between_s: float) -> Line:
    limit_s = manifest.facts.get("limit_s")
    is_met = isinstance(limit_s, int | float) and between_s > limit_s
    return _line("spans", between_s, limit_s if isinstance(limit_s, int | float) else None, is_met=is_met)


def _pictures(profile: Profile, manifest: Manifest, stills: list[ManifestFile]) -> list[Line]:
    lines = []
    if profile.pixels_min is not None:
        asked = profile.pixels_min
        if manifest.facts.get("is_analogue") is True and profile.pixels_min_analogue is not None:
            asked = profile.pixels_min_analogue
        sizes = [each.pixels or (0, 0) for each in stills]
        is_met = bool(sizes) and all(width >= asked[0] and height >= asked[1] for width, height in sizes)
        have = "{}x{}".format(*min(sizes)) if sizes else _UNKNOWN
        lines.append(Line(key="pixels", is_met=is_met, values={"have": have, "need": "{}x{}".format(*asked)}))
    if profile.colour_bits_min:
        have_bits = min((each.colour_bits for each in stills), default=0)
        lines.append(_at_least("colour", have_bits, profile.colour_bits_min))
    return lines


def _clock(manifest: Manifest, error_s_max: float) -> Line:
    error_s = manifest.facts.get("clock_error_s")
    if manifest.facts.get("clock_verified") is not True or isinstance(error_s, str | bool | None):
        return _line("clock_unverified", None, error_s_max, is_met=False)
    return _line("clock", error_s, error_s_max, is_met=error_s <= error_s_max)


def _at_least(key: Key, have: float, need: float) -> Line:
    return _line(key, have, need, is_met=have >= need)


def _line(key: Key, have: float | None, need: float | None, *, is_met: bool) -> Line:
    said = {name: _UNKNOWN if value is None else f"{value:g}" for name, value in (("have", have), ("need", need))}
    return Line(key=key, is_met=is_met, values=said)
