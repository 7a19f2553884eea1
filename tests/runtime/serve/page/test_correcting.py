"""An object corrected on the page: what belongs to it, what does not, a box anew, and taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.runtime.conftest import until
from tests.runtime.serve.conftest import Serving
from tests.runtime.serve.page.conftest import Open, Page, paused_with, watched

Serve = Callable[..., Serving]


def following(serve: Serve, open_page: Open) -> tuple[Serving, Page]:
    """A page on a paused stream with an object of 30 x 40 pixels, about to be corrected."""
    serving, page = watched(serve, open_page)
    label = np.zeros((120, 160), np.uint8)
    label[40:80, 30:60] = 1
    paused_with(serving, page, label, "part")
    correct = page.row(1).locator(".correct")
    if not page.tab.evaluate(
        "fetch('openapi.json').then((a) => a.text()).then((t) => t.includes('/refine'))"
    ):
        pytest.skip("this server has no corrections")
    assert until(correct.is_visible)
    correct.click()
    assert page.tab.inner_text("#task") == "Correct 1 part"
    return serving, page


def area(serving: Serving) -> int:
    return int((serving.streams["0"].pipeline.latest.result.label == 1).sum())  # type: ignore[union-attr]


def tap(page: Page, tool: str, point: tuple[int, int]) -> None:
    page.tab.click(f"#corrections [data-tool='{tool}']")
    page.press_at(point[0] / 160, point[1] / 120)
    page.tab.mouse.up()


def test_clicks_and_a_box_correct_and_undo_takes_back(serve: Serve, open_page: Open) -> None:
    serving, page = following(serve, open_page)
    sizes = [area(serving)]
    assert sizes == [1200]
    tap(page, "negative", (45, 60))  # the object's only part
    assert until(lambda: "Nothing is left" in page.tab.inner_text("#message"), 15)
    assert area(serving) == sizes[-1]
    tap(page, "positive", (120, 60))  # both taps count
    assert until(lambda: area(serving) != sizes[-1], 15), page.tab.inner_text("#message")
    label = serving.streams["0"].pipeline.latest.result.label  # type: ignore[union-attr]
    assert label[60, 120] == 1 and label[60, 45] != 1
    sizes.append(area(serving))
    page.tab.click("#corrections [data-tool='box']")
    page.drag((10 / 160, 10 / 120), (150 / 160, 110 / 120))  # something stands out on every frame
    assert until(lambda: area(serving) != sizes[-1], 15), page.tab.inner_text("#message")
    label = serving.streams["0"].pipeline.latest.result.label  # type: ignore[union-attr]
    assert not (label[:, :9] == 1).any()
    for size in reversed(sizes):
        page.tab.click("#undo")
        assert until(lambda size=size: area(serving) == size, 15)
    page.tab.click("#undo")
    assert until(lambda: "No correction" in page.tab.inner_text("#message"))
    page.tab.click("#done")
    assert page.tab.inner_text("#task") == "New object"


def test_what_is_drawn_before_the_answer_is_sent_after_it(serve: Serve, open_page: Open) -> None:
    """Nothing is lost while the server thinks, nor is a tap another because a tool was chosen since."""
    _, page = following(serve, open_page)
    asked: list[Any] = []
    page.tab.route("**/refine", lambda route: asked.append(route))

    def come(count: int, seconds: float = 15) -> bool:
        return until(lambda: bool(page.tab.title()) and len(asked) == count, seconds)  # asking lets events in

    tap(page, "positive", (120, 60))
    assert come(1)
    tap(page, "negative", (20, 20))
    page.tab.click("#corrections [data-tool='box']")
    page.drag((10 / 160, 10 / 120), (150 / 160, 110 / 120))
    assert not come(2, 1)
    for more in (2, 3):
        asked[-1].continue_()
        assert come(more)
    asked[-1].continue_()
    first, second, third = (route.request.post_data_json for route in asked)
    assert [point["positive"] for point in second["points"]] == [True, False]
    assert second["points"][:1] == first["points"]
    assert np.allclose(third["box"], (10, 10, 150, 110), atol=3)  # the picture is not all of its place
    assert first["frame"] == second["frame"] == third["frame"]
    page.tab.unroute_all(behavior="ignoreErrors")


def test_the_tap_that_began_an_object_holds_when_it_is_corrected(serve: Serve, open_page: Open) -> None:
    """On the same picture: a network that sees anew at every click has to be given both."""
    serving, page = watched(serve, open_page)
    page.tab.click("#pause")
    assert page.badge("paused")
    page.press_at(60 / 160, 60 / 120)
    page.tab.mouse.up()
    (added,) = page.row(1).all()
    asked: list[Any] = []
    page.tab.route("**/refine", lambda route: (asked.append(route.request.post_data_json), route.continue_()))
    added.locator(".correct").click()
    tap(page, "negative", (20, 20))
    assert until(lambda: bool(page.tab.title()) and len(asked) == 1, 15)
    assert [point["positive"] for point in asked[0]["points"]] == [True, False]
    assert serving.streams["0"].pipeline.objects.ids == [1]
    page.tab.unroute_all(behavior="ignoreErrors")


def test_corrections_by_keyboard(serve: Serve, open_page: Open) -> None:
    serving, page = following(serve, open_page)
    assert page.focus() == "pointer"  # where `Correct` leads
    for _ in range(10):
        page.tab.keyboard.press("ArrowRight")
    page.tab.keyboard.press("Enter")
    stream = serving.streams["0"].pipeline
    assert until(lambda: stream.latest.result.label[60, 112] == 1, 15), page.tab.inner_text("#message")
    assert page.problems == []


def test_a_tap_after_the_keyboard_is_not_lost(serve: Serve, open_page: Open) -> None:
    """Nothing below the picture moves when the keyboard's focus leaves it: a finger hits what it is on."""
    serving, page = watched(serve, open_page, width=390, height=844, has_touch=True)
    label = np.zeros((120, 160), np.uint8)
    label[40:80, 30:60] = 1
    paused_with(serving, page, label, "part")
    correct = page.row(1).locator(".correct")
    assert until(correct.is_visible)
    for _ in range(20):
        if page.focus() == "pointer" and page.tab.is_visible("#keys"):
            break
        page.tab.keyboard.press("Tab")
    assert page.tab.is_visible("#keys")
    place = correct.bounding_box()
    assert place is not None
    page.tab.touchscreen.tap(place["x"] + place["width"] / 2, place["y"] + 5)
    assert until(lambda: page.tab.inner_text("#task").startswith("Correct"), 5)
    assert not page.tab.is_visible("#keys")
    page.tab.locator("[data-tool='negative']").tap()
    page.tab.touchscreen.tap(*page.corner(0.97, 0.97))  # nowhere near
    assert until(lambda: "change nothing" in page.tab.inner_text("#message"), 15)
    assert area(serving) == 1200
    assert all("409" in problem for problem in page.problems)  # the refusal, which Chromium tells too


def test_a_frame_that_left_twice_is_shown_once(serve: Serve, open_page: Open) -> None:
    """By a correction, and by another after that was undone: the page is no less alive."""
    _, page = following(serve, open_page)

    def twice(route: Any) -> None:
        answer = route.fetch()
        told = answer.json()
        left = {"frame": 3, "at": 9, "reason": "an object was corrected, or that undone"}
        told["groups"][0]["evictions"] = [left, {**left, "at": 14}]
        route.fulfill(response=answer, json=told)

    page.tab.route("**/memory", twice)
    assert until(lambda: page.tab.locator("#timeline [data-state='left']").count() == 1, 15)
    until(lambda: False, 1.5)
    assert "at frame 14" in (
        page.tab.locator("#timeline [data-state='left']").get_attribute("aria-label") or ""
    )
    assert "does not answer" not in page.tab.inner_text("body")
    assert page.problems == []
    page.tab.unroute_all(behavior="ignoreErrors")
