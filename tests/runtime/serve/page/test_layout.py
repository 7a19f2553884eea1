"""How the page looks where: on a phone, below another path; and that nothing lies on hover alone."""

from __future__ import annotations

import socket
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from ermu.runtime.serve.access.proxy import Proxy
from tests.runtime.conftest import free_port, until
from tests.runtime.serve.access.test_proxy import TOKEN, nginx
from tests.runtime.serve.conftest import Access, Serving
from tests.runtime.serve.page.conftest import Open, watched

Serve = Callable[..., Serving]
LABELS = """() => [...document.querySelectorAll("#timeline .bars span")].filter((label) => label.textContent)
    .map((label) => [...Object.values(label.getBoundingClientRect().toJSON()).slice(0, 4),
                     parseFloat(getComputedStyle(label).fontSize)])"""


def test_on_a_phone_everything_fits_and_the_memory_can_be_read(serve: Serve, open_page: Open) -> None:
    serving, page = watched(serve, open_page, width=390, height=844, has_touch=True, is_mobile=True)
    page.tab.touchscreen.tap(*page.corner(0.3, 0.5))
    page.row(1)
    page.tab.wait_for_selector("#timeline [data-state='left']", timeout=20_000)
    page.tab.locator("#settings summary").tap()  # a policy's sentence is longer than a phone is wide
    assert until(lambda: page.tab.is_visible("#policy"), 5)
    wide, window = page.tab.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= window == 390
    serving.streams["0"].pipeline.pause()
    until(lambda: False, 1.5)
    labels = page.tab.evaluate(LABELS)
    assert labels
    for x, _, width, _, font in labels:
        assert font >= 12 and x >= 0 and x + width <= 390
    spans = sorted((x, x + width) for x, _, width, _, _ in labels)
    assert all(end < start for (_, end), (start, _) in pairwise(spans))
    page.tab.locator("#timeline [data-state='left']").first.tap()
    assert until(lambda: "lowest score" in page.tab.inner_text(".told"), 5)
    page.tab.locator("#timeline [data-state='held']").first.tap()
    assert until(lambda: "is held" in page.tab.inner_text(".told"), 5)
    buttons = page.tab.evaluate("[...document.querySelectorAll('#objects button, #tools button')]"
                                ".filter((b) => b.offsetParent).map((b) => b.offsetHeight)")  # fmt: skip
    assert min(buttons) >= 40  # for a finger
    assert page.problems == []


@pytest.mark.parametrize("calls", [False, True], ids=["MJPEG", "WebRTC"])
def test_the_page_works_below_another_path(
    serve: Serve, open_page: Open, tmp_path: Path, calls: bool
) -> None:
    """Behind a real nginx that knows a path and a token, and takes the path off."""
    port = free_port()
    proxy = Proxy.of(f"http://127.0.0.1:{port}/ermu/")
    serving = serve(access=Access(token=TOKEN, local_only=False, proxy=proxy, rate=1000, burst=1000))
    site = (
        f"server {{ listen 127.0.0.1:{port}; location /ermu/ {{"
        f" proxy_pass http://127.0.0.1:{serving.port}/; proxy_http_version 1.1; }} }}"
    )
    with nginx(tmp_path, site):
        assert until(lambda: answers(port), 20)
        page = open_page(f"http://127.0.0.1:{port}/ermu/?token={TOKEN}", calls=calls)
        assert page.badge("live")
        assert page.tab.url == f"http://127.0.0.1:{port}/ermu/"
        page.drag((0.1, 0.15), (0.5, 0.8))
        page.row(1)
        assert page.tab.text_content("#figures dt:text-is('seen over') + dd") == (
            "WebRTC" if calls else "MJPEG"
        )
        assert page.problems == []


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def test_correcting_is_offered_where_the_server_can(serve: Serve, open_page: Open) -> None:
    _, page = watched(serve, open_page)
    page.drag((0.1, 0.15), (0.5, 0.8))
    page.row(1)
    described = page.tab.evaluate("fetch('openapi.json').then((answer) => answer.json())")
    able = any(path.endswith("/refine") for path in described["paths"])
    assert page.row(1).locator(".correct").is_visible() is able
