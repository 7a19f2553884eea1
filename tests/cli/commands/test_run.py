"""`ermu run` as a user starts it: outputs, trace, and what bad input is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from ermu.cli.streams import fit_gaps
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.images.labels import read_label_map, write_label_map
from ermu.runtime.sources.opening import open_source
from ermu.runtime.streams.work.shared_backend import SharedBackend
from tests.support.disks import small_disk
from tests.support.golden_data import EXPORTED, load_golden


def ermu(*arguments, **options):
    command = [sys.executable, "-m", "ermu", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "200", **options.pop("env", {})}
    return subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment, **options)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Eight small frames and a prompt with two objects."""
    folder = tmp_path_factory.mktemp("clip")
    (folder / "frames").mkdir()
    for i in range(8):
        image = np.random.default_rng(i).integers(0, 256, (70, 100, 3), np.uint8)
        cv2.imwrite(str(folder / "frames" / f"im{i}.png"), image)
    label = np.zeros((70, 100), np.uint8)
    label[10:30, 10:40], label[40:60, 50:90], label[0, 0] = 4, 200, 255
    write_label_map(folder / "prompt.png", label)
    return folder


def _arguments(bundle, clip, out, **changes):
    options = {
        "bundle": bundle,
        "source": clip / "frames",
        "prompt": clip / "prompt.png",
        "out": out,
        **changes,
    }
    return ["run", *(part for key, value in options.items() for part in (f"--{key}", value))]


def test_outputs(tiny_bundle, clip, tmp_path):
    done = ermu(
        *_arguments(tiny_bundle, clip, tmp_path / "out"),
        *("--overlay", tmp_path / "o.mp4", "--trace", tmp_path / "t.jsonl", "--capacity", 3, "--gap", 1),
    )
    assert done.returncode == 0, done.stderr
    labels = sorted((tmp_path / "out" / "labels").iterdir())
    assert [p.name for p in labels] == [f"im{i}.png" for i in range(8)]
    maps = [read_label_map(p) for p in labels]
    assert np.array_equal(maps[0], read_label_map(clip / "prompt.png"))
    assert all(m.shape == (70, 100) and set(np.unique(m)) <= {0, 4, 200} for m in maps[1:])
    video = cv2.VideoCapture(str(tmp_path / "o.mp4"))
    assert sum(1 for _ in iter(lambda: video.read()[0], False)) == 8


def test_trace(tiny_bundle, clip, tmp_path):
    done = ermu(
        *_arguments(tiny_bundle, clip, tmp_path / "out"),
        *("--trace", tmp_path / "t.jsonl", "--capacity", 3, "--gap", 2, "--policy", "fifo"),
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(8))
    # worked out by hand: appends at 2, 4, 6; capacity 3, so 6 pushes out 2, the oldest after the first
    assert lines[5]["memory_frames"] == [0, 2, 4]
    assert lines[6]["memory_frames"] == [0, 4, 6]
    assert [line["evicted"] for line in lines] == [None] * 6 + [2, None]
    assert all(line["scores"] is None for line in lines)
    assert {"prepare", "encode", "propagate", "decode", "label", "memorize"} <= set(lines[3]["ms"])


def test_max_frames_and_glob_and_video(tiny_bundle, clip, tmp_path):
    video = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, (100, 70))
    for path in sorted((clip / "frames").iterdir()):
        writer.write(cv2.imread(str(path)))
    writer.release()
    for i, source in enumerate((video, clip / "frames" / "im*.png")):
        done = ermu(*_arguments(tiny_bundle, clip, tmp_path / f"out{i}", source=source), "--max-frames", 3)
        assert done.returncode == 0, done.stderr
        assert len(list((tmp_path / f"out{i}" / "labels").iterdir())) == 3


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (lambda t: {"source": t / "none"}, "There is no source at"),
        (lambda t: {"prompt": t / "none.png"}, "no label map at"),
        (lambda t: {"prompt": _prompt(t, np.ones((35, 50), np.uint8))}, "is 50x35, the video 100x70"),
        (lambda t: {"prompt": _prompt(t, np.zeros((70, 100), np.uint8))}, "no object"),
        (lambda t: {"source": _folder(t, "empty")}, "holds no images"),
        (lambda t: {"source": _file(t / "broken.mp4", b"not a video")}, "cannot be opened"),
        (lambda t: {"source": _text_image(t)}, "cannot be read as an image"),
        (lambda t: {"bundle": t / "none"}, "is not a bundle"),
        (lambda t: {"policy": "lru"}, "Unknown eviction policy 'lru'"),
        (lambda t: {"capacity": "1"}, "Invalid value for '--capacity'"),
    ],
)
def test_bad_input_is_told_without_a_traceback(tiny_bundle, clip, tmp_path, prepare, expected):
    changes = prepare(tmp_path)
    arguments = _arguments(changes.pop("bundle", tiny_bundle), clip, tmp_path / "out", **changes)
    done = ermu(*arguments)
    assert done.returncode != 0
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_frame_that_changes_size_keeps_what_is_written(tiny_bundle, clip, tmp_path):
    frames = shutil.copytree(clip / "frames", tmp_path / "frames")
    cv2.imwrite(str(frames / "im5.png"), np.zeros((50, 100, 3), np.uint8))
    done = ermu(
        *_arguments(tiny_bundle, clip, tmp_path / "out", source=frames), "--trace", tmp_path / "t.jsonl"
    )
    assert done.returncode == 1
    assert "Frame 5 is 100x50, the first was 100x70" in done.stderr
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 5
    assert len((tmp_path / "t.jsonl").read_text().splitlines()) == 5


