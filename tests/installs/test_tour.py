"""The tour as a stranger takes it, in order, with what each command took: `pytest -m long -s` prints it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from tests.deploy.roots import needed
from tests.installs.tour import FRAMES, RELEASES, machine, programs, shown
from tests.support.synthetic import write_checkpoint


@pytest.mark.long
@pytest.mark.timeout(5400)
def test_a_stranger_takes_the_tour(tmp_path: Path) -> None:
    needed()
    if sys.version_info[:2] not in RELEASES:
        pytest.skip(f"Debian's Pythons are {RELEASES}")
    roots = Path(os.environ.get("ERMU_TEST_ROOTS") or tmp_path)
    tour = machine(roots)
    write_checkpoint("r50_aotl", tour.home / "AOT_EMFS.pth")
    said = {command: tour.show(command) for command in shown()}
    for name, code in programs().items():
        tour.type(f"python -c {shlex.quote(code)}", said=name)
    print(f"\n{tour.seconds()}")

    assert "ok" in said["ermu doctor"] and "r50_aotl" in "".join(said.values())
    for folder, video in (("followed", "followed.mp4"), ("result", None)):
        assert len(list((tour.home / folder / "labels").iterdir())) == FRAMES
        assert video is None or (tour.home / video).stat().st_size > 10_000
    assert (tour.home / "demo" / "overlay.mp4").stat().st_size > 10_000
    tour.type("python -m pip check")
    if "ERMU_TEST_ROOTS" not in os.environ:
        shutil.rmtree(tour.root)
