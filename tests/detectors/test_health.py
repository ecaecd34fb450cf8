"""Faults of a camera: what half a second before their limits is, what clears them, and what is none."""

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.health import Health, HealthState, Verdict
from detectors.tick import Tick
from detectors.view import View

HEALTH = Health()
GOOD = View(
    luminance=110.0, lost=0.02, sharpness=1.0, change=20.0, shift=(0.0, 0.0), reference="a", match=0.8, moved=0.0,
    is_comparable=True,
)  # fmt: skip


def _tick(time_s: float, view: View | None = GOOD, blind: str = "", watched_s: float = 0.0) -> Tick:
    return Tick(
        camera="cam-1", time_s=time_s, time_ms=round(time_s * 1000), size=(640, 480), boxes=(), view=view, blind=blind,
        watched_s=watched_s,
    )  # fmt: skip


class _Camera:
    """A camera whose pictures come twice a second; restarted after each."""

    def __init__(self) -> None:
        self.state, self.time_s, self.verdict = HEALTH.first(), 0.0, Verdict()

    def see(self, seconds: float, **changes: object) -> Verdict:
        return self.give(seconds, msgspec.structs.replace(GOOD, **changes))

    def give(self, seconds: float, view: View | None, blind: str = "") -> Verdict:
        for _ in range(round(seconds * 2)):
            self.time_s += 0.5
            self.state, self.verdict = HEALTH.step(self.state, _tick(self.time_s, view, blind))
            self.state = msgspec.msgpack.decode(msgspec.msgpack.encode(self.state), type=HealthState)
        return self.verdict


@pytest.fixture
def camera() -> _Camera:
    camera = _Camera()
    camera.see(30)
    return camera


FAULTS = {
    "black": ("black", HEALTH.black_s, {"luminance": 2.0, "dark": 1.0, "blank": 1.0, "lost": 1.0, "sharpness": None}),
    "nothing at all": ("covered", HEALTH.blank_s, {"blank": 1.0, "lost": 1.0, "sharpness": None, "shift": None}),
    "most is lost": ("covered", HEALTH.lost_s, {"lost": 0.7, "blank": 0.6, "match": 0.2, "moved": None}),
    "half is lost to a sheet": ("covered", HEALTH.lost_s, {"lost": 0.55, "blank": 0.75}),
    "clipped": ("over_exposed", HEALTH.bright_s, {"bright": 0.5}),
    "a copy": ("frozen", HEALTH.frozen_s, {"change": 0.1}),
    "turned": ("moved", HEALTH.moved_s, {"match": 0.02, "moved": 0.03}),
    "another place": ("moved", HEALTH.strange_s, {"match": 0.02, "moved": None}),
    "soft": ("defocused", HEALTH.defocused_s, {"sharpness": 0.5}),
}


@pytest.mark.parametrize("sign", FAULTS)
def test_a_fault_is_found_when_it_has_lasted_and_not_half_a_second_before(sign: str, camera: _Camera) -> None:
    fault, find_s, changes = FAULTS[sign]
    assert camera.see(find_s - 0.5, **changes) == Verdict()
    assert fault in camera.see(0.5, **changes).faults


@pytest.mark.parametrize("sign", FAULTS)
def test_a_fault_goes_when_the_picture_has_been_good_for_a_while(sign: str, camera: _Camera) -> None:
    _, find_s, changes = FAULTS[sign]
    camera.see(find_s + 30, **changes)
    assert camera.see(HEALTH.clear_s - 0.5).faults
    assert camera.see(0.5) == Verdict()


@pytest.mark.parametrize("sign", FAULTS)
def test_what_comes_and_goes_is_no_fault(sign: str, camera: _Camera) -> None:
    _, find_s, changes = FAULTS[sign]
    for _ in range(10):
        assert camera.see(find_s / 2, **changes) == Verdict()
        assert camera.see(find_s / 2) == Verdict()


def test_between_the_limits_nothing_changes(camera: _Camera) -> None:
    assert camera.see(300, sharpness=0.66, lost=0.55, moved=0.018) == Verdict()
    camera.see(60, sharpness=0.5)
    assert camera.see(300, sharpness=0.66).faults == ("defocused",)


def test_a_camera_that_has_only_just_begun_has_no_fault() -> None:
    unknown = View(luminance=100.0)
    assert _Camera().give(600, unknown) == Verdict()


def test_a_picture_in_which_nothing_can_be_seen_is_covered_from_the_start() -> None:
    assert _Camera().give(30, View(luminance=120.0, blank=1.0)).faults == ("covered",)


def test_a_camera_that_jumps_to_and_fro_is_shaking_and_one_that_a_bus_passes_is_not(camera: _Camera) -> None:
    for _ in range(20):
        assert camera.see(0.5, shift=(0.05, 0.0)) == Verdict()
    camera.see(10)
    for number in range(10):
        camera.see(0.5, shift=((-1) ** number * 0.03, 0.0))
    assert camera.verdict.faults == ("shaking",)
    assert camera.see(15) == Verdict()


def test_a_mast_that_sways_in_wind_is_only_noted(camera: _Camera) -> None:
    for number in range(40):
        camera.see(0.5, shift=((-1) ** number * 0.006, 0.0))
    assert camera.verdict == Verdict((), ("sways",))


