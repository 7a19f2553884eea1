"""Streams of every kind that cameras send, from real servers: pictures come, stay new, do not break off."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep

import pytest

from ermu.runtime.sources.connections.options import ConnectionOptions
from ermu.runtime.sources.kinds.network import NetworkSource
from ermu.runtime.sources.reader import StreamReader
from tests.runtime.conftest import ROOT, RtspProcess, free_port, until
from tests.support.processes import running
from tests.support.servers.answering import answering
from tests.support.servers.rtsp_server import BITS, now_milliseconds, read_time

av = pytest.importorskip("av", reason="streams are sent through PyAV (extra `live`)")

pytestmark = pytest.mark.serial

FFMPEG = shutil.which("ffmpeg")
Servers = Callable[..., RtspProcess]


class Watched:
    """What a reader gave in a while.

    Attributes:
        first: Seconds until the first picture.
        states: Those that the stream was in from its first picture on.
        ages: Milliseconds that pictures were old, by the time drawn into them.
        gaps: Seconds between pictures.
        sizes: Of the pictures.
    """

    def __init__(self, source: NetworkSource, seconds: float, *, timed: bool = True) -> None:
        reader = self.reader = StreamReader(source)
        began, stamps = monotonic(), []
        self.states, self.ages, self.sizes = set(), [], set()
        reader.start()
        try:
            while monotonic() < (stamps[0] if stamps else began + 20) + seconds:
                frame = reader.take()
                if frame is not None:
                    stamps.append(frame.stamp)
                    self.sizes.add(frame.image.shape)
                    if timed:
                        self.ages.append((now_milliseconds() - read_time(frame.image)) % (1 << BITS))
                if stamps:
                    self.states.add(reader.state.value)
                sleep(0.005)
        finally:
            reader.stop()
        assert stamps, reader.reason
        self.first = stamps[0] - began
        self.gaps = [after - before for before, after in pairwise(stamps)]


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


@contextmanager
def sender(target: object, *options: str) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.support.servers.sender", target, *options]
    with running(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        yield


def test_motion_jpeg_over_http_whose_stamps_are_invented() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/video"
    with sender(url, "--format", "mpjpeg"):
        assert until(partial(listens, port), 20)
        seen = Watched(NetworkSource(url, late_seconds=0.5), 4)  # 15 a second: 1.6 s behind 25 by then
    assert (seen.reader.reconnects, seen.states) == (0, {"live"})
    assert seen.reader.received > 40 and max(seen.ages) < 1000


def test_hls_in_segments_of_two_seconds(tmp_path: Path) -> None:
    options = ("hls_time=2", "hls_list_size=4", "hls_flags=delete_segments")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ExitStack() as stack:
        port = stack.enter_context(answering(ThreadingHTTPServer(("127.0.0.1", 0), handler)))
        given = [word for option in options for word in ("--option", option)]
        stack.enter_context(sender(tmp_path / "live.m3u8", "--format", "hls", "--gop", "30", *given))
        assert until(lambda: len(list(tmp_path.glob("*.ts"))) > 1 and any(tmp_path.glob("*.m3u8")), 20)
        url = f"http://127.0.0.1:{port}/live.m3u8"
        seen = Watched(NetworkSource(url), 8)
    assert (seen.reader.reconnects, seen.states) == (0, {"live"})
    assert seen.reader.received > 80
    assert sum(gap < 0.2 for gap in seen.gaps) > 0.9 * len(seen.gaps)  # not a segment at once, then nothing


def test_a_frame_every_two_seconds_is_no_outage(rtsp_server: Servers) -> None:
    server = rtsp_server("--fps", "0.5")
    seen = Watched(NetworkSource(server.url), 7)
    assert (seen.reader.reconnects, seen.states) == (0, {"live"})
    assert seen.reader.received >= 3


@pytest.mark.long
def test_a_clock_three_percent_slow_is_no_delay(rtsp_server: Servers) -> None:
    server = rtsp_server("--clock", "0.97")
    seen = Watched(NetworkSource(server.url), 45)  # 1.35 s behind by then
    assert (seen.reader.reconnects, seen.states) == (0, {"live"})


def test_a_damaged_header_is_no_change_of_size(rtsp_server: Servers) -> None:
    server = rtsp_server("--damage-at", "30", "--gop", "15")
    seen = Watched(NetworkSource(server.url), 5)
    assert seen.sizes == {(240, 320, 3)}
    assert seen.reader.received > 40


def test_a_transport_stream_over_udp() -> None:
    url = f"udp://127.0.0.1:{free_port()}"
    with sender(f"{url}?pkt_size=1316", "--format", "mpegts"):
        seen = Watched(NetworkSource(url), 3)
    assert (seen.reader.reconnects <= 1, seen.states) == (True, {"live"})
    assert max(seen.ages[5:]) < 1000


@pytest.mark.skipif(not FFMPEG, reason="needs the program ffmpeg, which can serve RTMP")
def test_rtmp() -> None:
    port = free_port()
    url = f"rtmp://127.0.0.1:{port}/live/yard"
    sending = f"{FFMPEG} -re -f lavfi -i testsrc=size=320x240:rate=15 -c:v libx264 -tune zerolatency -g 15"
    command = [*sending.split(), "-f", "flv", "-listen", "1", url]
    with running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        seen = Watched(NetworkSource(url), 3, timed=False)
    assert seen.states == {"live"} and seen.reader.received > 20


PYTHON = shutil.which("python3", path="/usr/bin") or ""
_BINDINGS = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


@pytest.fixture(scope="module")
def gstreamer() -> None:
    """Skips where there is no GStreamer with an RTSP server and an encoder."""
    tools = bool(PYTHON) and subprocess.run([PYTHON, "-c", _BINDINGS], capture_output=True).returncode == 0
    if not tools or subprocess.run(["gst-inspect-1.0", "x264enc"], capture_output=True).returncode:
        pytest.skip(
            "needs GStreamer: apt install gir1.2-gst-rtsp-server-1.0 gstreamer1.0-tools "
            "gstreamer1.0-plugins-{base,good,ugly} python3-gi"
        )


@contextmanager
def gst_server(*options: str) -> Iterator[str]:
    port = free_port()
    command = [PYTHON, ROOT / "tests" / "support" / "servers" / "gst_rtsp.py", "--port", port, *options]
    with running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        assert until(partial(listens, port), 20)
        yield f"rtsp://127.0.0.1:{port}/live"


def refused(url: str, options: ConnectionOptions) -> str:
    """Why no connection is made."""
    source = NetworkSource(url)
    source.connect_with(options)
    reader = StreamReader(source)
    reader.start()
    assert until(lambda: reader.last_error is not None, 20)
    reader.stop()
    return str(reader.last_error)


def test_the_first_picture_of_a_long_group_comes_at_once(gstreamer: None) -> None:
    with gst_server("--gop", "250") as url:  # ten seconds
        seen = Watched(NetworkSource(url), 2, timed=False)
    assert seen.first < 5
    assert (seen.reader.reconnects, seen.states) == (0, {"live"})


def test_rtsp_over_udp_alone(gstreamer: None) -> None:
    with gst_server("--transport", "udp") as url:
        for transport in ("auto", "udp"):
            source = NetworkSource(url)
            source.connect_with(ConnectionOptions(transport))
            seen = Watched(source, 2, timed=False)
            assert (seen.reader.reconnects, seen.states) == (0, {"live"})
        assert "does not offer this transport" in refused(url, ConnectionOptions("tcp"))


def test_a_password_that_no_address_can_hold(gstreamer: None) -> None:
    with gst_server("--password", "p@s#s w?rd:/1") as url:
        for address in (url.replace("rtsp://", "rtsp://admin:p@s#s w?rd:/1@"), url):
            source = NetworkSource(address)
            if address == url:
                source.connect_with(ConnectionOptions(user="admin", password="p@s#s w?rd:/1"))
            assert Watched(source, 0.5, timed=False).reader.reconnects == 0
        assert "asks for a user name" in refused(url, ConnectionOptions())
        wrong = ConnectionOptions(user="admin", password="wrong")
        assert "refuses the user name or the password" in refused(url, wrong)
