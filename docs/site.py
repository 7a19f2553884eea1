"""What mkdocs leaves open: the package as one tree, links out of docs/, notebooks as pages.

Hooks of mkdocs.yml. Pages are written for the repository's own viewer first; here they become a site's.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
REPOSITORY = PROJECT["project"]["urls"]["Repository"]
PACKAGES = ROOT / "build" / "site-packages"
_LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
_FENCED = re.compile(r"(^ *```.*?^ *```)", re.DOTALL | re.MULTILINE)


def on_startup(command: str, dirty: bool) -> None:
    """Docstrings are read from folders laid out as they are imported, before any plugin looks."""
    shutil.rmtree(PACKAGES, ignore_errors=True)
    for name, folder in PROJECT["tool"]["setuptools"]["package-dir"].items():  # `ermu` first
        shutil.copytree(ROOT / folder, PACKAGES / Path(*name.split(".")), ignore=_but_sources)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Addresses are those of pyproject.toml."""
    config.repo_url = REPOSITORY
    return config


def _but_sources(folder: str, names: list[str]) -> list[str]:
    return [
        name
        for name in names
        if not name.endswith(".py") and not (Path(folder) / name / "__init__.py").exists()
    ]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """A page for every notebook, with the pictures that it drew; the notebook itself can be downloaded."""
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        cells = json.loads(notebook.content_string)["cells"]
        name = notebook.src_uri.removesuffix(".ipynb")
        text, pictures = as_markdown(cells, Path(name).name)
        download = f"[Download this notebook]({Path(notebook.src_uri).name}){{ download }}\n"
        files.append(File.generated(config, f"{name}.md", content=f"{text}\n\n{download}"))
        for picture, content in pictures.items():
            files.append(File.generated(config, str(Path(name).with_name(picture)), content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links that leave docs/ lead to the repository, those to notebooks to their pages."""
    folder = (Path(config.docs_dir) / page.file.src_uri).parent

    def mended(link: re.Match[str]) -> str:
        before, path, anchor, after = link[1], link[2], link[3] or "", link[4]
        if "://" in path or path.startswith("mailto:"):
            return link[0]
        target = (folder / path).resolve()
        inside = target.relative_to(config.docs_dir) if target.is_relative_to(config.docs_dir) else None
        if path.endswith(".ipynb") and not page.file.src_uri.startswith("notebooks/"):
            return f"{before}{path.removesuffix('.ipynb')}.md{anchor}{after}"
        if target.exists() and (inside is None or files.get_file_from_path(inside.as_posix()) is None):
            kind = "tree" if target.is_dir() else "blob"
            return f"{before}{REPOSITORY}/{kind}/main/{target.relative_to(ROOT)}{anchor}{after}"
        return link[0]

    parts = _FENCED.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(mended, part) for part in parts)


def as_markdown(cells: list[dict[str, Any]], name: str) -> tuple[str, dict[str, bytes]]:
    """A notebook's cells as a page, and the pictures in it by file name."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                picture = f"{name}-{len(pictures) + 1}.png"
                pictures[picture] = base64.b64decode(data["image/png"])
                parts.append(f"![Drawn by the lines above]({picture})")
            elif text := "".join(output.get("text", data.get("text/plain", ""))).rstrip():
                parts.append(f"```text\n{text}\n```")
    return "\n\n".join(parts), pictures
