"""Bundles with precisions added, made from the shared ones without touching those."""

from __future__ import annotations

import shutil
from pathlib import Path

from ermu.export.precision.clip import Clip, procedural_clip
from ermu.export.precision.conversion import add_precision
from ermu.runtime.bundle.bundle import Bundle
from tests.conftest import made_once


def float16_of(name: str, source: Path) -> Bundle:
    """A golden network's bundle in float16, shared between tests."""
    path = made_once(f"{name}-fp16", lambda path: with_precision(source, path, "fp16"))
    return Bundle.load(path).at_precision("fp16")


def short_clip() -> Clip:
    """Three frames: enough to convert with, too few to conclude anything from."""
    return procedural_clip(frames=3, objects=2)


def with_precision(source: Path, target: Path, precision: str) -> Bundle:
    """A copy of a bundle, at a precision."""
    shutil.copytree(source, target)
    return add_precision(target, precision, clip=short_clip())
