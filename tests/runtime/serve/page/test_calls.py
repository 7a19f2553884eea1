"""The page over WebRTC where the server has it, and over MJPEG where no packet comes through."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.runtime.conftest import until
from tests.runtime.serve.conftest import Serving
from tests.runtime.serve.page.conftest import FREE, Open

pytest.importorskip("aiortc", reason="calls need the extra `webrtc`")

Serve = Callable[..., Serving]
WAY = "#figures dt:text-is('seen over') + dd"


def test_the_page_calls_shows_and_hangs_up(serve: Serve, open_page: Open) -> None:
    serving = serve(access=FREE)
    stream = serving.streams["0"]
    page = open_page(serving.url, calls=True)
    assert page.badge("live")
    assert page.tab.inner_text(WAY) == "WebRTC"
    assert stream.broadcast.viewers == 1
    page.drag((0.1, 0.15), (0.5, 0.8))
    page.row(1)
    assert until(lambda: page.state(1).startswith("in sight"))
    page.tab.click("#pause")
    assert page.badge("paused")
    page.tab.reload(wait_until="domcontentloaded")  # a picture comes though the stream stands still
    assert page.soon("document.getElementById('nothing').hidden")
    assert page.tab.inner_text(WAY) == "WebRTC"
    page.tab.close()
    assert until(lambda: stream.broadcast.viewers == 0, 40)
    assert page.problems == []


def test_without_a_way_for_packets_the_page_goes_back_to_mjpeg(serve: Serve, open_page: Open) -> None:
    serving = serve(access=FREE)
    page = open_page("about:blank", calls=True)
    page.tab.add_init_script("""
        const set = RTCPeerConnection.prototype.setRemoteDescription;
        RTCPeerConnection.prototype.setRemoteDescription = function (answer) {
          return set.call(this, { ...answer, sdp: answer.sdp.replace(/^a=candidate.*\\r\\n/gm, "") });
        };
    """)
    page.tab.goto(serving.url)
    assert page.badge("live")
    assert until(lambda: page.tab.inner_text(WAY) == "MJPEG")
    assert serving.streams["0"].broadcast.viewers == 1
