"""`import ermu` gives a user all that the README and the docs ask for, and loads it when it is used."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import ermu

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
ABOUT_PLUGGING_IN = ROOT / "docs" / "plugins.md"  # base classes of other packages' things
_DEEP = re.compile(r"^\s*(?:from|import)\s+ermu\.[\w.]+", re.MULTILINE)
_NAMED = re.compile(r"\bermu\.([A-Za-z_]\w*)|from ermu import ([\w, ]+)")


def python_blocks(page: Path) -> list[str]:
    """The Python code that a page shows."""
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.parametrize("name", ermu.__all__)
def test_every_public_name_is_there(name):
    assert getattr(ermu, name) is not None
    assert name in dir(ermu)


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_import_from_ermu_alone(page):
    """No page but that about plugging in shows a deep path, and every name that is shown exists."""
    for block in python_blocks(page):
        if page != ABOUT_PLUGGING_IN:
            assert not _DEEP.findall(block)
        for dotted, listed in _NAMED.findall(re.sub(r"\bermu\.\w+\.", "", block)):
            names = [dotted] if dotted else [name.strip() for name in listed.split(",")]
            assert set(names) <= set(ermu.__all__), f"{page.name}: {names}"