def test_output_folder_that_is_not_empty(tiny_bundle, clip, tmp_path):
    out = _folder(tmp_path, "out")
    (out / "precious.txt").write_text("keep me")
    done = ermu(*_arguments(tiny_bundle, clip, out))
    assert done.returncode == 1 and "is not empty" in done.stderr
    assert [p.name for p in out.iterdir()] == ["precious.txt"]
    assert ermu(*_arguments(tiny_bundle, clip, out), "--overwrite", "--max-frames", 2).returncode == 0
    assert (out / "precious.txt").read_text() == "keep me"


def test_full_disk_keeps_what_is_written(tiny_bundle, clip, tmp_path):
    with small_disk(tmp_path / "small", 64) as small:
        (small / "ballast").write_bytes(b"x" * 44 * 1024)
        done = ermu(*_arguments(tiny_bundle, clip, small / "out"))
        assert done.returncode == 1
        assert "Cannot write" in done.stderr and "Traceback" not in done.stderr
        written = sorted((small / "out" / "labels").iterdir())
        assert 0 < len(written) < 8
        assert all(read_label_map(p).shape == (70, 100) for p in written)


def test_the_gap_of_a_clip_follows_its_length(tiny_bundle, tmp_path):
    """max(1, round(60 / 30)) = 2 frames, for as many as will be run; a stream has the bundle's gap."""
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["memory"] |= {"gap": 1, "gap_rule": "length"}
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    loaded = Bundle.load(bundle)
    with SharedBackend(loaded, 1) as shared:
        (segmenter,) = shared.segmenters
        for where, frames, gap in (
            ("scene:7", None, 2), ("scene:7", 20, 1), ("scene:7", 500, 2), ("scene:7,swing", 600, 1)
        ):  # fmt: skip
            with open_source(where) as source:
                fit_gaps(loaded, [segmenter], [source], frames)
            assert segmenter.gap == gap, (where, frames)


@pytest.mark.parametrize("name", EXPORTED)
def test_golden_frames_through_the_command_line(name, bundle, tmp_path):
    golden = load_golden(name)
    frames = _folder(tmp_path, "frames")
    for i, frame in enumerate(golden.frames):
        cv2.imwrite(str(frames / f"{i:02d}.png"), frame)
    write_label_map(tmp_path / "prompt.png", golden.label)
    done = ermu(
        "run", "--bundle", bundle(name), "--source", frames, "--prompt", tmp_path / "prompt.png",
        "--out", tmp_path / "out", "--trace", tmp_path / "t.jsonl",
        "--capacity", golden.capacity, "--gap", golden.gap, "--long-edge", golden.long_edge,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    labels = [read_label_map(p) for p in sorted((tmp_path / "out" / "labels").iterdir())][1:]
    assert np.mean(np.stack(labels) == golden.masks) >= 0.998
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [line["memory_frames"] for line in lines[1:]] == [a.memory_frames for a in golden.appends]
    assert [[] if line["evicted"] is None else [line["evicted"]] for line in lines[1:]] == [
        a.dropped for a in golden.appends
    ]


def _prompt(folder: Path, label) -> Path:
    write_label_map(folder / "p.png", label)
    return folder / "p.png"


def _folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _text_image(folder: Path) -> Path:
    images = _folder(folder, "images")
    _file(images / "a.jpg", b"hello")
    return images
