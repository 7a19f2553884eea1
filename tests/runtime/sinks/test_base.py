"""Folders for results: what lies in them stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from ermu.errors import SinkError
from ermu.runtime.sinks.base import refuse_filled


def test_folders_alone_are_nothing_to_lose(tmp_path: Path) -> None:
    """A run that failed on its first frame leaves `labels` empty, and may be tried again."""
    out = tmp_path / "out"
    refuse_filled(out, overwrite=False)
    (out / "labels" / "deeper").mkdir(parents=True)
    refuse_filled(out, overwrite=False)
    for name in ("labels/.hidden", "labels/deeper/link"):
        (out / name).symlink_to(tmp_path) if "link" in name else (out / name).touch()
        with pytest.raises(SinkError, match="is not empty"):
            refuse_filled(out, overwrite=False)
        refuse_filled(out, overwrite=True)
        (out / name).unlink()
    refuse_filled(out, overwrite=False)
