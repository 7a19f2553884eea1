"""docs/shell.md names every environment variable that the code reads; completion works in a real shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.import_graph import FOLDERS, ROOT

PAGE = (ROOT / "docs" / "shell.md").read_text("utf-8")
_TESTS_OWN = "For the tests alone:"
_ROW = re.compile(r"^\| (`[^|]*`) \|", re.MULTILINE)
_OURS = re.compile(r"(?<![\w-])ERMU_[A-Z_]+\b")
_READ = re.compile(r"""(?:environ(?:\.get\(|\.setdefault\(|\[)|getenv\()\s*["'](\w+)["']""")
_SUFFIXES = {".py", ".sh", ".service", ".yaml", ".yml", ".toml", ".md"}


def rows(text: str) -> set[str]:
    """Variables in the first column of the tables."""
    return {name for cell in _ROW.findall(text) for name in re.findall(r"`([A-Za-z_]+)`", cell)}


def files(*folders: str) -> list[Path]:
    found = [file for folder in folders for file in (ROOT / folder).rglob("*") if ".cache" not in file.parts]
    return [file for file in found if file.suffix in _SUFFIXES and file.is_file()]


def read(*folders: str) -> set[str]:
    """Variables of any name that code reads, and all of ours that it names."""
    texts = [file.read_text("utf-8") for file in files(*folders) if file.suffix in (".py", ".sh")]
    return {name for text in texts for pattern in (_READ, _OURS) for name in pattern.findall(text)}


def test_every_variable_is_in_the_table() -> None:
    known, ours = rows(PAGE), read(*FOLDERS)
    assert {
        "ERMU_CACHE",
        "ERMU_TOKEN",
        "ERMU_KERNELS",
        "CUDA_HOME",
        "WORLD_SIZE",
    } <= ours  # the search finds them
    assert ours - known == set()
    tests = {name for name in read("tests", ".ci") if name.startswith("ERMU_")}
    assert tests - known == {"ERMU_X", "ERMU_SOURCE"}  # of this file


def test_every_variable_of_the_table_is_read() -> None:
    users, tests = PAGE.split(_TESTS_OWN)
    assert not {name for name in rows(users) if name.startswith("ERMU_")} - read(*FOLDERS)
    assert not rows(tests) - read("tests", *FOLDERS)


def test_pages_and_units_name_no_other_variable() -> None:
    pages = [*files("docs", "tests", ".ci"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    named = {
        name for file in pages if file.suffix != ".py" for name in _OURS.findall(file.read_text("utf-8"))
    }
    assert not named - rows(PAGE) - {"ERMU_SOURCE"}  # of the unit's own, which the page says


def test_planted_variables_are_found() -> None:
    planted = """os.environ.get("A_ONE"); os.environ["A_TWO"]; os.getenv('A_THREE'); flag = "-DERMU_X86"
    os.environ.setdefault("A_FOUR", "1"); typer.Option(envvar="ERMU_X")"""
    assert set(_READ.findall(planted)) == {"A_ONE", "A_TWO", "A_THREE", "A_FOUR"}
    assert _OURS.findall(planted) == ["ERMU_X"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="completes in bash")
def test_completion_is_installed_and_completes(tmp_path: Path) -> None:
    """As the page says: installed once by a shell of the user's, and there in the next one."""
    (tmp_path / "bin").mkdir()
    ermu = tmp_path / "bin" / "ermu"
    script = "import sys; sys.argv[0] = 'ermu'; from ermu.cli import main; main()"
    ermu.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{script}" "$@"\n')
    ermu.chmod(0o755)
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": f"{ermu.parent}:{os.environ['PATH']}"}

    def bash(script: str) -> str:
        done = subprocess.run(
            ["bash", "--norc", "-c", script], capture_output=True, text=True, timeout=120, env=environment
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "completion installed" in bash("ermu --install-completion; true")
    asked = (
        "source ~/.bashrc; complete -p ermu; COMP_WORDS=(ermu conv); COMP_CWORD=1; _ermu_completion ermu; "
        'echo "${COMPREPLY[@]}"; COMP_WORDS=(ermu convert --num); COMP_CWORD=2; _ermu_completion ermu; '
        'echo "${COMPREPLY[@]}"'
    )
    said = bash(asked).split("\n")
    assert said[0].endswith(" ermu") and said[1:3] == ["convert", "--numbered"]
    assert "_ERMU_COMPLETE" in bash("ermu --show-completion; true")
