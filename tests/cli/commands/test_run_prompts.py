"""What `ermu run` follows: boxes, points, what is drawn on its page; a checkpoint instead of a bundle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from ermu.runtime.images.labels import read_label_map, write_label_map
from tests.cli.commands.test_run import ermu
from tests.runtime.conftest import free_port, until
from tests.support.processes import running
from tests.support.toy.bundle import write_toy

HW = (72, 112)
LEFT, RIGHT = (12, 16, 42, 52), (66, 20, 100, 60)  # x0, y0, x1, y1


@pytest.fixture(scope="module")
def frames(tmp_path_factory) -> Path:
    """Six frames of two plain rectangles, red and green on grey, that do not move."""
    folder = tmp_path_factory.mktemp("rectangles")
    image = np.full((*HW, 3), 120, np.uint8)
    for (x0, y0, x1, y1), colour in ((LEFT, (20, 20, 230)), (RIGHT, (20, 230, 20))):
        image[y0:y1, x0:x1] = colour
    noise = np.random.default_rng(0).integers(0, 6, image.shape, np.uint8)
    for i in range(6):
        cv2.imwrite(str(folder / f"{i:05d}.png"), image + noise)
    return folder


def truth(box: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros(HW, bool)
    x0, y0, x1, y1 = box
    mask[y0:y1, x0:x1] = True
    return mask


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


def around(box: tuple[int, int, int, int]) -> str:
    x0, y0, x1, y1 = box
    return f"{x0 - 5},{y0 - 5},{x1 + 5},{y1 + 5}"


def test_boxes_and_points_find_the_rectangles(tiny_bundle, frames, tmp_path):
    done = ermu(
        *("run", "--bundle", tiny_bundle, "--source", frames, "--out", tmp_path / "out"),
        *("--box", around(LEFT), "--point", "80,40"),
    )
    assert done.returncode == 0, done.stderr
    first = read_label_map(tmp_path / "out" / "labels" / "00000.png")
    assert overlap(first == 1, truth(LEFT)) > 0.9
    assert overlap(first == 2, truth(RIGHT)) > 0.9
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 6


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--box", "1,2,3"), "'1,2,3' is not a box"),
        (("--point", "1;2"), "'1;2' is not a point"),
        (("--box", "nan,0,9,9"), "is not a box"),
        (("--box", "300,300,400,400"), "covers less than 4 x 4 pixels"),
        (("--point", "500,3"), "outside the frame"),
        (("--box", "1,2,30,40", "--source", "scene:1,size=48x64"), "in one source"),
        ((), "Nothing says which objects to follow"),
        (("--checkpoint", "x.pth"), "There are a bundle and a checkpoint"),
        (("--network", "aott"), "A bundle knows its network"),
    ],
)
def test_what_makes_no_sense_is_told(tiny_bundle, frames, tmp_path, options, said):
    out = tmp_path / "out"
    done = ermu("run", "--bundle", tiny_bundle, "--source", frames, "--out", out, *options)
    assert done.returncode == 1
    assert said in done.stderr
    assert not list(out.rglob("*.png"))


@pytest.mark.parametrize("hint", [("--point", "500,3"), ("--box", "300,300,400,400")])
def test_a_run_that_fails_of_its_first_frame_says_so_once_and_leaves_no_file(frames, tmp_path, hint):
    """So that the next one is not refused for what this one left."""
    written = [tmp_path / name for name in ("o.jsonl", "t.jsonl", "e.jsonl", "v.mp4")]
    sinks = ("objects", "trace", "events", "overlay")
    asked = [f"--sink={sink}={path}" for sink, path in zip(sinks, written, strict=True)]
    run = ("run", "--bundle", write_toy(tmp_path / "toy").path, "--source", frames, "--out", tmp_path / "out")
    done = ermu(*run, *asked, "--box", around(LEFT), *hint)
    assert done.returncode == 1
    where = "(500, 3)" if "--point" in hint else "(300, 300, 400, 400)"
    assert done.stderr.count(where) == 1, done.stderr
    assert not [path for path in written if path.exists()]
    again = ermu(*run, *asked, "--box", around(LEFT))
    assert again.returncode == 0, again.stderr
    assert len(written[0].read_text().splitlines()) == len(written[1].read_text().splitlines()) == 6


def test_prompts_of_which_a_short_run_meets_none_are_told(tiny_bundle, frames, tmp_path):
    (tmp_path / "prompts").mkdir()
    write_label_map(tmp_path / "prompts" / "99999.png", truth(LEFT).astype(np.uint8))
    options = ("--prompts", tmp_path / "prompts", "--max-frames", 3, "--out", tmp_path / "out")
    done = ermu("run", "--bundle", tiny_bundle, "--source", frames, *options)
    assert done.returncode == 1
    assert "1 label map in" in done.stderr and "for none of the 3 frames: 99999.png" in done.stderr


def test_a_checkpoint_is_exported_once_and_then_runs_without_torch(tiny_checkpoint, frames, tmp_path):
    """The second run cannot import torch at all; both follow the same."""
    environment = {**os.environ, "ERMU_CACHE": str(tmp_path / "cache"), "COLUMNS": "200"}
    without_torch = "import sys; sys.modules['torch'] = None; from ermu.cli import main; main()"
    outs = [tmp_path / "first", tmp_path / "second"]
    for start, out in zip((["-m", "ermu"], ["-c", without_torch]), outs, strict=True):
        done = subprocess.run(
            [sys.executable, *start, "run", "--checkpoint", str(tiny_checkpoint), "--source", str(frames),
             "--box", around(LEFT), "--out", str(out)],
            capture_output=True, text=True, timeout=600, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "cache" / "bundles").glob("tiny-*"))) == 1
    one, other = ([read_label_map(p) for p in sorted(out.glob("labels/*.png"))] for out in outs)
    assert len(one) == 6
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_checkpoint_that_is_not_there(frames, tmp_path):
    done = ermu("run", "--checkpoint", tmp_path / "no.pth", "--source", frames, "--box", around(LEFT))
    assert done.returncode == 1
    assert "There is no checkpoint at" in done.stderr


@pytest.mark.serial
def test_a_file_waits_until_somebody_draws_on_its_page(tiny_bundle, frames, tmp_path):
    """The first label map has what was drawn on the first frame, though its picture was shown before."""
    pytest.importorskip("uvicorn")
    import httpx

    port, out = free_port(), tmp_path / "out"
    command = [
        sys.executable, "-m", "ermu", "run", "--bundle", tiny_bundle, "--source", frames, "--out", out,
        "--page", "--port", port, "--sink", f"objects={tmp_path / 'o.jsonl'}",
    ]  # fmt: skip
    with running(command, stderr=subprocess.STDOUT) as process:
        url = f"http://127.0.0.1:{port}/api/streams/0"

        def shown() -> bool:
            try:
                return bool(httpx.get(url).json()["frames"] == 1)
            except httpx.TransportError:
                return False

        assert until(shown, 60)
        picture = httpx.get(f"http://127.0.0.1:{port}/streams/0/frame.jpg")
        assert picture.status_code == 200
        assert not list(out.rglob("*.png"))  # it waits, and has written nothing
        x0, y0, x1, y1 = LEFT
        box = [x0 - 5, y0 - 5, x1 + 5, y1 + 5]
        assert httpx.post(f"{url}/objects", json={"box": box, "name": "red"}).status_code == 201
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert f"draw what to follow at http://127.0.0.1:{port}/" in output
    labels = sorted(out.glob("labels/*.png"))
    assert [path.stem for path in labels] == [f"{i:05d}" for i in range(6)]
    assert overlap(read_label_map(labels[0]) == 1, truth(LEFT)) > 0.9
    lines = (tmp_path / "o.jsonl").read_text().splitlines()
    assert len(lines) == 6
    assert '"red"' in lines[0]
