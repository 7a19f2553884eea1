"""Calls by another implementation's client, aiortc's own: pictures, their order, limits, refusals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest

from tests.runtime.conftest import until
from tests.runtime.serve.conftest import Access, Serving

aiortc = pytest.importorskip("aiortc", reason="calls need the extra `webrtc`")
Serve = Callable[..., Serving]
ADDRESS = "/api/streams/0/webrtc"


async def called(url: str, pictures: int) -> tuple[list[tuple[int, int]], list[dict[str, object]]]:
    """Calls, takes so many pictures and hangs up; their sizes, and what was told of them."""
    connection = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    told: list[dict[str, object]] = []
    channel = connection.createDataChannel("about")
    channel.on("message", lambda text: told.append(json.loads(text)))
    connection.addTransceiver("video", direction="recvonly")
    coming: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    connection.on("track", coming.set_result)
    await connection.setLocalDescription(await connection.createOffer())
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        answer = await client.post(ADDRESS, json={"sdp": connection.localDescription.sdp})
    assert answer.status_code == 200, answer.text
    description = aiortc.RTCSessionDescription(answer.json()["sdp"], "answer")
    await connection.setRemoteDescription(description)
    track = await asyncio.wait_for(coming, 20)
    sizes = []
    for _ in range(pictures):
        frame = await asyncio.wait_for(track.recv(), 20)  # type: ignore[attr-defined]
        sizes.append((frame.width, frame.height))
    await connection.close()
    return sizes, told


def test_a_caller_gets_the_pictures_and_what_they_show(serve: Serve) -> None:
    serving = serve(access=Access(rate=1000, burst=1000))
    with httpx.Client(base_url=serving.url) as client:
        client.post("/api/streams/0/objects", json={"box": [20, 20, 80, 90]})
    sizes, told = asyncio.run(called(serving.url, 8))
    assert sizes == [(160, 120)] * 8
    numbers = [about["frame"] for about in told]
    assert len(numbers) >= 5 and numbers == sorted(numbers)  # type: ignore[type-var]
    assert told[-1]["size"] == [160, 120]
    assert until(lambda: serving.streams["0"].broadcast.viewers == 0, 20)


def test_two_callers_share_an_encoder(serve: Serve) -> None:
    serving = serve(access=Access(rate=1000, burst=1000))

    async def both() -> None:
        first, second = await asyncio.gather(called(serving.url, 10), called(serving.url, 10))
        assert len(first[0]) == len(second[0]) == 10

    asyncio.run(both())
    assert len(serving.streams["0"].broadcast.feeds) == 1


@pytest.mark.parametrize(
    "sdp", ["x", "v=0\r\nm=video\r\n", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"]
)
def test_offers_that_are_none_are_refused(serve: Serve, sdp: str) -> None:
    serving = serve(access=Access(rate=1000, burst=1000))
    answer = httpx.post(serving.url + ADDRESS, json={"sdp": sdp})
    assert (answer.status_code, bool(answer.json()["problem"])) == (409, True)
    assert httpx.post(f"{serving.url}/api/streams/9/webrtc", json={"sdp": sdp}).status_code == 404
    assert serving.streams["0"].broadcast.viewers == 0


def test_calls_ask_for_the_token_and_the_origin_as_other_addresses_do(serve: Serve) -> None:
    serving = serve(access=Access(token="right-" * 4))
    assert httpx.post(serving.url + ADDRESS, json={"sdp": "x"}).status_code == 401
    headers = {"Authorization": "Bearer " + "right-" * 4}
    assert httpx.post(serving.url + ADDRESS, json={"sdp": "x"}, headers=headers).status_code == 409
    foreign = {**headers, "Origin": "http://elsewhere.example"}
    assert httpx.post(serving.url + ADDRESS, json={"sdp": "x"}, headers=foreign).status_code == 403
