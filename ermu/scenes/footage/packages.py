"""Debian packages with photographs, their licences, and where their files are found."""

from __future__ import annotations

import gzip
import os
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ermu.errors import DatasetError

VARIABLE = "ERMU_PHOTOGRAPHS"


@dataclass(frozen=True)
class Package:
    """Pictures of a Debian package.

    Attributes:
        name: Of the package; Debian 12 has all of them.
        licence: Of the pictures that are used, as the package's own copyright file states it.
        patterns: Globs below the file system's root.
    """

    name: str
    licence: str
    patterns: tuple[str, ...]


_STAMPS = "usr/share/tuxpaint/stamps/"
_WALLPAPERS = "usr/share/wallpapers/{}/contents/images/2560x1600.jpg"
_PUZZLES = "usr/share/gcompris-qt/rcc/{}.rcc"

PHOTOGRAPHS = (
    Package(
        "gcompris-qt-data",
        "each its own: CC0, CC BY, CC BY-SA, GPL-3+ or public domain",
        tuple(
            _PUZZLES.format(activity)
            for activity in (
                "categorization", "erase",
                "explore_farm_animals", "explore_monuments", "explore_world_animals",
            )
        ),
    ),
    Package(
        "lomiri-wallpapers-16.04",
        "CC BY 4.0, CC BY-SA 3.0 or 4.0, CC0",
        ("usr/share/backgrounds/*_by_*.jpg",),
    ),
    Package(
        "lxqt-themes",
        "CC BY-SA 3.0",
        tuple(
            f"usr/share/lxqt/wallpapers/{name}"
            for name in (
                "after-the-rain.jpg", "appleflower.png", "butterfly.png",
                "drop.png", "flowers.png", "fog.jpg",
            )
        ),
    ),
    Package("mate-backgrounds", "GPL-2+", ("usr/share/backgrounds/mate/nature/*.jpg",)),
    Package("palapeli-data", "GPL-2+; two of them GFDL", ("usr/share/palapeli/collection/*.jpg",)),
    Package("plasma-workspace-data", "CC0", ("usr/share/plasma/avatars/photos/*.png",)),
    Package(
        "plasma-workspace-wallpapers",
        "GPL-2+",
        tuple(
            _WALLPAPERS.format(name)
            for name in (
                "Autumn", "BytheWater", "ColdRipple", "ColorfulCups", "DarkestHour", "EveningGlow",
                "FallenLeaf", "Grey", "OneStandsOut", "Path", "summer_1am",
            )
        ),
    ),
)  # fmt: skip

# Photographs of things, cut out by hand, by what is in them.
CUT_OUTS: dict[str, Package] = {
    kind: Package("tuxpaint-stamps-default", "GPL-2", tuple(f"{_STAMPS}{part}/**/*.png" for part in parts))
    for kind, parts in {
        "animals": ("animals", "people"),
        "vehicles": ("vehicles", "military/vehicles"),
        "things": ("food", "hobbies", "household", "plants", "sports", "town/roadsigns"),
    }.items()
}


def package_names() -> tuple[str, ...]:
    """The names of all packages, sorted."""
    return tuple(sorted({package.name for package in (*PHOTOGRAPHS, *CUT_OUTS.values())}))


def account() -> list[dict[str, str | int]]:
    """What photographs come from where: package, version where its changelog says it, licence, files used.

    Raises:
        DatasetError: a package's are missing.
    """
    packages = (*PHOTOGRAPHS, *CUT_OUTS.values())
    licences = {package.name: package.licence for package in packages}
    counts = Counter(dict.fromkeys(licences, 0))
    for package in packages:
        counts[package.name] += len(files(package, root()))
    return [
        {"package": name, "version": _version(name), "licence": licences[name], "files": counts[name]}
        for name in package_names()
    ]


def _version(name: str) -> str:
    """A package's version by the first line of its changelog, `NAME (VERSION) ...`."""
    for path in sorted((root() / "usr/share/doc" / name).glob("changelog*.gz")):
        with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
            found = re.match(rf"{re.escape(name.split('-')[0])}\S* \(([^)]+)\)", file.readline())
        if found:
            return found[1]
    return "unknown"


def root() -> Path:
    """Where the packages are: the folder that ERMU_PHOTOGRAPHS names, or the system."""
    return Path(os.environ.get(VARIABLE, "/"))


@cache
def files(package: Package, below: Path) -> tuple[Path, ...]:
    """The files of a package's patterns, in their order and sorted within.

    Raises:
        DatasetError: a pattern has none.
    """
    found: list[Path] = []
    for pattern in package.patterns:
        matches = sorted(below.glob(pattern))
        if not matches:
            raise DatasetError(
                f"Scenes of the style footage need the photographs of {package.name}: nothing in {below} is "
                f"{pattern}.",
                fix=f"make photographs; export {VARIABLE}=build/photographs "
                f"(or apt-get install {' '.join(package_names())})",
            )
        found += matches
    return tuple(found)
