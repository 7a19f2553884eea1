"""Runs the notebooks beside this file and keeps what they print and draw.

python docs/notebooks/run.py
"""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient


def run(path: Path) -> None:
    """Runs a notebook from first to last; times and versions are left out, so that a diff is one."""
    content = nbformat.read(path, as_version=4)
    NotebookClient(content, timeout=600, kernel_name="python3", record_timing=False).execute(
        cwd=str(path.parent)
    )
    content.metadata["language_info"] = {"name": "python"}
    nbformat.write(content, path)


if __name__ == "__main__":
    for notebook in sorted(Path(__file__).parent.glob("*.ipynb")):
        run(notebook)
        print(notebook)
