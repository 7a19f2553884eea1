"""The page in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from ermu.types import LabelMap
from tests.runtime.conftest import until
from tests.runtime.serve.conftest import Access, Serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FREE = Access(rate=1000, burst=1000)
SOON = 20  # seconds

Open = Callable[..., "Page"]


class Page:
    """A tab on the page; console errors and exceptions are collected."""

    def __init__(self, tab: Any, url: str) -> None:
        self.tab, self.problems = tab, list[str]()
        tab.on("console", lambda told: self.problems.append(told.text) if told.type == "error" else None)
        tab.on("pageerror", lambda error: self.problems.append(str(error)))
        tab.goto(url, wait_until="domcontentloaded")

    def badge(self, state: str) -> bool:
        """Waits for the badge to say so."""
        return self.soon(f"document.getElementById('badge').dataset.state === '{state}'")

    def soon(self, expression: str) -> bool:
        """Waits for a script's value; the page's own policy forbids Playwright's way of doing so."""
        return until(lambda: bool(self.tab.evaluate(expression)), SOON)

    def corner(self, x: float, y: float) -> tuple[float, float]:
        """A place in the window, from shares of the picture."""
        area = self.tab.locator("#pointer").bounding_box()
        return area["x"] + x * area["width"], area["y"] + y * area["height"]

    def press_at(self, x: float, y: float) -> None:
        self.tab.mouse.move(*self.corner(x, y))
        self.tab.mouse.down()

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draws a box; corners in shares of the picture."""
        self.press_at(*start)
        self.tab.mouse.move(*self.corner(*end), steps=5)
        self.tab.mouse.up()

    def row(self, object_id: int) -> Any:
        """An object's row in the list, once it is there."""
        self.tab.wait_for_selector(f"#objects li[data-key='{object_id}']", timeout=1000 * SOON)
        return self.tab.locator(f"#objects li[data-key='{object_id}']")

    def state(self, object_id: int) -> str:
        """What the page says of an object."""
        return str(self.row(object_id).locator(".state").inner_text())

    def focus(self) -> str:
        """The id of the element that has the keyboard, or its label."""
        script = "document.activeElement.id || document.activeElement.getAttribute('aria-label')"
        return str(self.tab.evaluate(script))


def watched(serve: Callable[..., Serving], open_page: Open, **window: Any) -> tuple[Serving, Page]:
    """A server of one stream, and a page that shows it live; further arguments are `open_page`'s."""
    serving = serve(access=FREE)
    page = open_page(serving.url, **window)
    assert page.badge("live")
    return serving, page


def paused_with(serving: Serving, page: Page, label: LabelMap, name: str) -> None:
    """Pauses the stream, and adds an object that the page then draws."""
    page.tab.click("#pause")
    assert page.badge("paused")
    stream = serving.streams["0"]
    stream.pipeline.add_objects(label, name=name)
    assert stream.pipeline.latest is not None
    stream.broadcast.write(stream.pipeline.latest.frame, stream.pipeline.latest.result)


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="drives the browser")
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install --no-install-recommends chromium")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Opens pages: `open_page(url, width=390, height=844)`; further arguments are the browser context's.

    The browser is one without WebRTC, unless `calls` is set.
    """
    with ExitStack() as stack:

        def opened(
            url: str, *, width: int = 1280, height: int = 900, calls: bool = False, **context: Any
        ) -> Page:
            made = browser.new_context(viewport={"width": width, "height": height}, **context)
            stack.callback(made.close)
            if not calls:
                made.add_init_script("delete window.RTCPeerConnection")
            return Page(made.new_page(), url)

        yield opened
