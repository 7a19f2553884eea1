"""Whether the page may be trusted: it says live only while pictures come, and comes back by itself."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import httpx
import pytest

from tests.runtime.conftest import until
from tests.runtime.serve.conftest import Server, Serving, create_app
from tests.runtime.serve.page.conftest import FREE, Open, watched
from tests.runtime.serve.page.relay import Relay

Serve = Callable[..., Serving]


@pytest.mark.parametrize("calls", [False, True], ids=["MJPEG", "WebRTC"])
def test_a_restarted_server_is_live_again_by_itself(serve: Serve, open_page: Open, calls: bool) -> None:
    serving, page = watched(serve, open_page, calls=calls)
    before = page.tab.locator("#screen").bounding_box()
    serving.server.close()
    assert page.badge("lost")
    assert "does not answer" in page.tab.inner_text("#alerts")
    after = page.tab.locator("#screen").bounding_box()
    assert (after["width"], after["height"]) == (before["width"], before["height"])
    with Server(create_app(serving.streams, FREE), port=serving.port):
        assert page.badge("live")
        assert until(lambda: page.tab.inner_text("#alerts") == "", 5)


def test_a_page_opened_on_a_dead_picture_keeps_its_place(serve: Serve, open_page: Open) -> None:
    serving = serve(access=FREE)
    page = open_page(serving.url)
    page.tab.route("**/video.mjpeg", lambda route: route.abort())
    page.tab.reload(wait_until="domcontentloaded")
    assert page.soon("document.getElementById('objects').offsetParent !== null")
    assert page.badge("stalled")
    screen = page.tab.locator("#screen").bounding_box()
    assert screen["height"] > 300
    assert page.tab.is_visible("#nothing")


def test_a_stalled_viewer_is_not_live_and_connects_anew(serve: Serve, open_page: Open) -> None:
    serving = serve(access=FREE)
    with Relay(serving.port) as relay:
        page = open_page(f"http://127.0.0.1:{relay.port}/")
        assert page.badge("live")
        began = monotonic()
        assert relay.stall(b"video.mjpeg") == 1
        assert page.badge("stalled")
        assert page.badge("live")
        assert monotonic() - began < 30
        assert page.problems == []


def test_an_ended_stream_says_so_at_the_top_and_shows_its_last_picture(serve: Serve, open_page: Open) -> None:
    serving = serve(scenes=("scene:11,size=120x160,frames=6,fps=12",), access=FREE)
    assert until(lambda: serving.streams["0"].pipeline.done, 20)
    page = open_page(serving.url)
    assert page.badge("ended")
    assert page.soon("document.getElementById('nothing').hidden")
    alerts, screen = page.tab.locator("#alerts li").first, page.tab.locator("#screen")
    assert "The stream has ended" in alerts.inner_text()
    assert alerts.bounding_box()["y"] < screen.bounding_box()["y"]
    assert "has ended" in page.tab.inner_text("#hint")  # and nobody is asked to draw
    page.press_at(0.5, 0.5)
    page.tab.mouse.up()
    page.tab.focus("#pointer")
    page.tab.keyboard.press("Enter")
    until(lambda: False, 0.5)
    assert page.tab.inner_text("#message") == "" and serving.streams["0"].pipeline.objects.ids == []
    refused = httpx.post(f"{serving.url}/api/streams/0/objects", json={"box": [10, 10, 90, 90]})
    assert refused.status_code == 409 and "The stream 0 has ended" in refused.json()["problem"]
    assert "--loop" in refused.json()["fix"]
    assert page.problems == []
