"""Camera health on recorded streets: nothing is found on them as they are, and each fault on a corrupted one."""

import os
from pathlib import Path

import av
import numpy as np
import pytest

from bench.health import Eye, false_faults, one_fault
from edge.video import Image, frames
from tests.fixtures.corrupted import faults, harmless

pytestmark = pytest.mark.data
CLIPS = (
    *(f"scenes/{name}.mp4" for name in (
        "parking_occlusion", "parking_queue_negative", "parking_simple", "spill_debris", "spill_shadow_wet_negative",
        "stall_cart", "stall_people_chatting_negative", "stall_umbrella",
    )),
    "footage/bgs_video02.avi", "footage/intel_car-detection.mp4", "footage/roadtrack_sample.mp4", "footage/vtest.avi",
)  # fmt: skip


def _images(name: str) -> list[Image]:
    folder = os.environ.get("WAYSIDE_DATA")
    if not folder:
        pytest.skip("WAYSIDE_DATA is not set: no footage")
    path = Path(folder) / name
    with av.open(str(path)) as container:
        size = (container.streams.video[0].width, container.streams.video[0].height)
    return [each.image for each in frames(str(path), tick_hz=2, decode="full", size=size)]


@pytest.mark.parametrize("name", CLIPS)
def test_nothing_is_wrong_with_a_street_as_it_is(name: str) -> None:
    assert false_faults(Eye(), _images(name)) == set()


@pytest.mark.parametrize("name", [CLIPS[0], CLIPS[10]])
def test_each_fault_is_found_in_time_and_goes_again(name: str) -> None:
    images = _images(name)
    results = {fault: one_fault(images, fault) for fault in faults()}
    late = {
        fault: each for fault, each in results.items()
        if each.found_s is None or each.found_s > faults()[fault].within_s or each.cleared_s is None
    }  # fmt: skip
    assert late == {}


@pytest.mark.parametrize("change", harmless())
def test_what_happens_on_any_street_is_no_fault(change: str) -> None:
    images, noise, eye = _images(CLIPS[2]), np.random.default_rng(1), Eye()
    found = false_faults(eye, images[:60])
    found |= false_faults(eye, (harmless()[change](image, noise) for image in images[60:180]))
    assert found == set()
