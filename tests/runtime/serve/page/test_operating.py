"""What an operator does: pick a stream, point at a thing, name it; by mouse, finger and keyboard."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.runtime.conftest import until
from tests.runtime.serve.conftest import Serving
from tests.runtime.serve.page.conftest import FREE, Open, paused_with, watched

Serve = Callable[..., Serving]
TWO = ("scene:11,size=120x160,frames=30,fps=8,swing", "scene:12,size=90x120,frames=30,fps=8,swing")


def test_objects_are_drawn_added_renamed_and_removed(serve: Serve, open_page: Open) -> None:
    serving, page = watched(serve, open_page)
    stream = serving.streams["0"].pipeline

    page.drag((0.1, 0.15), (0.5, 0.8))
    page.row(1)
    assert stream.objects.ids == [1]
    assert until(lambda: stream.latest is not None and bool((stream.latest.result.label == 1).any()))
    assert until(lambda: page.focus() == "Name of object 1")  # to be named at once
    page.tab.keyboard.type("crate")
    page.tab.keyboard.press("Enter")
    assert until(lambda: stream.objects.sightings[0].name == "crate")
    assert page.focus() == "pointer"  # and on to the next

    page.drag((0.6, 0.2), (0.95, 0.7))
    page.row(2)
    page.tab.wait_for_selector("#timeline [data-state='left']", timeout=20_000)
    page.tab.wait_for_selector("#evictions li")
    assert "lowest score" in page.tab.inner_text("#evictions")
    assert until(lambda: page.state(2).startswith("in sight"))

    page.row(1).locator(".remove").click()
    assert "Stop following 1 crate?" in page.tab.inner_text("#question")  # there is no way back
    page.tab.keyboard.press("Escape")
    page.tab.wait_for_selector("#question", state="hidden")
    until(lambda: False, 0.3)
    assert stream.objects.ids == [1, 2]
    page.row(1).locator(".remove").click()
    page.tab.click("dialog button:text-is('Stop following')")
    page.tab.wait_for_selector("#objects li[data-key='1']", state="detached")
    assert stream.objects.ids == [2]
    assert not (stream.latest.result.label == 1).any()  # type: ignore[union-attr]

    page.tab.click("#settings summary")
    page.tab.select_option("#policy", "fifo")
    assert until(lambda: stream.segmenter.policy == "fifo")
    page.press_at(0.25, 0.25)
    page.tab.mouse.up()
    page.row(3)
    assert page.tab.inner_text("#message") == ""
    assert page.problems == []


def test_the_keyboard_alone_follows_names_and_removes(serve: Serve, open_page: Open) -> None:
    serving, page = watched(serve, open_page)
    stream = serving.streams["0"].pipeline
    keyboard = page.tab.keyboard
    for _ in range(20):
        if page.focus() == "pointer":
            break
        keyboard.press("Tab")
    assert page.focus() == "pointer"
    for _ in range(10):
        keyboard.press("ArrowLeft")
        keyboard.press("ArrowUp")
    keyboard.press("Enter")
    for _ in range(15):
        keyboard.press("ArrowRight")
        keyboard.press("ArrowDown")
    keyboard.press("Enter")
    page.row(1)
    assert stream.objects.ids == [1]
    assert "Sent." in page.tab.text_content("#spoken")
    assert until(lambda: page.focus() == "Name of object 1")
    keyboard.type("from the keys")
    keyboard.press("Enter")
    assert until(lambda: stream.objects.sightings[0].name == "from the keys")

    assert page.focus() == "pointer"
    keyboard.press("Enter")
    keyboard.press("Escape")  # begun, and thought better of
    keyboard.press("Enter")
    keyboard.press("Enter")  # in place: a click
    page.row(2)
    for _ in range(20):
        if page.focus() == "Stop following object 1":
            break
        keyboard.press("Tab")
    keyboard.press("Enter")
    assert page.tab.is_visible("#question")
    keyboard.press("Tab")
    keyboard.press("Enter")
    assert until(lambda: stream.objects.ids == [2])
    assert page.focus() == "pointer"
    assert page.problems == []


def test_arrow_keys_reach_every_pixel(serve: Serve, open_page: Open) -> None:
    """A step is a fiftieth of the picture's longer edge, a fine one a five-hundredth, to its edge."""
    _, page = watched(serve, open_page)
    page.tab.focus("#pointer")
    page.tab.keyboard.press("ArrowRight")
    assert page.tab.text_content("#spoken").startswith("83, 60")  # 160 / 2 + 160 / 50
    page.tab.keyboard.press("Shift+ArrowDown")
    page.tab.keyboard.press("Shift+ArrowDown")
    assert page.tab.text_content("#spoken").startswith("83, 61")  # 60 + 2 * 0.32
    for _ in range(30):
        page.tab.keyboard.press("ArrowRight")
    assert page.tab.text_content("#spoken").startswith("160, 61")


