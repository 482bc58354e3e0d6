"""The page of a run, opened in a real browser without scripts of its own and without a network."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alref_agent.record import RunResult
from alref_agent.report.words import cut, seen
from alref_agent.workspace import Workspace
from doubles import workspace, write_frames
from report_runs import HOSTILE, answered, asked, hostile, page_of

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on PATH"
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PLAIN = {
    "top-track": lambda space: answered(space, ["the big square", "the small square", "a dog"]),
    "asked": asked,
    "hostile": hostile,
}
Make = Callable[[Workspace], tuple[RunResult, str | None]]


@dataclass
class Opened:
    """A page in the browser, and what it did that it should not."""

    page: Any
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Name of a run -> its page."""
    folder = tmp_path_factory.mktemp("pages")
    frames = write_frames(folder / "frames")
    pages = {}
    for name, make in PLAIN.items():
        space = workspace(folder / name, frames)
        pages[name] = page_of(space, make(space))
        space.close()
    return pages


@pytest.fixture
def show(browser: Any, files: dict[str, Path]) -> Iterator[Callable[..., Opened]]:
    """Opens the page of a run; afterwards nothing may have been complained about."""
    shown: list[Opened] = []

    def show(name: str, width: int = 1280, scheme: str = "light") -> Opened:
        # The checks below are scripts; those of the page would run as well, if it had any.
        page = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=False
        )
        opened = Opened(page)
        page.on("console", lambda message: opened.complaints.append(message.text))
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.on("dialog", lambda dialog: opened.complaints.append(dialog.message))
        page.on("request", lambda request: _note(opened, request.url))
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation',"
            " event => console.error('refused: ' + event.violatedDirective))"
        )
        page.goto(files[name].as_uri())
        shown.append(opened)
        return opened

    yield show
    for opened in shown:
        opened.page.close()
        assert opened.complaints == []


def _note(opened: Opened, url: str) -> None:
    if not url.startswith(("file:", "data:")):
        opened.complaints.append(f"asked for {url}")


@pytest.mark.parametrize("name", PLAIN)
def test_every_picture_is_seen(show: Callable[..., Opened], name: str) -> None:
    page = show(name).page
    assert page.title() == page.locator("h1").inner_text()
    widths = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(widths) > 10
    assert all(widths)
    # Also those whose window is closed.
    assert page.evaluate("[...document.images].every(image => image.complete)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 400, 1280, 1600])
@pytest.mark.parametrize("name", PLAIN)
def test_nothing_sticks_out_sideways(
    show: Callable[..., Opened], name: str, width: int, scheme: str
) -> None:
    page = show(name, width, scheme).page
    for opened in (False, True):
        page.evaluate(f"document.querySelectorAll('details').forEach(d => d.open = {int(opened)})")
        wide = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide[0] <= wide[1]
        # What sticks out would be cut off; only boxes that scroll may hold something wider.
        assert not page.evaluate(
            """() => [...document.querySelectorAll('body *')]
                .filter(e => !e.closest('.wide, .said, pre, svg'))
                .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
                .map(e => e.outerHTML.slice(0, 80))"""
        )


def test_headings_make_an_outline(show: Callable[..., Opened]) -> None:
    page = show("asked").page
    levels = page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(h => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    names = page.get_by_role("heading", level=2).all_inner_texts()
    assert names == [
        "What was found",
        "How it was decided",
        "What it cost",
        "Settings and versions",
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_words_are_seen_as_words(show: Callable[..., Opened], name: str) -> None:
    page = show("hostile").page
    said = page.evaluate("[...document.querySelectorAll('.said')].map(e => e.textContent)")
    assert seen(cut(HOSTILE[name])) in said
    assert page.locator("script").count() == 0
    assert page.evaluate("document.querySelectorAll('h1').length") == 1
    assert "gotcha" not in page.locator("h1").inner_text()


def test_a_huge_reply_scrolls_in_its_box(show: Callable[..., Opened]) -> None:
    page = show("hostile").page
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    boxes = page.evaluate(
        "[...document.querySelectorAll('.said')].map(e => [e.clientHeight, e.scrollHeight])"
    )
    assert max(scroll for _, scroll in boxes) > 10_000
    assert max(height for height, _ in boxes) < 500


def test_a_picture_is_enlarged_by_mouse_and_by_keyboard(show: Callable[..., Opened]) -> None:
    page = show("top-track").page
    picture = page.locator(".strip img").nth(1)
    small = picture.bounding_box()["width"]
    picture.click()
    assert picture.bounding_box()["width"] > 2 * small
    page.locator(".strip summary").nth(1).press("Enter")
    assert picture.bounding_box()["width"] == small


def test_the_sheet_is_seen_wherever_it_is_used(show: Callable[..., Opened]) -> None:
    page = show("asked").page
    pictures = page.locator("svg.picture")
    assert pictures.count() == 4
    for i in range(4):
        pictures.nth(i).scroll_into_view_if_needed()
        with Image.open(io.BytesIO(pictures.nth(i).screenshot())) as image:
            pixels = np.array(image.convert("RGB")).astype(int)
        red = (pixels[..., 0] > 150) & (pixels[..., 1] < 100)
        assert 0.01 < red.mean() < 0.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(show: Callable[..., Opened], scheme: str) -> None:
    page = show("asked", scheme=scheme).page
    worst = page.evaluate(
        """() => {
          const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
          const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
            .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          const behind = e => {
            for (; e; e = e.parentElement) {
              const c = numbers(getComputedStyle(e).backgroundColor);
              if (c.length < 4 || c[3] > 0) return c;
            }
            return [255, 255, 255];
          };
          const texts = [...document.querySelectorAll('body *')].filter(e =>
            [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
          return texts.map(e => {
            const [a, b] = [light(numbers(getComputedStyle(e).color)), light(behind(e))];
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            return [ratio, e.className + ': ' + e.textContent.slice(0, 30)];
          }).sort((x, y) => x[0] - y[0])[0];
        }"""
    )
    assert worst[0] >= 4.5, worst  # WCAG AA


def test_it_prints(show: Callable[..., Opened]) -> None:
    opened = show("asked", scheme="dark")
    assert opened.page.pdf(format="A4").startswith(b"%PDF")
    opened.page.emulate_media(media="print")
    background = "getComputedStyle(document.body).backgroundColor"
    assert opened.page.evaluate(background) == "rgb(255, 255, 255)"
