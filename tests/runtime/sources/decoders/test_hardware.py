"""Video asked to be decoded by a GPU on a machine that has none: the CPU stands in, and the log says so."""

from __future__ import annotations

import logging
from pathlib import Path

import av
import numpy as np
import pytest

from ermu.runtime.sources.decoders.hardware import on_gpu, opened
from ermu.runtime.sources.decoders.pyav import PyavDecoder
from ermu.runtime.sources.kinds.network import NetworkSource
from ermu.runtime.sources.opening import open_source
from ermu.runtime.sources.paced import PacedSource
from tests.support.gpu import no_gpu

FRAMES, SIZE = 12, (48, 64)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve grey frames, each lighter than the one before."""
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=25)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        for i in range(FRAMES):
            image = np.full((*SIZE, 3), 20 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.skipif(no_gpu() is None, reason="there is a GPU here")
@pytest.mark.parametrize("paced", [False, True])
def test_the_cpu_stands_in_and_the_log_says_so(
    video: Path, paced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    source = PacedSource(open_source(str(video))) if paced else open_source(str(video))
    source.decode_on("cuda:1")
    source.leave_on("cuda:1")
    with caplog.at_level(logging.WARNING, "ermu.sources"), source:
        means = [frame.image.mean() for frame in source]
    np.testing.assert_allclose(means, 20.0 * np.arange(FRAMES), atol=6)
    (said,) = (record.getMessage() for record in caplog.records)
    assert "clip.mp4 is decoded on the CPU: the decoder of cuda:1 cannot be had" in said


@pytest.mark.skipif(no_gpu() is None, reason="there is a GPU here")
def test_an_address_is_opened_without_it(video: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As the network source opens one: its options hold in either case."""
    options = dict(options={"fflags": "discardcorrupt"}, timeout=(3.0, 2.0))
    with (
        caplog.at_level(logging.WARNING, "ermu.sources"),
        opened(str(video), "cuda", "x", **options) as (found, _),
    ):
        assert sum(1 for _ in found.decode(video=0)) == FRAMES
        assert not on_gpu(found.streams.video[0])
    assert "x is decoded on the CPU" in caplog.text


def test_on_the_cpu_nothing_is_said(video: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "ermu.sources"), opened(str(video), "cpu", "x") as (found, _):
        assert sum(1 for _ in found.decode(video=0)) == FRAMES
    assert not caplog.records


@pytest.mark.skipif(no_gpu() is None, reason="there is a GPU here")
def test_what_cannot_be_opened_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(av.FFmpegError), opened(str(tmp_path / "none.mp4"), "cuda", "x"):
        pass


def test_a_source_without_video_takes_the_wish(tmp_path: Path) -> None:
    NetworkSource("rtsp://nobody/1").decode_on("cuda")
    open_source("scene:1").decode_on("cuda")


@pytest.mark.parametrize("kind", ["mp4", "h264"])
def test_a_lost_picture_is_found_again(video: Path, kind: str, tmp_path: Path) -> None:
    """Raw H.264 has no stamps by which it could be."""
    file = tmp_path / f"clip.{kind}"
    with av.open(str(video)) as given, av.open(str(file), "w") as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = stream
                made.mux(packet)
    with av.open(str(file)) as container:
        stamps = [frame.pts for frame in container.decode(video=0)]
    assert (None in stamps) == (kind == "h264")
    decoder = PyavDecoder(file)
    for index in (7, 0, FRAMES - 1):
        assert abs(decoder._again(index, stamps[index]).mean() - 20 * index) < 6
