"""From a description to a source: who is asked first, and what is no source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from ermu.errors import OptionError, SourceError
from ermu.registries import SOURCES
from ermu.runtime.sources.base import Frame, Source
from ermu.runtime.sources.kinds.images import ImageSource
from ermu.runtime.sources.kinds.network import NetworkSource
from ermu.runtime.sources.kinds.video import VideoSource
from ermu.runtime.sources.opening import open_source, source_kinds
from ermu.scenes.source import SceneSource


def write_image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    return path


def names(source: Source) -> list[str]:
    return [frame.name for frame in source]


def test_folders_globs_and_images(tmp_path: Path) -> None:
    for name in ("frame10.png", "frame2.jpg", "._frame2.jpg"):
        write_image(tmp_path / name)
    for name in ("Thumbs.db", "note.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    folder = open_source(str(tmp_path))
    assert isinstance(folder, ImageSource)
    assert names(folder) == names(open_source(f"{tmp_path}/*")) == ["frame2", "frame10"]
    assert names(open_source(f"{tmp_path}/*.png")) == ["frame10"]
    assert names(open_source(str(tmp_path / "frame2.jpg"))) == ["frame2"]


def test_a_video_is_any_other_file(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 16))
    for _ in range(3):
        writer.write(np.zeros((16, 32, 3), np.uint8))
    writer.release()
    source = open_source(str(path))
    assert isinstance(source, VideoSource)
    assert names(source) == ["00000", "00001", "00002"]


def test_prefixes_go_before_files_and_a_file_before_a_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "0" / "1.png")
    write_image(tmp_path / "scene:3" / "1.png")
    assert isinstance(open_source("0"), ImageSource)
    assert isinstance(open_source("scene:3"), SceneSource)
    assert isinstance(open_source("RTSP://camera/1"), NetworkSource)


@pytest.mark.parametrize("where", ["scene:", "scene:x", "scene:1,speed=3", "scene:1,size=4", "scene:1,fps=0"])
def test_what_is_no_scene(where: str) -> None:
    with pytest.raises(SourceError, match="describes no scene"):
        open_source(where)


def test_what_is_no_source_and_what_would_have_been_one(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no source at 'nowhere\.mp4'") as refused:
        open_source("nowhere.mp4")
    for kind in source_kinds():
        assert kind.help and kind.help in str(refused.value.expected)
    with pytest.raises(SourceError, match="holds no images"):
        open_source(str(tmp_path))
    with pytest.raises(SourceError, match="not opened from a description"):
        Source.open("x")


class Clock(Source):
    help = "clock:"

    @classmethod
    def opens(cls, where: str) -> bool:
        return where.startswith("clock:")

    @classmethod
    def open(cls, where: str) -> Clock:
        if where == "clock:":
            return cls()
        raise KeyError("rtsp://admin:hunter2@cam")

    def __iter__(self) -> Iterator[Frame]:
        return iter(())


def test_another_packages_source_and_one_that_does_not_load(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real_names, real_get = SOURCES.names(), SOURCES.get

    def get(name: str) -> type[Source]:
        if name == "torn":
            raise OptionError("The source 'torn' of its package does not load: no.")
        return Clock if name == "clock" else real_get(name)

    monkeypatch.setattr(SOURCES, "names", lambda: [*real_names, "torn", "clock"], raising=False)
    monkeypatch.setattr(SOURCES, "get", get, raising=False)
    assert isinstance(open_source("clock:"), Clock)
    assert isinstance(open_source("scene:3"), SceneSource)
    with pytest.raises(SourceError, match=r"cannot be opened: KeyError.*rtsp://\*\*\*@cam"):
        open_source("clock:x")
    told = [record for record in caplog.records if record.name == "ermu.sources"]
    assert told and all("'torn'" in record.getMessage() for record in told)
