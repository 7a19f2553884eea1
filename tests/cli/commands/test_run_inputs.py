"""`ermu run` on files as people have them: broken off, damaged, oddly named, masked with 0 and 255."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from ermu.runtime.images.labels import read_label_map, write_label_map
from tests.cli.commands.test_run import ermu
from tests.support.clips import FRAMES, HEIGHT, NOT_UTF8, WIDTH, cut, moving_frames, write_clip


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    label = np.zeros((HEIGHT, WIDTH), np.uint8)
    label[20:60, 30:90] = 1
    write_label_map(tmp_path / "prompt.png", label)
    return tmp_path / "prompt.png"


def run(bundle: Path, source: Path, prompt: Path, out: Path, *more: str):
    options = ("--bundle", bundle, "--source", source, "--prompt", prompt, "--out", out)
    return ermu("run", *options, *more)


def labels_in(out: Path) -> list[Path]:
    return sorted((out / "labels").iterdir())


def test_a_video_that_ends_early_is_reported_and_its_results_are_kept(tiny_bundle, prompt, tmp_path):
    short = cut(write_clip(tmp_path / "a.mp4", "libx264", container={"movflags": "faststart"}, g="6"), 0.6)
    done = run(tiny_bundle, short, prompt, tmp_path / "out")
    written = len(labels_in(tmp_path / "out"))
    assert 0 < written < FRAMES
    assert done.returncode == 1, done.stdout
    assert f"cut_a.mp4: ended after {written} of {FRAMES} frames" in done.stdout
    assert run(tiny_bundle, short, prompt, tmp_path / "two", "--max-frames", "2").returncode == 0
    strict = run(tiny_bundle, short, prompt, tmp_path / "strict", "--strict")
    assert strict.returncode == 1 and f"ended after {written} of {FRAMES} frames" in strict.stderr
    assert len(labels_in(tmp_path / "strict")) == written


def test_half_a_jpeg_is_counted_and_strict_refuses_it(tiny_bundle, prompt, tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    for i, image in enumerate(moving_frames(4)):
        cv2.imwrite(str(frames / f"{i}.jpg"), image)
    half = frames / "2.jpg"
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    done = run(tiny_bundle, frames, prompt, tmp_path / "out")
    assert done.returncode == 0 and "frames: 1 frame damaged" in done.stdout
    assert "2.jpg is damaged" in done.stderr
    strict = run(tiny_bundle, frames, prompt, tmp_path / "strict", "--strict")
    assert strict.returncode == 1 and "Frame 2 of" in strict.stderr and "is damaged" in strict.stderr
    assert len(labels_in(tmp_path / "strict")) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have names of text only")
@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_names_that_are_not_utf8_and_a_mask_of_0_and_255(tiny_bundle, prompt, tmp_path, locale):
    folder = tmp_path / NOT_UTF8 / "läuft"
    folder.mkdir(parents=True)
    for i, image in enumerate(moving_frames(3)):
        cv2.imwrite(str(tmp_path / "frame.png"), image)
        (tmp_path / "frame.png").rename(folder / f"é{i}.png")
    binary = folder / "mask.bmp"
    binary.write_bytes(cv2.imencode(".bmp", read_label_map(prompt) * 255)[1].tobytes())
    out = folder / "out"
    arguments = ("--source", folder / "*.png", "--prompt", binary, "--out", out, "--overlay", out / "ö.mp4")
    done = ermu("run", "--bundle", tiny_bundle, *arguments, env={"PYTHONCOERCECLOCALE": "0", **locale})
    assert done.returncode == 0, done.stderr
    assert "255 is taken as object 1" in done.stderr
    assert "Traceback" not in done.stderr and "3 frames in" in done.stdout
    assert [os.fsencode(path.name) for path in labels_in(out)] == [f"é{i}.png".encode() for i in range(3)]
    assert np.array_equal(read_label_map(labels_in(out)[0]), read_label_map(prompt))
    assert (out / "ö.mp4").stat().st_size > 0


def test_a_mask_with_mixed_edges_is_refused(tiny_bundle, prompt, tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    cv2.imwrite(str(frames / "0.png"), moving_frames(1)[0])
    blurred = cv2.GaussianBlur(read_label_map(prompt) * 200, (0, 0), 1)
    cv2.imwrite(str(tmp_path / "blurred.png"), blurred)
    done = run(tiny_bundle, frames, tmp_path / "blurred.png", tmp_path / "out")
    assert done.returncode == 1 and "on a few pixels along edges only" in done.stderr
    assert not (tmp_path / "out").exists()
