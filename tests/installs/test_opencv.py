"""Whichever OpenCV is there is used; where none is, or no PyAV beside it, what to install is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.installs.environments import Environment, environment
from tests.support.clips import FRAMES, write_clip

SCENE = "scene:7,size=96x160,frames=4,objects=2"
WHEELS = (
    "import importlib.metadata as m; "
    "print(*sorted(n for d in m.distributions() if 'opencv' in (n := d.metadata['Name'].lower())))"
)


@pytest.mark.parametrize("extras", ["cpu,headless", "cpu,eval,headless", "cpu,headless,serve"])
def test_nothing_brings_a_second_opencv(extras: str, tmp_path: Path) -> None:
    assert environment(extras).run("python", "-c", WHEELS, cwd=tmp_path).stdout == "opencv-python-headless\n"


@pytest.fixture(scope="module")
def without_opencv() -> Environment:
    return environment("cpu")


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--bundle", "demo", "--source", SCENE, "--out", "y"),
        ("serve", "--bundle", "demo", "--source", SCENE),
        ("bench", "--bundle", "demo"),
        ("eval", "--bundle", "demo", "--dataset", "scenes", "--out", "y"),
        ("export", "--checkpoint", "x.pth", "--out", "y"),
        ("build", "--bundle", "demo"),
        ("demo", "--out", "y"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_no_opencv_at_all(without_opencv: Environment, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    said = without_opencv.ermu(*arguments, cwd=tmp_path)
    assert said.returncode == 1
    assert said.stderr.endswith("fix: pip install 'ermu[headless]'\n") and "opencv" in said.stderr
    assert not list(tmp_path.iterdir())


def test_what_works_without_opencv(without_opencv: Environment, tmp_path: Path) -> None:
    assert without_opencv.ermu("inspect", "demo", cwd=tmp_path).returncode == 0
    assert without_opencv.ermu("--help", cwd=tmp_path).returncode == 0
    said = without_opencv.ermu("doctor", cwd=tmp_path)
    assert said.returncode == 1 and "pip install 'ermu[headless]'" in said.stdout
    said = without_opencv.run("python", "-c", "import ermu; ermu.Segmenter", cwd=tmp_path)
    assert "ermu.errors.DependencyError" in said.stderr and "ermu[headless]" in said.stderr


def test_no_window_in_the_headless_one(tmp_path: Path) -> None:
    arguments = ("run", "--bundle", "demo", "--source", SCENE, "--out", "y", "--window")
    said = environment("cpu,headless").ermu(*arguments, cwd=tmp_path, DISPLAY=":99")
    assert said.returncode == 1 and "built without windows" in said.stderr
    assert "pip install 'ermu[window]'" in said.stderr


def test_no_pyav(tmp_path: Path) -> None:
    """Progressive video is segmented, interlaced video refused, before a label map is written."""
    bare = environment("headless", more=("onnxruntime",))
    first = ("run", "--bundle", "demo", "--source", SCENE, "--out", "scene")
    assert bare.ermu(*first, cwd=tmp_path).returncode == 0
    write_clip(tmp_path / "progressive.mp4", "libx264")
    write_clip(tmp_path / "interlaced.mts", "libx264", interlaced=True, x264opts="tff=1")
    arguments = ("run", "--bundle", "demo", "--prompt", "scene/labels/00000.png", "--source")
    right = bare.ermu(*arguments, "progressive.mp4", "--out", "right", cwd=tmp_path)
    assert right.returncode == 0 and "PyAV is not installed" in right.stderr, right.stderr
    assert len(list((tmp_path / "right" / "labels").iterdir())) == FRAMES
    refused = bare.ermu(*arguments, "interlaced.mts", "--out", "refused", cwd=tmp_path)
    assert refused.returncode == 1 and "may be interlaced" in refused.stderr
    assert refused.stderr.endswith("fix: pip install av\n")
    assert not list(tmp_path.glob("refused/labels/*"))