def test_a_finger_points_and_no_keyboard_pops_up(serve: Serve, open_page: Open) -> None:
    serving, page = watched(serve, open_page, width=390, height=844, has_touch=True, is_mobile=True)
    page.tab.touchscreen.tap(*page.corner(0.3, 0.5))
    page.row(1)
    assert serving.streams["0"].pipeline.objects.ids == [1]
    until(lambda: False, 0.5)
    assert page.focus() != "Name of object 1"
    assert page.problems == []


def test_what_is_drawn_belongs_to_the_picture_that_stood_still(serve: Serve, open_page: Open) -> None:
    """An object of a picture that is past is not drawn before the next frame, and is listed as that."""
    serving, page = watched(serve, open_page)
    stream = serving.streams["0"].pipeline
    page.press_at(0.1, 0.15)
    held = stream.frames
    assert until(lambda: stream.frames > held + 3)
    stream.pause()
    page.tab.mouse.move(*page.corner(0.5, 0.8), steps=3)
    page.tab.mouse.up()
    page.row(1)
    assert until(lambda: page.state(1).startswith("not drawn yet"))
    assert page.badge("paused")
    page.tab.click("#pause")
    assert until(lambda: page.state(1).startswith("in sight"))
    page.tab.click("#pause")
    assert until(lambda: page.state(1).startswith("paused, then in sight"))
    assert page.problems == []


def test_reset_asks_first(serve: Serve, open_page: Open) -> None:
    serving, page = watched(serve, open_page)
    stream = serving.streams["0"].pipeline
    page.drag((0.1, 0.15), (0.5, 0.8))
    page.row(1)
    page.tab.click("#settings summary")
    for answer in ("Keep", "Escape", "Forget everything"):
        page.tab.click("#reset")
        assert page.tab.is_visible("#question")
        if answer == "Escape":
            page.tab.keyboard.press("Escape")
        else:
            page.tab.click(f"dialog button:text-is('{answer}')")
        page.tab.wait_for_selector("#question", state="hidden")
        until(lambda: False, 0.3)
        assert stream.objects.ids == ([] if answer == "Forget everything" else [1])
    assert page.problems == []


def test_a_stream_is_picked_from_all_and_stays_picked(serve: Serve, open_page: Open) -> None:
    serving = serve(scenes=TWO, access=FREE)
    page = open_page(serving.url)
    for name in "01":
        page.tab.wait_for_selector(f".tile[data-key='{name}'] .state[data-state='live']", timeout=20_000)
        assert page.soon(f"document.querySelector(\".tile[data-key='{name}'] .none\").hidden")
    assert all(stream.broadcast.viewers == 0 for stream in serving.streams.values())  # no endless answers
    page.tab.click(".tile[data-key='1']")
    assert page.badge("live")
    assert page.tab.url.endswith("/#1")
    page.tab.reload(wait_until="domcontentloaded")
    assert page.badge("live")
    assert page.tab.get_attribute("nav [aria-current]", "data-key") == "1"
    page.drag((0.2, 0.2), (0.7, 0.8))
    page.row(1)
    assert serving.streams["1"].pipeline.objects.ids == [1]
    assert serving.streams["0"].pipeline.objects.ids == []
    page.tab.go_back()
    page.tab.wait_for_selector(".tile[data-key='0']")
    assert until(lambda: all(stream.broadcast.viewers == 0 for stream in serving.streams.values()))
    assert page.problems == []


def test_names_are_drawn_on_the_picture(serve: Serve, open_page: Open) -> None:
    """The tag's colour, which the API gives the object, appears on the canvas above the object."""
    serving, page = watched(serve, open_page)
    label = np.zeros((120, 160), np.uint8)
    label[60:100, 60:120] = 4
    paused_with(serving, page, label, "a name")
    colour = serving.streams["0"].objects()[0]["colour"]
    expected = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    script = """() => {
        const canvas = document.getElementById("picture");
        const [x, y] = [Math.round(canvas.width * 60 / 160), Math.round(canvas.height / 2) - 24];
        return [...canvas.getContext("2d").getImageData(x, y, x, 20).data];
    }"""

    def shown() -> bool:
        pixels = np.reshape(page.tab.evaluate(script), (-1, 4))[:, :3]
        return int((np.abs(pixels - expected).max(axis=1) < 6).sum()) > 400

    assert until(shown, 10)
    assert page.problems == []
