"""Nothing of the user's is lost: outputs that are inputs, that meet each other, or that exist."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from ermu.cli.paths import Paths
from ermu.cli.result_folders import check_demo, check_export, check_training
from ermu.errors import CheckpointError, ErmuError, OptionError, SinkError
from ermu.runtime.images.label_folder import is_own
from ermu.runtime.images.labels import read_label_map, write_label_map
from tests.cli.commands.test_run import ermu

SCENE = "scene:4,size=48x64,frames=40,objects=1"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's folder: frames, a video of them, a prompt, notes, and links to some."""
    frames = tmp_path / "frames"
    frames.mkdir()
    video = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for i in range(4):
        image = np.random.default_rng(i).integers(0, 256, (48, 64, 3), np.uint8)
        cv2.imwrite(str(frames / f"{i}.png"), image)
        video.write(image)
    video.release()
    label = np.zeros((48, 64), np.uint8)
    label[10:30, 10:40] = 1
    write_label_map(tmp_path / "prompt.png", label)
    (tmp_path / "notes.txt").write_text("precious")
    (tmp_path / "link.avi").symlink_to("a.avi")
    os.link(tmp_path / "notes.txt", tmp_path / "hard.txt")
    (tmp_path / "linked").symlink_to("frames")
    return tmp_path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--overlay a.avi --overwrite", "written over the source: a.avi"),
        ("--overlay link.avi --overwrite", "written over the source"),
        ("--overlay frames/../a.avi --overwrite", "written over the source"),
        ("--trace prompt.png --overwrite", "written over the prompt"),
        ("--trace notes.txt", "notes.txt exists already"),
        ("--sink objects=notes.txt", "notes.txt exists already"),
        ("--trace frames", "frames is a folder"),
        ("--trace t --objects t", "into one file: t"),
        ("--trace t --sink trace=frames/../t", "into one file"),
        ("--trace notes.txt --objects hard.txt --overwrite", "into one file"),
        ("--source a.avi --source frames --trace t --objects t", "into one file: t-0"),
        ("--source a.avi --source frames --trace t --sink labels=t-0", "into one file"),
        ("--sink labels=out/labels", "into one file"),
        ("--trace out/labels/00000.png", "into one file"),
        ("--source frames/*.png --trace frames/1.png --overwrite", "over the source"),
        ("--source linked --trace frames/1.png --overwrite", "over a part of the source"),
        ("--sink labels=frames", "frames is not empty"),
        ("--sink labels=frames --overwrite", "0.png was not written by `ermu run`"),
        ("--sink nothing=x", "Unknown sink"),
    ],
)
def test_run_refuses_before_it_reads(home: Path, tiny_bundle: Path, options: str, said: str) -> None:
    """A second source has no prompt, on purpose: an answer about that would come too late."""
    before = contents(home)
    done = ermu(
        *("run", "--bundle", tiny_bundle, "--prompt", "prompt.png", "--out", "out"),
        *("" if "--source" in options else "--source a.avi").split(),
        *options.split(),
        cwd=home,
    )
    assert done.returncode == 1, done.stdout
    assert said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert contents(home) == before and not (home / "out").exists()


def test_a_prompt_among_the_results_is_kept(home: Path, tiny_bundle: Path) -> None:
    labels = home / "out" / "labels"
    labels.mkdir(parents=True)
    shutil.copy(home / "prompt.png", labels / "00000.png")
    before = contents(home)
    arguments = ("run", "--bundle", tiny_bundle, "--source", "a.avi", "--prompt", labels / "00000.png")
    done = ermu(*arguments, "--out", "out", "--overwrite", cwd=home)
    assert done.returncode == 1 and "lies among the label maps" in done.stderr
    assert contents(home) == before


