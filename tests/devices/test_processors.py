"""The one thread count: affinity, and limits of cgroups of either version, whichever is least."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ermu.devices import processors
from ermu.devices.processors import cgroup_limits, usable_processors

V1 = "30 23 0:26 {root} {point} rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
V2 = "31 23 0:27 {root} {point} rw,relatime - cgroup2 cgroup2 rw\n"


class Groups:
    """A tree of cgroups and the two files that say where this process is in it."""

    def __init__(self, folder: Path) -> None:
        self.point = folder / "sys"
        self.membership, self.mounts = folder / "membership", folder / "mounts"
        self.membership.write_text("")
        self.mounts.write_text("22 1 0:20 / /proc rw - proc proc rw\n")

    def member(self, line: str, mount: str, root: str = "/") -> None:
        self.membership.write_text(f"{self.membership.read_text()}{line}\n")
        self.mounts.write_text(self.mounts.read_text() + mount.format(root=root, point=self.point))

    def limit_v1(self, group: str, quota: int, period: int = 100000) -> None:
        self._write(group, "cpu.cfs_quota_us", str(quota))
        self._write(group, "cpu.cfs_period_us", str(period))

    def limit_v2(self, group: str, limit: str) -> None:
        self._write(group, "cpu.max", limit)

    def granted(self) -> list[float]:
        return sorted(cgroup_limits(self.membership, self.mounts))

    def _write(self, group: str, name: str, text: str) -> None:
        folder = self.point / group.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n")


@pytest.fixture
def groups(tmp_path: Path) -> Groups:
    return Groups(tmp_path)


def test_version_2_and_the_groups_around(groups: Groups) -> None:
    groups.member("0::/pod/container", V2)
    groups.limit_v2("/pod/container", "250000 100000")
    groups.limit_v2("/pod", "150000 100000")
    groups.limit_v2("/", "max 100000")
    assert groups.granted() == [1.5, 2.5]


def test_version_1(groups: Groups) -> None:
    groups.member("4:cpu,cpuacct:/docker/1", V1)
    groups.member("5:memory:/docker/1", "")
    groups.limit_v1("/docker/1", 50000)
    groups.limit_v1("/docker", -1)
    assert groups.granted() == [0.5]


def test_a_container_that_sees_its_own_group_as_the_root(groups: Groups) -> None:
    """The path is the host's, mounted is the group itself."""
    groups.member("4:cpu:/docker/1", V1, root="/docker/1")
    groups.limit_v1("/", 300000)
    assert groups.granted() == [3.0]


def test_a_path_outside_the_mount(groups: Groups) -> None:
    groups.member("0::/host/elsewhere", V2, root="/docker/1")
    groups.limit_v2("/", "200000 100000")
    assert groups.granted() == [2.0]


def test_no_limits_and_no_cgroups(groups: Groups, tmp_path: Path) -> None:
    assert groups.granted() == []
    groups.member("0::/", V2)
    groups.limit_v2("/", "nonsense")
    assert groups.granted() == []
    assert list(cgroup_limits(tmp_path / "none", tmp_path / "none")) == []


@pytest.mark.parametrize(
    ("limits", "expected"), [([], 4), ([2.5], 3), ([0.1], 1), ([9.0, 1.2], 2), ([4.0], 4)]
)
def test_the_least_counts(monkeypatch: pytest.MonkeyPatch, limits: list[float], expected: int) -> None:
    monkeypatch.setattr(processors, "cgroup_limits", lambda: iter(limits))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 3}, raising=False)
    assert usable_processors() == expected


def test_here() -> None:
    assert 1 <= usable_processors() <= (os.cpu_count() or 1)
