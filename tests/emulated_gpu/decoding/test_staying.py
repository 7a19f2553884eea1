"""Pictures that the GPU decodes stay there for a segmenter on it: what a frame costs, and its labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ermu.kernels.base.nv12 import bgr_of
from ermu.runtime.images.labels import read_label_map
from tests.emulated_gpu.decoding.conftest import on_host
from tests.emulated_gpu.decoding.videos import Video
from tests.emulated_gpu.test_command_line import BACKENDS, MEMORY_OPTIONS, ON_GPU

FRAMES = 13
WARM = 14  # frames until memories are full and their work has been recorded
SCRIPT = "tests.emulated_gpu.decoding.decoded"
COMPARED = """
import json, sys
from ermu.runtime.sources.opening import open_source

def frames(decode):
    with open_source(sys.argv[1]) as source:
        source.decode_on(decode)
        source.leave_on("cuda")
        return list(source)

gpu, cpu = frames("cuda"), frames("cpu")
kinds = sorted({type(frame.picture).__name__ for frame in gpu})
apart = max(float(abs(a.image.astype(int) - b.image).mean()) for a, b in zip(gpu, cpu, strict=True))
print(json.dumps({"frames": len(gpu), "kinds": kinds, "apart": apart}))
"""


def command(bundle: Path, video: Video, out: Path, backend: str = "tensorrt") -> list[object]:
    """Of `ermu run` on the GPU, which decodes, too."""
    source = ("--source", video.path, "--prompt", video.path.with_name("prompt.png"), "--out", out)
    options = (*ON_GPU, backend, *MEMORY_OPTIONS, "--decode", "cuda")
    return ["-m", "ermu", "run", "--bundle", bundle, *source, *options]


def labels_in(out: Path) -> np.ndarray:
    """The label maps of a run, in order."""
    return np.stack([read_label_map(file) for file in sorted((out / "labels").iterdir())])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("objects", [1, 12])
def test_a_steady_frame(
    objects: int, backend: str, python: Callable, engines: Callable, video: Callable, tmp_path: Path
) -> None:
    """No upload at all; one download, the label map; one wait; nothing allocated."""
    made = video(objects, 24)
    saved = tmp_path / "found.npz"
    ran = python("-m", SCRIPT, engines("aot"), made.path, backend, "cuda", saved, **made.environment)
    assert (ran.returncode, ran.stderr) == (0, "")
    found = json.loads(ran.stdout)
    assert found["decoded"] == 24  # by the GPU's decoder, all of them
    assert set(found["held"].values()) == {0}
    plain = [frame for frame in found["frames"][WARM:] if not frame["scored"]]
    assert len(plain) >= 3
    for frame in plain:
        assert (frame["downloads"], frame["syncs"]) == (1, 1)
        assert not {"uploads", "allocations", "frees", "pinned_allocations", "pageable"} & set(frame)
        if backend == "tensorrt":  # the picture's kernel, the frame to its label map, that to memory
            assert (frame["launches"], frame["graph_launches"]) == (1, 2)
    # Whoever asks for the picture brings it down, once: two planes.
    assert (found["brought"]["downloads"], found["brought"].get("uploads", 0)) == (2, 0)
    with np.load(saved) as arrays:
        np.testing.assert_array_equal(arrays["picture"], made.bgr()[-1])


def test_pictures_that_come_down_go_up_again(
    python: Callable, engines: Callable, video: Callable, tmp_path: Path
) -> None:
    """What staying spares: the same frames with the host's pictures, which give the same labels."""
    made, found = video(1, 24), {}
    for wanted in ("cuda", "cpu"):
        saved = tmp_path / f"{wanted}.npz"
        ran = python("-m", SCRIPT, engines("aot"), made.path, "tensorrt", wanted, saved, **made.environment)
        assert (ran.returncode, ran.stderr) == (0, "")
        found[wanted] = json.loads(ran.stdout)
    assert {frame["uploads"] for frame in found["cpu"]["frames"][WARM:] if not frame["scored"]} == {1}
    with np.load(tmp_path / "cuda.npz") as stayed, np.load(tmp_path / "cpu.npz") as brought:
        assert np.mean(stayed["labels"] == brought["labels"]) >= 0.999
        np.testing.assert_array_equal(stayed["picture"], brought["picture"])


@pytest.mark.parametrize("family", ["aot", "deaot"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("matrix", "full_range"), [("bt601", False), ("bt709", True)])
def test_run_makes_the_hosts_label_maps(
    matrix: str,
    full_range: bool,
    backend: str,
    family: str,
    python: Callable,
    engines: Callable,
    video: Callable,
    tmp_path: Path,
) -> None:
    """With a sink that draws on the pictures, too; graphs are recorded while the decoder works ahead."""
    made, out = video(2, matrix=matrix, full_range=full_range), tmp_path / "out"
    drawn = ("--sink", f"overlay={tmp_path / 'drawn.mp4'}")
    ran = python(*command(engines(family), made, out, backend), *drawn, **made.environment)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    found = labels_in(out)
    expected = on_host(engines(family), made, made.bgr(bgr_of))
    assert len(found) == FRAMES and len(np.unique(expected)) == 3
    assert np.mean(found == expected) >= 0.999
    if family == "aot":  # trained: the other's random weights make something of a level more or less
        assert np.mean(found == on_host(engines(family), made)) >= 0.999
    assert (tmp_path / "drawn.mp4").stat().st_size > 1000


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ({}, "GpuPicture"),
        ({"matrix": "bt709", "full_range": True}, "GpuPicture"),
        ({"matrix": "bt2020"}, "ndarray"),
        ({"kind": "yuv420p10le"}, "ndarray"),  # which the emulated decoder leaves to the CPU
        ({"rotation": 180}, "ndarray"),
        ({"interlaced": True}, "ndarray"),
    ],
)
def test_what_the_kernels_do_not_read_comes_down(
    how: dict[str, object], kind: str, python: Callable, video: Callable
) -> None:
    """In either case it is the picture that the CPU decodes, read after its file is closed."""
    made = video(1, **how)
    ran = python("-c", COMPARED, made.path, **made.environment)
    assert (ran.returncode, ran.stderr) == (0, "")
    found = json.loads(ran.stdout)
    assert (found["frames"], found["kinds"]) == (FRAMES, [kind])
    assert (
        found["apart"] < 10
    )  # of 255: FFmpeg places chroma of planes and of pairs apart, and this is colourful