def test_a_bundle_is_an_input(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    before = contents(bundle)
    arguments = ("run", "--bundle", bundle, "--source", SCENE, "--out", tmp_path / "out", "--overwrite")
    done = ermu(*arguments, "--trace", bundle / "weights.bin")
    assert done.returncode == 1 and "a part of the bundle" in done.stderr
    assert contents(bundle) == before


def test_an_overwritten_result_is_a_new_result(tiny_bundle: Path, tmp_path: Path) -> None:
    """A longer run with two streams, then a shorter one with one: only its own maps are left."""
    out = tmp_path / "out"
    arguments = ("run", "--bundle", tiny_bundle, "--out", out, "--source", SCENE)
    assert ermu(*arguments, "--source", SCENE, "--max-frames", 5).returncode == 0
    assert len(list((out / "1" / "labels").iterdir())) == 5
    (out / "labels").mkdir()
    (out / "1" / "labels" / "notes.txt").write_text("mine")
    write_label_map(out / "1" / "labels" / "mine.png", np.ones((3, 3), np.uint8))
    assert ermu(*arguments, "--max-frames", 3).returncode == 1
    done = ermu(*arguments, "--max-frames", 3, "--overwrite", "--trace", out / "t.jsonl")
    assert done.returncode == 0, done.stderr
    left = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert left == [
        *("1/labels/mine.png", "1/labels/notes.txt"),
        *(f"labels/{i:05d}.png" for i in range(3)),
        "t.jsonl",
    ]
    assert is_own(out / "labels" / "00000.png") and not is_own(out / "1" / "labels" / "mine.png")
    shutil.copy(out / "1" / "labels" / "mine.png", out / "labels" / "truth.png")
    before = contents(out)
    done = ermu(*arguments, "--overwrite", "--trace", out / "t.jsonl")
    assert done.returncode == 1 and "truth.png was not written by `ermu run`" in done.stderr
    assert contents(out) == before


def test_overlays_that_differ_in_their_suffix_do_not_share_a_file(tiny_bundle: Path, tmp_path: Path) -> None:
    arguments = ("run", "--bundle", tiny_bundle, "--source", SCENE, "--out", tmp_path / "out")
    overlays = ("--overlay", tmp_path / "a.mp4", "--sink", f"overlay={tmp_path / 'a.m4v'}")
    done = ermu(*arguments, *overlays, "--max-frames", 4)
    assert done.returncode == 0, done.stderr
    for name in ("a.mp4", "a.m4v"):
        video = cv2.VideoCapture(str(tmp_path / name))
        assert sum(1 for _ in iter(lambda video=video: video.read()[0], False)) == 4, name


def test_devices_may_be_written_to(tiny_bundle: Path, tmp_path: Path) -> None:
    arguments = (
        "run",
        "--bundle",
        tiny_bundle,
        "--source",
        SCENE,
        "--out",
        tmp_path / "out",
        "--max-frames",
        2,
    )
    done = ermu(*arguments, "--trace", "/dev/stdout", "--objects", "/dev/null", "--sink", "trace=/dev/null")
    assert done.returncode == 0, done.stderr
    records = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert [json.loads(line)["frame"] for line in records] == [0, 1]


def test_serve_and_bench_refuse_too(home: Path, tiny_bundle: Path) -> None:
    before = contents(home)
    serve = ("serve", "--bundle", tiny_bundle, "--source", "a.avi", "--port", 0)
    bench = ("bench", "--bundle", tiny_bundle, "--source", "a.avi", "--prompt", "prompt.png")
    for arguments, said in (
        ((*serve, "--objects", "notes.txt"), "exists already"),
        ((*serve, "--objects", "a.avi", "--overwrite"), "over the source"),
        ((*bench, "--json", "notes.txt"), "exists already"),
        ((*bench, "--json", "r", "--plot", "r"), "into one file"),
        ((*bench, "--plot", "prompt.png", "--overwrite"), "over the prompt"),
    ):
        done = ermu(*arguments, cwd=home)
        assert done.returncode == 1 and said in done.stderr, (arguments, done.stderr)
    assert contents(home) == before


def test_a_bundle_is_not_exported_over_its_checkpoint(tmp_path: Path) -> None:
    checkpoint = tmp_path / "weights" / "a.pth"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"weights")
    with pytest.raises(OptionError, match="would replace"):
        check_export(checkpoint, tmp_path / "weights")
    check_export(checkpoint, tmp_path / "bundle")


@pytest.mark.parametrize("name", ["weights.pth", "log.csv", "curve.png", "checkpoint.pth"])
def test_training_leaves_files_of_its_names_alone(tmp_path: Path, name: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("name: x")
    (tmp_path / name).write_text("mine")
    with pytest.raises(SinkError, match=name):
        check_training(config, [None], tmp_path)


def test_a_checkpoint_of_the_users_is_not_taken_for_a_trainings(tmp_path: Path) -> None:
    import torch

    from ermu.training.checkpoint import Progress, load_checkpoint

    torch.save({"state_dict": {"weight": torch.ones(1)}}, tmp_path / "checkpoint.pth")
    progress: Progress = None  # type: ignore[assignment]  # not come to
    with pytest.raises(CheckpointError, match="not one that `ermu train` goes on from") as caught:
        load_checkpoint(tmp_path / "checkpoint.pth", progress, {})
    assert caught.value.fix == "choose another --out folder"


def test_training_goes_on_but_not_over_what_it_starts_from(tmp_path: Path) -> None:
    from ermu.training.log import TrainingLog

    TrainingLog(tmp_path / "log.csv", 0).write({"step": 1})
    (tmp_path / "weights.pth").write_text("an earlier stretch")
    check_training(tmp_path / "config.yaml", [tmp_path / "other.pth"], tmp_path)
    with pytest.raises(OptionError, match="over the starting weights"):
        check_training(tmp_path / "config.yaml", [None, tmp_path / "weights.pth"], tmp_path)


def test_the_demo_replaces_its_own_files_alone(tmp_path: Path) -> None:
    check_demo(tmp_path / "new")
    (tmp_path / "overlay.mp4").write_bytes(b"mine")
    with pytest.raises(SinkError, match="not written by `ermu demo`"):
        check_demo(tmp_path)


def test_every_pair_of_outputs_is_looked_at(tmp_path: Path) -> None:
    """Whatever is told twice is refused, in either order, and what is apart is not."""
    places = [tmp_path / name for name in ("a", "b/c", "b/d.png")]
    for first in places:
        for second in places:
            paths = Paths()
            paths.writes("the one", first)
            paths.writes("the other", second)
            if first == second:
                with pytest.raises(ErmuError, match="one file"):
                    paths.check()
            else:
                paths.check()
    paths = Paths()
    paths.writes("the trace", tmp_path / "result")
    paths.writes("the label maps", tmp_path / "result" / "labels", folder=True)
    with pytest.raises(ErmuError, match="one file"):
        paths.check()


def test_label_maps_read_as_before(tmp_path: Path) -> None:
    label = np.arange(12, dtype=np.uint8).reshape(3, 4)
    write_label_map(tmp_path / "l.png", label, software="ermu run")
    assert np.array_equal(read_label_map(tmp_path / "l.png"), label)
    assert is_own(tmp_path / "l.png")
