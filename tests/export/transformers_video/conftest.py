"""A bundle of the small EdgeTAM."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def edgetam_bundle(made_for_sam2: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    def make(path: Path) -> None:
        from ermu.export.bundle_writer import write_bundle
        from ermu.export.origins.origin import ExportOptions
        from ermu.export.origins.transformers_folder import ExportableObjects, Published
        from tests.support.sam2.edgetam import small_edgetam

        source = ExportableObjects(small_edgetam(), Published("edgetam", "0" * 64), ExportOptions())
        write_bundle(source, path, opset=20, tell=lambda *_: None)

    return made_for_sam2("edgetam-bundle", make)
