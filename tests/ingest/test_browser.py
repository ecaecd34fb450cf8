"""A real browser: a case appears by itself, is opened, looked at and played, on a desk and on a phone."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from typer.testing import CliRunner

from edge.sealing import Draft, manifest_file
from ingest.lighting.orders import Ask, By, Desk, Selection
from tests.fixtures.console import PASSWORD, Scene, served
from tests.fixtures.district import a_lamp, a_state
from tests.fixtures.messages import T0, an_event, some_evidence
from tests.fixtures.package import Chain
from tests.fixtures.video import write_video
from wayside.evidence import evidence_app
from wire.device import Stranger
from wire.event import Event, Role
from wire.observation import Observation

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
DESK = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
EXPECTS: tuple[Role, ...] = ("arrival", "middle", "limit", "closeup", "clip", "manifest")
PAGES = ("/cases", "/cases/1", "/map", "/fleet", "/dead-letters", "/accounts", "/you", "/nowhere", "/lighting")
PAGES += ("/lighting?view=map", "/devices", "/devices/lamp-0001", "/cases/2", "/lighting/orders/{order}")

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM} on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'centre.sqlite'}"


@pytest.fixture
def scene(engine: sa.Engine, tmp_path: Path) -> Scene:
    scene = Scene(engine, tmp_path)
    scene.account("admin", "amara")
    return scene


@pytest.fixture
def address(scene: Scene) -> Iterator[str]:
    with served(scene.app) as address:
        yield address


def context_of(browser: Browser, address: str, viewport: Any, **more: Any) -> BrowserContext:
    return browser.new_context(base_url=address, viewport=viewport, timezone_id="Asia/Shanghai", **more)


def enter(page: Page) -> None:
    page.goto("/sign-in")
    page.locator("[name=name]").fill("amara")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("form button").click()
    page.wait_for_url("**/cases")


def still(shade: int) -> bytes:
    image = np.full((240, 320, 3), shade, np.uint8)
    cv2.rectangle(image, (60, 90), (180, 160), (40, 40, 200), -1)
    return cv2.imencode(".jpg", image)[1].tobytes()


def parked() -> Event:
    return an_event(expects=EXPECTS, size=(320, 240), bbox=(60.0, 90.0, 120.0, 70.0), facts={"limit_s": 180.0})


def send_evidence(scene: Scene, event: Event, folder: Path) -> None:
    listed = []

    def store(content: bytes, role: str, time_ms: int, **more: Any) -> str:
        suffix = ".mp4" if role == "clip" else ".jpg"
        listed.append(manifest_file(some_evidence(event, content, role, time_ms=time_ms, **more), content, suffix))
        return scene.store(event, content, role, time_ms=time_ms, **more)

    for number, role in enumerate(("arrival", "middle", "limit", "closeup")):
        original = store(still(90 + number), role, T0 + number * 90_000)
        store(still(150 + number), role, T0 + number * 90_000, copy_of=original)
    clip = write_video(folder / "clip.mp4", frames=60, fps=10)
    store(clip.read_bytes(), "clip", T0)
    draft = Draft(event=event, ready_s=0.0).with_files(*listed)
    scene.store(event, Chain(folder / "box").seal(draft), "manifest", time_ms=T0 + 300_000)


def send_lamps(scene: Scene, long: str) -> str:
    """Let there be lamps whose every name is as long as can be, a case of one, and an order that waits."""
    where = {"name": long * 2, "area": long, "circuit": long, "groups": (long,), "profile": long, "address": long}
    scene.take(
        *(a_lamp(number, **where) for number in range(30)),
        a_state(1, why="override", actor=long, reason=long * 3, fault=long, until_ms=T0),
        Stranger(link=long, address=long, first_ms=T0, last_ms=T0, count=2**40, sample="0f" * 32),
        Observation(source="lamp-0001", property=long, feature=long, result=long * 2, time_ms=T0, unit="W"),
        an_event(
            "dark", camera=None, zone=None, bbox=None, size=None, device="lamp-0001", kind="lamp_dark", label="lamp",
            expects=(), urgent=True,
        ),
    )  # fmt: skip
    ask = Ask(selection=Selection(circuit=long), action="off", reason=long * 3)
    desk: Desk = scene.app.state.desk
    return desk.order(ask, By(actor=long, now_ms=time.time_ns() // 1_000_000)).command_id


def widths_loaded(page: Page) -> list[int]:
    found: list[int] = page.evaluate(
        """async () => {
            const images = [...document.images];
            await Promise.all(images.map((each) => each.decode()));
            return images.map((each) => each.naturalWidth);
        }"""
    )
    return found


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_a_case_appears_by_itself_and_its_evidence_is_seen_and_played(
    scene: Scene, address: str, browser: Browser, tmp_path: Path, viewport: Any
) -> None:
    context = context_of(browser, address, viewport)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    enter(page)
    expect(page.get_by_text("No case yet")).to_be_visible()
    expect(page.locator("#live")).to_have_text("Live")
    page.evaluate("window.isSamePage = true")

    event = parked()
    scene.take(event)
    row = page.locator("#cases li")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Illegal parking")
    expect(row).to_contain_text("standing for")
    expect(page.get_by_text("No case yet")).to_have_count(0)
    send_evidence(scene, event, tmp_path)
    expect(row.locator("img")).to_be_visible()
    assert widths_loaded(page) == [320]
    assert page.evaluate("window.isSamePage") is True, "the page was loaded again"

    row.click()
    expect(page.locator("#completeness")).to_contain_text("Complete")
    expect(page.locator("#profiles")).to_contain_text("GA/T 832-2014")
    with page.expect_download() as download:
        page.get_by_text("Download package").click()
    verified = CliRunner().invoke(evidence_app, ["verify", str(download.value.path())])
    assert verified.exit_code == 0, verified.output
    assert "whole: 9 files" in verified.output
    shown = page.locator(".stage .at-limit .marked img")
    expect(shown).to_be_visible()
    assert set(widths_loaded(page)) == {320}
    page.locator(".copies a", has_text="Original").click()
    expect(page.locator(".stage .at-limit .original img")).to_be_visible()
    expect(page.locator(".stage .marked")).to_have_count(0)
    page.locator("label[for=pick-arrival]").click()
    expect(page.locator(".stage .at-arrival .original img")).to_be_visible()
    page.locator("label[for=pick-clip]").click()
    played_s = page.locator("video").evaluate(
        """async (video) => {
            video.muted = true;
            await video.play();
            while (video.currentTime < 0.5) await new Promise((each) => video.addEventListener("timeupdate", each));
            video.pause();
            const sought = new Promise((each) => video.addEventListener("seeked", each));
            video.currentTime = 5;
            await sought;
            return video.currentTime;
        }"""
    )
    assert played_s == 5
    expect(page.locator(".map .pin.is-case")).to_be_visible()

    page.locator("textarea").fill("司机不在车旁 <b>")
    page.get_by_role("button", name="Save note").click()
    expect(page.locator("#timeline .note")).to_have_text("司机不在车旁 <b>")
    scene.take(an_event(phase="end"))
    expect(page.locator("#state")).to_contain_text("left at 06:21")
    expect(page.locator("#state time").first).to_have_attribute("title", re.compile(r"2023.*6:21:40"))
    assert faults == []
    context.close()


def test_the_map_shows_what_stands_and_leads_to_it(
    scene: Scene, address: str, browser: Browser, tmp_path: Path
) -> None:
    context = context_of(browser, address, DESK)
    page = context.new_page()
    enter(page)
    page.goto("/map")
    expect(page.get_by_text("Nothing has a position yet")).to_be_visible()
    event = parked()
    scene.take(event)
    send_evidence(scene, event, tmp_path)
    pin = page.locator(".pin.is-case")
    expect(pin).to_be_visible()
    expect(page.get_by_text("Nothing has a position yet")).to_be_hidden()
    pin.click()
    page.locator(".popup-case").click()
    page.wait_for_url("**/cases/1")
    context.close()


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize(("language", "word"), [("en", "Cases"), ("zh", "案件")])
def test_no_page_is_wider_than_its_window_and_every_word_is_of_one_language(
    scene: Scene, address: str, browser: Browser, tmp_path: Path, *, viewport: Any, language: str, word: str
) -> None:
    long = "a" * 41
    event = an_event(camera=long, zone=long, label=long, facts={"a_very_long_name_of_a_fact_" * 2: "x" * 300})
    scene.take(event)
    send_evidence(scene, event, tmp_path)
    order_id = send_lamps(scene, long)
    context = context_of(browser, address, viewport, locale=language)
    page = context.new_page()
    enter(page)
    for path in PAGES:
        page.goto(path.replace("{order}", order_id))
        page.wait_for_load_state("load")
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, path
        assert (page.locator("html").get_attribute("lang") or "").startswith(language), path
    page.goto("/cases")
    expect(page.locator("h1")).to_have_text(word)
    context.close()


def test_a_case_that_arrives_above_leaves_the_reader_where_he_reads(
    scene: Scene, address: str, browser: Browser
) -> None:
    scene.take(*(an_event(f"stay-{n}", place=n) for n in range(25)))
    context = context_of(browser, address, PHONE)
    page = context.new_page()
    enter(page)
    seen = page.locator("#cases li[data-key='8']")
    seen.scroll_into_view_if_needed()
    before = seen.bounding_box()
    scene.take(*(an_event(f"later-{n}", place=30 + n, time_ms=T0 + 200_000 + n) for n in range(3)))
    expect(page.locator("#cases li[data-key='28']")).to_have_count(1)
    after = seen.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) < 2
    context.close()
