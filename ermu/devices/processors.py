"""How many processors this process may use: by affinity, and by the limits of its container."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

MEMBERSHIP = Path("/proc/self/cgroup")
MOUNTS = Path("/proc/self/mountinfo")


def usable_processors() -> int:
    """The threads worth starting, at least 1.

    The processors that the affinity mask names, or fewer where a cgroup (v1 or v2) of this process grants
    less processor time: its quota over its period, rounded up.
    """
    named = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([named, *map(math.ceil, cgroup_limits())]))


def cgroup_limits(membership: Path = MEMBERSHIP, mounts: Path = MOUNTS) -> Iterator[float]:
    """Processors granted by each cgroup around this process that limits them; nothing outside Linux.

    Args:
        membership: Names the process's cgroups, as /proc/self/cgroup does.
        mounts: Says where cgroups are mounted, as /proc/self/mountinfo does.
    """
    try:
        members = [line.split(":", 2) for line in membership.read_text().splitlines()]
        mounted = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return
    for _, controllers, path in members:
        if controllers == "":
            folders, granted = _folders(mounted, path, "cgroup2", None), _granted_v2
        elif "cpu" in controllers.split(","):
            folders, granted = _folders(mounted, path, "cgroup", "cpu"), _granted_v1
        else:
            continue
        for folder in folders:
            limit = granted(folder)
            if limit is not None:
                yield limit


def _folders(mounted: list[list[str]], path: str, kind: str, controller: str | None) -> Iterator[Path]:
    """The cgroup's own folder and those around it: a limit of any of them holds.

    Inside a container the path may be given from the host's root, which is not mounted: what lies below the
    mounted part is then taken from the mount point itself.
    """
    for fields in mounted:
        after = fields.index("-") if "-" in fields else len(fields)
        if fields[after + 1 : after + 2] != [kind]:
            continue
        if controller is not None and controller not in fields[-1].split(","):
            continue
        root, point, own = PurePosixPath(fields[3]), Path(fields[4]), PurePosixPath(path)
        below = own.relative_to(root) if own.is_relative_to(root) else PurePosixPath()
        yield from (point / part for part in (below, *below.parents))


def _granted_v2(folder: Path) -> float | None:
    """From `cpu.max`: "QUOTA PERIOD", the quota "max" where there is none."""
    fields = _read(folder / "cpu.max").split()
    return _ratio(fields[0], fields[1]) if len(fields) == 2 else None


def _granted_v1(folder: Path) -> float | None:
    """From the quota, -1 where there is none, and the period."""
    return _ratio(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _ratio(quota: str, period: str) -> float | None:
    try:
        granted = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return granted if granted > 0 else None


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
