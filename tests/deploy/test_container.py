"""The container of deploy/Dockerfile: every line is executed, its server is healthy on a read-only root."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.deploy.dockerfile import Stage, build, instructions
from tests.deploy.roots import needed
from tests.support.import_graph import ROOT

FILE = ROOT / "deploy" / "Dockerfile"
# Starts the image's command as its user, with nothing to write to but /tmp, asks for its health until all is
# well and ends it. $0 is the root, $1 the user, $2 what to start, $3 the health check.
RUN = """
mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"
mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount -t tmpfs tmpfs "$0/tmp"
ip link set lo up
chroot --userspec="$1" "$0" /bin/sh -c "$2" & server=$!
for attempt in $(seq 120); do
  kill -0 $server || break
  chroot --userspec="$1" "$0" /bin/sh -c "$3" 2>/dev/null && echo healthy && break
  sleep 0.5
done
kill -TERM $server
wait $server
echo "ended with $?"
"""


def test_instructions_are_joined_without_their_comments() -> None:
    said = instructions('# a\nFROM debian:x AS y\nRUN a \\\n && b\n\nCMD ["c"]\n')
    assert said == [("FROM", "debian:x AS y"), ("RUN", "a && b"), ("CMD", '["c"]')]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    needed()
    return build(FILE, Path(os.environ.get("ERMU_TEST_ROOTS") or tmp_path_factory.mktemp("roots")))


@pytest.mark.long
def test_the_image_runs_read_only_and_is_healthy(image: Stage) -> None:
    environment = {"PATH": image.expand("$PATH"), **image.environment, "ERMU_TOKEN": "0123456789abcdef"}

    def inside(words: list[str]) -> str:
        return f"cd {shlex.quote(image.folder)} && exec {shlex.join(words)}"

    commands = [inside([*image.entry, *image.command]), inside(image.health)]
    apart = ["unshare", "--mount", "--net", "sh", "-c", RUN]
    command = [*apart, str(image.root), f"{image.user}:{image.user}", *commands]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    said = done.stdout + done.stderr
    assert "healthy" in done.stdout.splitlines(), said
    assert "ended with 0" in done.stdout and "Traceback" not in said, said


@pytest.mark.long
def test_the_image_brings_its_kernels_and_no_compiler(image: Stage) -> None:
    assert image.user != "0"
    packages = next((image.root / "opt" / "ermu" / "lib").glob("python3.*/site-packages"))
    assert list((packages / "ermu" / "kernels" / "cpu").glob("_native*.so"))
    assert not list(packages.glob("pip-*")) and not list((image.root / "usr" / "bin").glob("*g++*"))
