"""The pages hold: what is cited exists, links lead somewhere, code and commands are real."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer

import ermu
import ermu.plugins
from ermu.cli import app

ROOT = Path(__file__).parents[1]
SOURCES = ("benchmarks", "ermu", "evaluation", "export", "kernels", "runtime", "tests", "training")
SUFFIXES = {".cpp", ".cu", ".cuh", ".h", ".inl", ".py", ".toml", ".yaml"}
PAGES = sorted(
    [
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / f for f in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "kernels/README.md")),
    ]
)
# For those who work on ERMU, or add to it: they may name its modules.
INSIDE = {"architecture.md", "decisions.md"}

_CITED = re.compile(r"(?<![\w./-])(docs/[\w./-]*\.\w+)(?:`, '([^']+)'|`, (step \d))?")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`]+)`")
_COMMAND = re.compile(r"\bermu((?: --[a-z-]+(?: json| text)?)*) ([a-z]+)\b([^\n#]*)")
_MODULE = re.compile(r"python -m (ermu[\w.]*)")
_OBJECT = re.compile(r"`(ermu[\w.]*)\.([A-Z]\w+)`")
_TEST = re.compile(r"`(tests/[\w./-]+\.py)(?:::(\w+))?`")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def _sources() -> Iterator[Path]:
    for folder in SOURCES:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in SUFFIXES and ".cache" not in file.parts and file != Path(__file__):
                yield file


def _prose(page: Path) -> str:
    """A page without its code blocks."""
    return _FENCED.sub("", page.read_text("utf-8"))


def _anchors(page: Path) -> set[str]:
    """A page's headings as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.*)$", _prose(page), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def _commands(page: Path) -> Iterator[tuple[list[str], str, list[str]]]:
    """Global options, command and options of every `ermu ...` in a page's code."""
    blocks = [code for language, code in _FENCED.findall(page.read_text("utf-8")) if language != "python"]
    spans = [re.sub(r"\s+", " ", code) for code in _INLINE.findall(_prose(page))]
    for code in [*blocks, *spans]:
        for before, command, rest in _COMMAND.findall(code.replace("\\\n", " ")):
            yield _OPTION.findall(before), command, _OPTION.findall(rest)


def _options(command: Any) -> set[str]:
    """A command's, with those of the commands below it."""
    below = set().union(*map(_options, getattr(command, "commands", {}).values()))
    return {option for parameter in command.params for option in parameter.opts} | {"--help"} | below


def test_cited_pages_and_sections_exist():
    wrong = []
    for file in _sources():
        for path, section, step in _CITED.findall(file.read_text("utf-8")):
            if not (ROOT / path).is_file():
                wrong.append(f"{file.relative_to(ROOT)} cites {path}")
            elif (section or step).lower() not in (ROOT / path).read_text("utf-8").lower():
                wrong.append(f"{file.relative_to(ROOT)} cites {path}, {section or step}")
    assert not wrong


def test_specification_is_cited_by_its_path():
    bare = re.compile(r"(?<!docs/)\bspec/\w+\.md")
    assert not [file for file in _sources() if bare.search(file.read_text("utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in _LINK.findall(_prose(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_imports_public_names_alone(page):
    if page.name in INSIDE or page.parent.name == "spec":
        pytest.skip("names modules on purpose")
    for language, code in _FENCED.findall(page.read_text("utf-8")):
        for node in ast.walk(ast.parse(code)) if language == "python" else ():
            if isinstance(node, ast.Import):
                assert not [alias.name for alias in node.names if alias.name.startswith("ermu.")]
            elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ermu":
                assert node.module in ("ermu", "ermu.plugins")
                front = ermu.plugins if node.module == "ermu.plugins" else ermu
                assert not {alias.name for alias in node.names} - set(front.__all__)
            elif isinstance(node, ast.Attribute) and getattr(node.value, "id", None) == "ermu":
                assert node.attr in ermu.__all__


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_have_the_options_shown(page):
    group: Any = typer.main.get_command(app)
    for before, command, options in _commands(page):
        known = group.get_command(None, command)
        assert known is not None, f"ermu {command}"
        assert not set(before) - _options(group), f"ermu {before} {command}"
        assert not set(options) - _options(known), f"ermu {command} {options}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_objects_named_exist(page):
    text = page.read_text("utf-8")
    folders = "|".join((*SOURCES, "docs"))
    code = [*(code for _, code in _FENCED.findall(text)), *_INLINE.findall(_prose(page))]
    named = re.findall(rf"(?<![\w./-])((?:{folders})/[\w/.-]+\.[a-z]+)\b", "\n".join(code))
    assert not [path for path in named if not (ROOT / path).exists()]
    assert not [module for module in _MODULE.findall(text) if find_spec(module) is None]
    for module, name in _OBJECT.findall(text):
        assert hasattr(import_module(module), name), f"{module}.{name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tests_that_are_named_are_there(page: Path) -> None:
    for file, name in _TEST.findall(page.read_text("utf-8")):
        source = (ROOT / file).read_text("utf-8")
        assert not name or f"def {name}(" in source, f"{file}::{name}"
