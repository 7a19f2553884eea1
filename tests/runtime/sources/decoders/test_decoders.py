"""Video files through PyAV and through OpenCV: the frames that were drawn, their times, what is missing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ermu.errors import SourceError
from ermu.runtime.sources.decoders.base import VideoDecoder
from ermu.runtime.sources.decoders.opencv import OpencvDecoder
from ermu.runtime.sources.kinds.video import VideoSource, best_decoder
from ermu.types import Image
from tests.support.clips import FPS, FRAMES, NOT_UTF8, corrupt, cut, moving_frames, write_clip

pytest.importorskip("av", reason="clips are encoded with PyAV (extra `live`)")
from ermu.runtime.sources.decoders.pyav import PyavDecoder

CONVERTS = tuple(int(part) for part in cv2.__version__.split(".")[:2]) < (4, 13)  # interlaced video too
BOTH = pytest.mark.parametrize("decoder", [PyavDecoder, OpencvDecoder])
CODECS = {
    "h264.mp4": dict(codec="libx264", crf="18"),
    "h264.mkv": dict(codec="libx264", crf="18", bf="3"),
    "hevc.mp4": {"codec": "libx265", "x265-params": "log-level=none"},
    "hevc10.mp4": {"codec": "libx265", "pixels": "yuv420p10le", "x265-params": "log-level=none"},
    "vp9.webm": dict(codec="libvpx-vp9"),
    "mpeg4.avi": dict(codec="mpeg4", b="4000000"),
    "motion.avi": dict(codec="mjpeg", pixels="yuvj420p"),
    "prores.mov": dict(codec="prores_ks", pixels="yuv422p10le"),
    "lossless.mkv": dict(codec="ffv1"),
}
INTERLACED = {
    "interlaced.mts": {"codec": "libx264", "interlaced": True, "x264opts": "tff=1", "crf": "18"},
    "interlaced.mp4": {"codec": "libx264", "interlaced": True, "x264opts": "tff=1", "crf": "18"},
    "interlaced.mpg": dict(codec="mpeg2video", interlaced=True, b="4000000"),
    "interlaced.avi": dict(codec="mpeg4", interlaced=True, b="4000000"),
    "interlaced.mov": dict(codec="prores_ks", interlaced=True, pixels="yuv422p10le"),
    "hevc.mkv": {"codec": "libx265", "x265-params": "interlace=tff:log-level=none"},
}
ONLY_PYAV = {**INTERLACED, "av1.mp4": dict(codec="libsvtav1")}


def difference(left: list[Image], right: list[Image]) -> float:
    """Mean over frames and pixels, of 255."""
    assert len(left) == len(right) and left
    return float(np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(left, right, strict=True)]))


def images(decoder: VideoDecoder) -> list[Image]:
    return [frame.image for frame in decoder]


@pytest.mark.parametrize("name", CODECS)
def test_both_decoders_give_what_was_drawn(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / name, **CODECS[name])  # type: ignore[arg-type]
    through_pyav, through_opencv = images(PyavDecoder(path)), images(OpencvDecoder(path))
    assert difference(through_pyav, moving_frames()) < 7
    assert difference(through_pyav, through_opencv) < 2
    assert PyavDecoder(path).total_frames == OpencvDecoder(path).total_frames == FRAMES


@pytest.mark.parametrize("name", ONLY_PYAV)
def test_what_opencv_decodes_wrongly_or_not_at_all(tmp_path: Path, name: str) -> None:
    source = VideoSource(write_clip(tmp_path / name, **ONLY_PYAV[name]))  # type: ignore[arg-type]
    assert best_decoder() is PyavDecoder
    assert difference([frame.image for frame in source], moving_frames()) < 7
    assert source.missing == 0


@pytest.mark.parametrize("name", INTERLACED)
def test_opencv_refuses_what_it_does_not_convert(tmp_path: Path, name: str) -> None:
    """The 4.x of before 4.13 convert it: then it is right."""
    decoder = OpencvDecoder(write_clip(tmp_path / name, **INTERLACED[name]))  # type: ignore[arg-type]
    if CONVERTS:
        assert difference(images(decoder), moving_frames()) < 7
        return
    came = []
    with pytest.raises(SourceError, match="may be interlaced") as refused:
        came.extend(iter(decoder))
    assert not came and refused.value.fix == "pip install av"


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mts", "libx264"), ("a.webm", "libvpx-vp9"), ("a.mkv", "libx265")],
)
def test_a_picture_that_stands_still_passes_where_the_header_says_progressive(
    tmp_path: Path, name: str, codec: str
) -> None:
    still = [moving_frames(1)[0]] * 5
    assert len(images(OpencvDecoder(write_clip(tmp_path / name, codec, images=still)))) == 5


def test_a_still_picture_in_doubt_is_refused(tmp_path: Path) -> None:
    """A header that leaves room for fields, in a file without any: right as long as something moves."""
    options = {"x264opts": "fake-interlaced=1", "crf": "18"}
    moving = write_clip(tmp_path / "moving.mp4", "libx264", **options)
    assert difference(images(OpencvDecoder(moving)), moving_frames()) < 7
    still = write_clip(
        tmp_path / "still.mp4", "libx264", images=[np.zeros_like(moving_frames(1)[0])] * 3, **options
    )
    with pytest.raises(SourceError, match="may be interlaced"):
        images(OpencvDecoder(still))


@BOTH
def test_times_are_the_files_own(tmp_path: Path, decoder: type[VideoDecoder]) -> None:
    stamps = [0, 1, 2, 3, 10, 11, 12, 13, 14, 15, 16, 40]
    path = write_clip(tmp_path / "vfr.mp4", "libx264", stamps=stamps)
    assert [frame.time for frame in decoder(path)] == pytest.approx(
        [stamp / FPS for stamp in stamps], abs=2e-3
    )
    late = write_clip(tmp_path / "late.mkv", "libx264", stamps=range(50, 50 + FRAMES))
    assert [frame.time for frame in decoder(late)] == pytest.approx(
        [i / FPS for i in range(FRAMES)], abs=2e-3
    )
    again = decoder(late)
    assert (len(list(again)), again.missing) == (FRAMES, 0)


def test_an_avi_without_stamps_goes_by_its_rate(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "reordered.avi", "libx264", bf="2")
    assert [frame.time for frame in PyavDecoder(path)] == pytest.approx([i / FPS for i in range(FRAMES)])


@BOTH
@pytest.mark.parametrize(
    ("name", "codec", "share"),
    [("a.mp4", "libx264", 0.6), ("a.webm", "libvpx-vp9", 0.9), ("a.avi", "mpeg4", 0.8)],
)
def test_a_file_that_ends_early(
    tmp_path: Path, decoder: type[VideoDecoder], name: str, codec: str, share: float
) -> None:
    whole = write_clip(tmp_path / name, codec, container={"movflags": "faststart"}, g="6")
    reading = decoder(whole)
    assert (len(list(reading)), reading.missing) == (FRAMES, 0)
    short = decoder(cut(whole, share))
    came = len(list(short))
    assert 0 < came < FRAMES
    assert came + short.missing == short.total_frames == FRAMES


def test_a_trimmed_clip_is_whole(tmp_path: Path) -> None:
    """An edit list hides frames at the begin that the file holds; nobody misses them."""
    path = write_clip(tmp_path / "trimmed.mp4", "libx264", bf="0", g="2")
    data = bytearray(path.read_bytes())
    edit = data.index(b"elst") + 12  # version and flags, number of entries, then duration, media time
    data[edit : edit + 4] = int.to_bytes(1000 * (FRAMES - 4) // FPS, 4, "big")
    ticks = 16384 // FPS if b"\x00\x00\x40\x00" in data[data.index(b"mdhd") :][:24] else 512
    data[edit + 4 : edit + 8] = int.to_bytes(4 * ticks, 4, "big")
    path.write_bytes(data)
    reading = PyavDecoder(path)
    assert len(list(reading)) == FRAMES - 4
    assert reading.missing == 0


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.avi", "mpeg4"), ("a.mkv", "libx264")])
def test_damaged_frames_are_marked(tmp_path: Path, name: str, codec: str) -> None:
    whole = write_clip(tmp_path / name, codec, g="6", b="4000000")
    assert not any(frame.damaged for frame in PyavDecoder(whole))
    broken = PyavDecoder(corrupt(whole))
    frames = list(broken)
    assert sum(frame.damaged for frame in frames) > 0
    lost = FRAMES - len(frames)
    assert lost <= sum(frame.damaged for frame in frames) + broken.missing


@pytest.mark.parametrize(
    ("name", "codec", "at"),
    [
        *(("a.mp4", "libx264", at) for at in (0.3, 0.5, 0.7)),
        *(("a.avi", "mpeg4", at) for at in (0.5, 0.7)),
        ("a.ts", "libx264", 0.7),  # where a packet is missing; damage inside of one is concealed in silence
    ],
)
def test_frames_made_of_a_damaged_one_are_damaged(tmp_path: Path, name: str, codec: str, at: float) -> None:
    """No key frame but the first: whatever is wrong stays to the end."""
    whole = write_clip(tmp_path / name, codec, g="99", bf="0", b="4000000", sc_threshold="0")
    right = images(PyavDecoder(whole))
    frames = list(PyavDecoder(corrupt(whole, at)))
    first = next(i for i, frame in enumerate(frames) if frame.damaged)
    assert all(frame.damaged for frame in frames[first:])
    assert all(
        np.array_equal(frame.image, image) for frame, image in zip(frames[:first], right, strict=False)
    )


@pytest.mark.parametrize("size", [1, 16])
@pytest.mark.parametrize("at", [0.3, 0.5, 0.8])
def test_damage_in_vp9_is_told_frame_by_frame(tmp_path: Path, at: float, size: int) -> None:
    """FFmpeg's own decoder of VP9 passes over it: the wrong frames are those that are marked."""
    whole = write_clip(tmp_path / "a.webm", "libvpx-vp9", b="2000000")
    right = images(PyavDecoder(whole))
    frames = list(PyavDecoder(corrupt(whole, at, size)))
    wrong = [not np.array_equal(frame.image, image) for frame, image in zip(frames, right, strict=True)]
    assert any(wrong)
    assert [bool(frame.damaged) for frame in frames] == wrong


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [("a.webm", "libvpx", "yuv420p"), ("a.webm", "libvpx-vp9", "yuv444p"), ("a.avi", "mjpeg", "yuvj420p")],
)
def test_whole_files_have_no_damage(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    frames = list(PyavDecoder(write_clip(tmp_path / name, codec, pixels=pixels, g="6")))
    assert len(frames) == FRAMES and not any(frame.damaged for frame in frames)


def test_damage_in_motion_jpeg_is_told(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.avi", "mjpeg", pixels="yuvj420p")
    told = sum(any(f.damaged for f in PyavDecoder(corrupt(whole, at / 20))) for at in range(4, 18))
    assert told >= 12  # of 14; where the bytes happen to be a JPEG's, nothing can tell


@BOTH
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_turned_video_stands_upright(tmp_path: Path, decoder: type[VideoDecoder], degrees: int) -> None:
    path = write_clip(tmp_path / "turned.mp4", "libx264", crf="18", rotation=degrees)
    upright = [np.rot90(image, degrees // 90) for image in moving_frames()]
    assert difference(images(decoder(path)), upright) < 7


@BOTH
def test_names_that_are_not_utf8(tmp_path: Path, decoder: type[VideoDecoder]) -> None:
    (tmp_path / NOT_UTF8).mkdir()
    path = write_clip(tmp_path / "plain.mp4", "libx264").rename(tmp_path / NOT_UTF8 / f"{NOT_UTF8}.mp4")
    assert len(images(decoder(path))) == FRAMES
    assert "caf\\xe9 \\xff" in VideoSource(path).description


@pytest.mark.parametrize("name", ["notes.txt", "notes.mp4"])
def test_text_is_no_video(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("hello\n" * 100)
    with pytest.raises(SourceError, match=r"has no video|cannot be opened: Invalid data"):
        PyavDecoder(tmp_path / name)
