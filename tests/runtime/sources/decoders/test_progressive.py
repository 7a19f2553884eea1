"""What the headers of encoders say about fields, against what the encoder was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ermu.runtime.sources.decoders.conversion import may_be_interlaced
from ermu.runtime.sources.decoders.progressive import is_progressive
from tests.support.clips import write_clip

H264 = [
    {},
    {"profile": "baseline"},
    {"bf": "3"},
    {"x264opts": "cqm=jvt"},
    {"x264opts": "cqm4=6,13,20,28,13,20,28,32,20,28,32,37,28,32,37,42"},
    {"x264opts": "nal-hrd=vbr:vbv-maxrate=1000:vbv-bufsize=1000"},
    {"x264opts": "overscan=show:videoformat=pal:colorprim=bt709:chromaloc=1:sar=40/33"},
    {"pixels": "yuv444p"},
    {"pixels": "yuv422p10le"},
]


@pytest.mark.parametrize("suffix", ["mp4", "mts"])  # avcC, and parameter sets in the stream
@pytest.mark.parametrize("options", H264, ids=str)
def test_h264(tmp_path: Path, options: dict[str, Any], suffix: str) -> None:
    assert not may_be_interlaced(str(write_clip(tmp_path / f"p.{suffix}", "libx264", **options)))
    if "profile" in options:  # the one without fields
        return
    interlaced = write_clip(tmp_path / f"i.{suffix}", "libx264", interlaced=True, **options)
    assert may_be_interlaced(str(interlaced))


def test_h264_that_tells_structures_beside_the_frames(tmp_path: Path) -> None:
    assert may_be_interlaced(str(write_clip(tmp_path / "a.mp4", "libx264", x264opts="pic-struct=1")))


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_hevc(tmp_path: Path, suffix: str) -> None:
    for scan, doubtful in (("0", False), ("tff", True)):
        options = {"x265-params": f"interlace={scan}:log-level=none"}
        path = write_clip(tmp_path / f"{scan}.{suffix}", "libx265", **options)
        assert may_be_interlaced(str(path)) == doubtful


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mpg", "mpeg2video"),
        ("a.ts", "mpeg2video"),
        ("a.avi", "mpeg4"),
        ("a.mp4", "mpeg4"),
        ("a.mkv", "mpeg4"),
    ],
)
def test_mpeg(tmp_path: Path, name: str, codec: str) -> None:
    assert not may_be_interlaced(str(write_clip(tmp_path / f"p{name}", codec)))
    assert may_be_interlaced(str(write_clip(tmp_path / f"i{name}", codec, interlaced=True)))


@pytest.mark.parametrize(
    "codec", ["avc1", "h264", "hvc1", "hevc", "mpg2", "fmp4", "apch", "\0\0\0\0", "dvsd"]
)
@pytest.mark.parametrize("header", [b"", b"\1", b"\1" * 9, b"\0\0\1\x67", b"\0\0\1", bytes(40)])
def test_what_cannot_be_read_is_in_doubt(codec: str, header: bytes) -> None:
    assert not is_progressive(codec, header)
