"""`import ermu` gives a user all that the README and the docs ask for, and loads it when it is used."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import ermu
import ermu.plugins

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ermu.__all__)
def test_every_public_name_is_there(name):
    assert getattr(ermu, name) is not None
    assert name in dir(ermu)


@pytest.mark.parametrize("name", ermu.plugins.__all__)
def test_every_name_for_plugins_is_there(name):
    assert getattr(ermu.plugins, name) is not None


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'segmenter'"):
        _ = ermu.segmenter


def test_one_version():
    assert version("ermu") == ermu.__version__
    texts = [ROOT / "pyproject.toml", *(ROOT / "ermu").glob("*.py")]
    assert [file.name for file in texts if f'"{ermu.__version__}"' in file.read_text()] == ["version.py"]


def test_import_loads_nothing_heavy():
    script = (
        "import sys, ermu\n"
        "heavy = {'numpy', 'cv2', 'onnxruntime', 'torch', 'pydantic', 'PIL', 'typer'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
