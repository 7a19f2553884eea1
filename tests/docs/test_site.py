"""The documentation site: built without a warning, in order; its notebooks run, its errors are ours."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

import ermu
import ermu.plugins
from tests.support.import_graph import ROOT

DOCS = ROOT / "docs"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
# What somebody who comes anew looks for, in this order.
ORDER = [
    "start.md",
    "networks.md",
    "checkpoint.md",
    "gpu.md",
    "live.md",
    "labelling.md",
    "evaluation.md",
    "training.md",
    "how-it-works.md",
    "architecture.md",
    "troubleshooting.md",
]
_SOURCES = ("benchmarks", "ermu", "evaluation", "export", "kernels", "runtime", "training")
_NAV = re.compile(r"^nav:\n(.*?)^\w", re.DOTALL | re.MULTILINE)


def said() -> set[str]:
    """Every text of the source, `…` for what is filled in."""
    found = set()
    for file in (path for folder in _SOURCES for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                found.add("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return {re.sub("(?:…|%[sd])+", "…", text) for text in found}


@pytest.mark.skipif(find_spec("mkdocs") is None, reason="mkdocs builds the site (extra `docs`)")
def test_the_site_is_built(tmp_path: Path) -> None:
    """`--strict` fails on a page in no menu, a link or anchor that leads nowhere, a name that is gone."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    reference = (tmp_path / "api" / "index.html").read_text("utf-8")
    assert 'id="ermu.Segmenter.step"' in reference and 'id="ermu.Segmenter.refine"' in reference
    for notebook in NOTEBOOKS:
        page = (tmp_path / "notebooks" / notebook.stem / "index.html").read_text("utf-8")
        pictures = re.findall(rf'src="\.\./({notebook.stem}-\d\.png)"', page)
        assert pictures and all((tmp_path / "notebooks" / name).stat().st_size > 5000 for name in pictures)
    home = (tmp_path / "index.html").read_text("utf-8")
    assert not re.findall(
        r'(?:src|href)="(?:https?:)?//[^"]*\.(?:js|css|woff2?)', home
    )  # nothing from elsewhere


def test_pages_come_in_the_order_of_a_newcomers_questions() -> None:
    (nav,) = _NAV.findall((ROOT / "mkdocs.yml").read_text("utf-8"))
    places = [nav.index(page) for page in ORDER]
    assert all(before < after for before, after in pairwise(places))
    listed = re.findall(r"[\w/-]+\.md", nav)
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    assert len(listed) == len(set(listed))
    assert set(listed) == pages | {f"notebooks/{notebook.stem}.md" for notebook in NOTEBOOKS}


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_lists_are_lists_on_the_site_too(page: Path) -> None:
    """GitHub begins a list in the middle of a paragraph, Python-Markdown runs it into one."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    item = re.compile(r"\s*(?:-|\d+\.) ")
    for block in re.split(r"\n\s*\n", text):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        assert not any(map(item.match, lines)) or item.match(lines[0]), block


@pytest.mark.parametrize(("page", "front"), [("api.md", ermu), ("api-plugins.md", ermu.plugins)])
def test_every_public_name_is_in_the_reference(page: str, front: object) -> None:
    entries = re.findall(r"^::: ([\w.]+)$", (DOCS / page).read_text("utf-8"), re.MULTILINE)
    names = {f"{front.__name__}.{name}" for name in front.__all__ if name != "__version__"}  # type: ignore[attr-defined]
    assert set(entries) == names and len(entries) == len(names)


def test_quoted_errors_are_said() -> None:
    """A page that quotes what nobody says any more helps nobody."""
    quoted = re.findall(r"^### `(.*)`$", (DOCS / "troubleshooting.md").read_text("utf-8"), re.MULTILINE)
    known = said()
    whole = "\n".join(known)
    assert len(quoted) > 30
    assert not [text for text in quoted if text not in known and text.strip("…") not in whole]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(notebook: Path) -> None:
    """From the first cell to the last; what is stored is of such a run."""
    nbclient = pytest.importorskip("nbclient", reason="nbclient runs notebooks (extra `dev`)")
    pytest.importorskip("ipykernel", reason="the kernel that they run in (extra `dev`)")
    import nbformat

    content = nbformat.read(notebook, as_version=4)
    cells = [cell for cell in content.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert notebook.stat().st_size < 600_000
    nbclient.NotebookClient(content, timeout=300, kernel_name="python3").execute(cwd=str(notebook.parent))
    drawn = [out for cell in cells for out in cell.outputs if "image/png" in out.get("data", {})]
    assert len(drawn) >= 2


def test_the_readme_is_two_screens_with_a_moving_picture() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 90
    picture = ROOT / re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)[0]
    assert picture.stat().st_size < 2_000_000 and "CC BY 4.0" in text
    with Image.open(picture) as opened:
        assert opened.is_animated and opened.n_frames > 20


def test_notebooks_hold_no_trace_of_a_machine() -> None:
    for notebook in NOTEBOOKS:
        content = json.loads(notebook.read_text("utf-8"))
        assert set(content["metadata"]) <= {"kernelspec", "language_info"}
        assert not [cell for cell in content["cells"] if cell["metadata"]]
        assert str(ROOT) not in notebook.read_text("utf-8")