def test_a_bright_sky_that_is_usual_is_no_fault() -> None:
    camera = _Camera()
    camera.see(60, bright=0.38)
    assert camera.see(600, bright=0.45) == Verdict()


def test_many_faults_come_worst_first(camera: _Camera) -> None:
    assert camera.see(60, dark=1.0, blank=1.0, lost=1.0, luminance=1.0).faults == ("black", "covered")


def test_a_silence_is_told_of_until_pictures_have_come_again(camera: _Camera) -> None:
    camera.time_s += HEALTH.gap_s - 1
    assert camera.see(0.5) == Verdict()
    camera.time_s += HEALTH.gap_s
    assert camera.see(0.5).faults == ("gap",)
    assert camera.see(HEALTH.clear_s - 0.5).faults == ("gap",)
    assert camera.see(1) == Verdict()


def test_ticks_without_a_picture_are_a_silence_too(camera: _Camera) -> None:
    assert camera.give(HEALTH.gap_s - 0.5, None, "no picture") == Verdict()
    assert camera.give(0.5, None, "no picture").faults == ("gap",)
    assert camera.see(HEALTH.clear_s + 1) == Verdict()


def test_a_quiet_street_that_was_watched_is_no_silence(camera: _Camera) -> None:
    state, verdict = HEALTH.step(camera.state, _tick(camera.time_s + 40, watched_s=39.0))
    assert verdict == Verdict()
    assert state.verdict == Verdict()


def test_an_encoder_that_sends_nothing_new_between_key_frames_is_frozen_once_at_most(camera: _Camera) -> None:
    for _ in range(2):
        camera.see(9.5, change=0.0)
        camera.see(0.5, change=1.8)
    camera.see(10)
    for _ in range(20):
        assert camera.see(9.5, change=0.0) == Verdict()
        assert camera.see(0.5, change=1.8) == Verdict()
    assert camera.see(15, change=0.0).faults == ("frozen",)


def test_a_street_on_which_nothing_has_moved_for_long_is_only_noted(camera: _Camera) -> None:
    assert camera.see(899, change=2.0) == Verdict()
    assert camera.see(2, change=2.0) == Verdict((), ("still",))
    camera.see(2, change=40.0)
    assert camera.see(4) == Verdict()


def test_a_gap_counts_for_no_fault(camera: _Camera) -> None:
    camera.see(HEALTH.defocused_s - 1, sharpness=0.5)
    camera.time_s += 3600
    assert camera.see(0.5, sharpness=0.5).faults == ("gap",)
    camera.see(6)
    assert camera.verdict == Verdict()


def test_boxes_without_pictures_have_no_health() -> None:
    camera = _Camera()
    assert camera.give(600, None) == Verdict()


def test_a_view_that_was_accepted_anew_is_not_moved(camera: _Camera) -> None:
    assert camera.see(60, match=0.02, moved=0.05).faults == ("moved",)
    assert camera.see(0.5, reference="b", match=None, moved=None) == Verdict()


_VIEWS = st.builds(
    View,
    luminance=st.floats(0, 255),
    dark=st.floats(0, 1),
    bright=st.floats(0, 1),
    blank=st.floats(0, 1),
    lost=st.none() | st.floats(0, 1),
    sharpness=st.none() | st.floats(0, 3),
    change=st.none() | st.floats(0, 255),
    shift=st.none() | st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)),
    reference=st.sampled_from(["", "a"]),
    match=st.none() | st.floats(-1, 1),
    moved=st.none() | st.floats(0, 1),
    is_comparable=st.booleans(),
)
_STEPS = st.lists(st.tuples(st.floats(0.01, 40), _VIEWS | st.none()), max_size=60)


def _play(steps: list[tuple[float, View | None]]) -> tuple[HealthState, float]:
    state, time_s = HEALTH.first(), 0.0
    for step_s, view in steps:
        time_s += step_s
        state, _ = HEALTH.step(state, _tick(time_s, view))
    return state, time_s


@given(_STEPS)
def test_every_state_comes_back_from_its_bytes(steps: list[tuple[float, View | None]]) -> None:
    state, _ = _play(steps)
    packed = msgspec.msgpack.encode(state)
    assert msgspec.msgpack.decode(packed, type=HealthState) == state
    assert len(packed) < 1_000


@given(_STEPS)
def test_every_fault_goes_after_enough_good_pictures(steps: list[tuple[float, View | None]]) -> None:
    state, time_s = _play(steps)
    for number in range(40):
        state, verdict = HEALTH.step(state, _tick(time_s + 0.5 + number / 2))
    assert verdict.faults == ()


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_a_sound_stream_with_noise_never_has_a_fault(seed: int) -> None:
    camera, noise = _Camera(), random.Random(seed)
    for _ in range(200):
        right = noise.uniform(-0.003, 0.003)
        verdict = camera.see(
            0.5,
            lost=noise.uniform(0, 0.4),
            sharpness=noise.uniform(0.75, 1.3),
            change=noise.uniform(0.5, 90),
            match=noise.choice((0.2, 0.4, 0.9)),
            shift=(right, -right),
        )
        assert verdict == Verdict()
