"""`ermu build`: where it builds, and that nothing of a package's is touched."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from shutil import copytree

import pytest

from ermu.assets import DEMO_BUNDLE
from ermu.errors import BundleError
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.segmenter import Segmenter
from tests.cli.commands.test_run import ermu
from tests.cli.test_paths import contents

STAMPS = ("st_mtime_ns", "st_size")


def assets() -> dict[str, tuple[int, ...]]:
    """Every file beside the demo's bundle, and in it."""
    files = [path for path in DEMO_BUNDLE.parent.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {str(path): tuple(getattr(path.stat(), stamp) for stamp in STAMPS) for path in files}


def test_the_fix_for_a_precision_that_the_demo_lacks_builds_outside_of_the_package(tmp_path: Path) -> None:
    with pytest.raises(BundleError) as caught:
        Segmenter("demo", precision="int8")
    assert caught.value.fix == "ermu build --bundle demo --out demo-built --precision int8"
    before = assets()
    command = ("build", "--bundle", "demo", "--out", "demo-built", "--precision")
    done = ermu(*command, "fp16", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "built in demo-built: pass --bundle demo-built" in done.stdout
    assert "what is fastest here, for --backend auto: ermu tune demo-built" in done.stdout
    assert Bundle.load(tmp_path / "demo-built").precisions == ("fp32", "fp16")
    assert assets() == before
    again = ermu(*command, "fp32", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert Bundle.load(tmp_path / "demo-built").precisions == ("fp32", "fp16")


def test_bf16_needs_no_build(tmp_path: Path) -> None:
    done = ermu("build", "--bundle", "demo", "--out", tmp_path / "built", "--precision", "bf16")
    assert done.returncode == 1 and "ermu run --precision bf16" in done.stderr
    assert not (tmp_path / "built").exists()
    with Segmenter("demo", precision="bf16", threads=1) as segmenter:
        assert segmenter.bundle.manifest.precision == "bf16"


def test_a_packages_bundle_is_built_in_the_users_cache(tmp_path: Path) -> None:
    before = assets()
    done = ermu("build", "--bundle", "demo", "--precision", "fp32", env={"ERMU_CACHE": str(tmp_path)})
    (made,) = (tmp_path / "bundles").iterdir()
    assert done.returncode == 0 and f"pass --bundle {made}" in done.stdout
    assert Bundle.load(made).manifest.graphs == Bundle.load("demo").manifest.graphs
    assert assets() == before


@pytest.mark.skipif(not find_spec("tensorrt_rtx"), reason="TensorRT-RTX is not installed")
def test_one_call_converts_and_builds_engines_of_what_it_made(tiny_bundle: Path, tmp_path: Path) -> None:
    own = copytree(tiny_bundle, tmp_path / "tiny")
    assert Bundle.load(own).precisions == ("fp32",)
    options = ("--engine", "tensorrt-rtx", "--precision", "fp16", "--size", "97x129")
    done = ermu("build", "--bundle", own, *options)
    assert done.returncode == 0, done.stderr
    built = Bundle.load(own)
    assert built.precisions == ("fp32", "fp16") and {e.precision for e in built.manifest.engines} == {"fp16"}
    assert "fp16 against fp32" in done.stdout and "0 were up to date" in done.stdout


def test_a_copy_does_not_take_the_place_of_something_else(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    before = contents(tmp_path)
    done = ermu("build", "--bundle", "demo", "--out", tmp_path)
    assert done.returncode == 1 and "holds no copy of" in done.stderr
    other = ermu("build", "--bundle", "demo", "--out", tiny_bundle)
    assert other.returncode == 1 and "holds no copy of" in other.stderr
    assert contents(tmp_path) == before


def test_a_timing_cache_is_no_part_of_the_bundle(tiny_bundle: Path) -> None:
    weights = tiny_bundle / "weights.bin"
    size = weights.stat().st_size
    done = ermu("build", "--bundle", tiny_bundle, "--timing-cache", weights)
    assert done.returncode == 1 and "a part of the bundle" in done.stderr
    assert weights.stat().st_size == size
