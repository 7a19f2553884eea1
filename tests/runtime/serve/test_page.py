"""The page in a real browser: draw, see, add, remove, look at the memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.runtime.conftest import until
from tests.runtime.serve.conftest import Access, Serving

Serve = Callable[..., Serving]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="drives the browser")
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install --no-install-recommends chromium")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def true_soon(page: Any, expression: str) -> bool:
    """Waits for a script's value; the page's own policy forbids Playwright's way of doing so."""
    return until(lambda: bool(page.evaluate(expression)), 15)


def opened(browser: Any, url: str, problems: list[str]) -> Any:
    """The page, with its video running; console errors and failed requests are collected."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(url, wait_until="domcontentloaded")
    assert true_soon(page, "document.getElementById('video').naturalWidth > 0")
    assert true_soon(page, "latest !== null && latest.width > 0")
    return page


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draws a box; corners in shares of the picture."""
    area = page.locator("#drawing").bounding_box()
    points = [(area["x"] + x * area["width"], area["y"] + y * area["height"]) for x, y in (start, end)]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=5)
    page.mouse.up()


def shown_difference(page: Any, before: list[int]) -> float:
    """How much the picture's mean colour has moved."""
    return float(np.abs(np.subtract(mean_colour(page), before)).max())


def mean_colour(page: Any) -> list[int]:
    script = """() => {
        const [image, canvas] = [document.getElementById("video"), document.createElement("canvas")];
        canvas.width = canvas.height = 1;
        const context = canvas.getContext("2d");
        context.imageSmoothingQuality = "high";
        context.drawImage(image, 0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
    }"""
    colour: list[int] = page.evaluate(script)
    return colour


def test_objects_are_drawn_added_renamed_and_removed(serve: Serve, browser: Any) -> None:
    serving = serve(access=Access(rate=200, burst=400))
    stream = serving.streams["0"].pipeline
    problems: list[str] = []
    page = opened(browser, serving.url, problems)

    drag(page, (0.1, 0.15), (0.5, 0.8))
    page.wait_for_selector("#objects li[data-id='1']")
    assert stream.objects.ids == [1]
    view = stream.latest
    assert view is not None and until(lambda: bool((stream.latest.result.label == 1).any()))  # type: ignore[union-attr]

    drag(page, (0.6, 0.2), (0.95, 0.7))
    page.wait_for_selector("#objects li[data-id='2']")
    page.fill("#objects li[data-id='2'] input", "second")
    page.press("#objects li[data-id='2'] input", "Tab")
    assert until(lambda: stream.objects.sightings[-1].name == "second")

    page.wait_for_selector("#timeline svg [data-evicted]", state="attached", timeout=20_000)
    page.wait_for_selector("#evictions li")
    assert "lowest score" in page.inner_text("#evictions")

    page.click("#objects li[data-id='1'] button")
    page.wait_for_selector("#objects li[data-id='1']", state="detached")
    assert stream.objects.ids == [2]
    assert not (stream.latest.result.label == 1).any()  # type: ignore[union-attr]

    page.click("#pause")
    assert true_soon(page, "document.getElementById('badge').textContent === 'paused'")
    page.click("#pause")
    page.select_option("#policy", "fifo")
    assert until(lambda: stream.segmenter.policy == "fifo")
    page.click("#drawing", position={"x": 300, "y": 200})
    page.wait_for_selector("#objects li[data-id='3']")
    assert page.inner_text("#message") == ""
    assert problems == []


def test_the_overlay_changes_the_picture(serve: Serve, browser: Any) -> None:
    serving = serve(access=Access(rate=200, burst=400))
    problems: list[str] = []
    page = opened(browser, serving.url, problems)
    stream = serving.streams["0"].pipeline
    page.click("#pause")
    assert true_soon(page, "document.getElementById('badge').textContent === 'paused'")
    before = mean_colour(page)
    label = np.full((120, 160), 4, np.uint8)  # palette colour 4 is (0, 0, 128): less red
    stream.add_objects(label)
    stream.resume()
    assert until(lambda: stream.latest is not None and (stream.latest.result.label == 4).mean() > 0.5, 10)
    until(lambda: False, 0.5)
    assert shown_difference(page, before) > 15
    assert problems == []


def test_several_streams_are_chosen_between(serve: Serve, browser: Any) -> None:
    scenes = ("scene:11,size=120x160,frames=30,fps=8,swing", "scene:12,size=90x120,frames=30,fps=8,swing")
    serving = serve(scenes=scenes, access=Access(rate=200, burst=400))
    problems: list[str] = []
    page = opened(browser, serving.url, problems)
    page.wait_for_selector("#streams button >> nth=1")
    page.click("#streams button[data-name='1']")
    assert true_soon(page, "latest.name === '1' && document.getElementById('video').naturalWidth === 120")
    drag(page, (0.2, 0.2), (0.7, 0.8))
    page.wait_for_selector("#objects li[data-id='1']")
    assert serving.streams["1"].pipeline.objects.ids == [1]
    assert serving.streams["0"].pipeline.objects.ids == []
    assert problems == []
