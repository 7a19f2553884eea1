"""docs/architecture.md says what it takes to add a thing: files written so work, and none is edited."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ermu import registries
from tests.support.import_graph import ROOT, all_imports, project_modules

PAGE = ROOT / "docs" / "architecture.md"
ADDED = {
    "an eviction policy": """
from ermu.runtime.memory.policies.fifo import FifoPolicy

class ExtraPolicy(FifoPolicy):
    help = "the oldest leaves, once more"

PLUGIN = ExtraPolicy
""",
    "a sink": """
from ermu.runtime.sinks.kinds.trace import TraceSink

class ExtraSink(TraceSink):
    name = "extra"
    help = "a trace, once more"

PLUGIN = ExtraSink
""",
    "a source": """
from ermu.scenes.source import SceneSource

class ExtraSource(SceneSource):
    help = "a drawn clip, extra:SEED"

    @classmethod
    def opens(cls, where):
        return where.startswith("extra:")

    @classmethod
    def open(cls, where):
        return super().open(where.replace("extra:", "scene:"))

PLUGIN = ExtraSource
""",
    "a backend": """
from ermu.runtime.backends.libraries.onnxruntime import OnnxRuntimeBackend

class ExtraBackend(OnnxRuntimeBackend):
    name = "extra"
    help = "ONNX Runtime, once more"

PLUGIN = ExtraBackend
""",
}
REGISTRIES = {
    "an eviction policy": registries.POLICIES,
    "a sink": registries.SINKS,
    "a source": registries.SOURCES,
    "a backend": registries.BACKENDS,
}
# Programs that use a kind by itself, as anybody may; adding another one does not touch them.
PROGRAMS = ("ermu.benchmarks.", "ermu.demo", "ermu.evaluation.", "ermu.export.")


def table():
    """The rows of "To add": thing, folder, what to write, how many files to edit."""
    row = re.compile(r"^\| (an? [\w ]+) \| `([\w/]+)/` \| (1 file|1 folder) \| (\d+) files \|$", re.MULTILINE)
    found = row.findall(PAGE.read_text("utf-8"))
    return {thing: (place, written, int(edited)) for thing, place, written, edited in found}


@pytest.fixture(scope="module")
def run_with_extras(tmp_path_factory):
    """A run from the command line with an extra policy, sink, source and backend, a file each."""
    folder = tmp_path_factory.mktemp("extras")
    paths = []
    for thing, source in ADDED.items():
        place = folder / table()[thing][0]
        place.mkdir(parents=True)
        (place / "extra.py").write_text(source)
        paths.append((".".join(["ermu", *place.relative_to(folder).parts]), str(place)))
    script = (
        "import sys\nfrom importlib import import_module\n"
        f"for package, path in {paths!r}: import_module(package).__path__.append(path)\n"
        "from ermu.cli import main\nmain()"
    )

    def run(*arguments):
        command = [sys.executable, "-c", script, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    return folder, run


def test_added_files_are_used(run_with_extras, tmp_path):
    _, run = run_with_extras
    done = run(
        *("run", "--bundle", "demo", "--source", "extra:7", "--out", tmp_path / "out", "--max-frames", 5),
        *("--policy", "extra", "--capacity", 2, "--gap", 1, "--backend", "extra"),
        *("--sink", f"extra={tmp_path / 'extra.jsonl'}"),
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "extra.jsonl").read_text().splitlines()]
    assert [line["memory_frames"] for line in lines] == [[0], [0, 1], [0, 2], [0, 3], [0, 4]]
    shown = run("run", "--help").stdout
    assert shown.count("extra") >= len(ADDED)


def test_the_table_counts_those_files(run_with_extras):
    folder, _ = run_with_extras
    for thing in ADDED:
        place, written, edited = table()[thing]
        assert len(list((folder / place).glob("*.py"))) == 1
        assert (written, edited) == ("1 file", 0)


def _folder(package):
    """Where a package's files lie, below the repository."""
    return Path(find_spec(package).origin).parent.relative_to(ROOT).as_posix()


def test_the_table_has_every_registry():
    kinds = [kind for kind in vars(registries).values() if isinstance(kind, registries.Registry)]
    folders = {_folder(kind._package): kind for kind in kinds}
    assert {place for place, _, _ in table().values()} == set(folders)
    for thing, (place, written, _) in table().items():
        assert thing.partition(" ")[2] == folders[place].kind
        assert (written == "1 folder") is folders[place]._folders


@pytest.mark.parametrize("thing", ADDED)
def test_each_kind_is_one_file_that_nothing_else_imports(thing):
    """Every file is a kind of its name, and the runtime and the command line import none of them."""
    registry, folder = REGISTRIES[thing], ROOT / table()[thing][0]
    files = {file.stem for file in folder.glob("*.py")} - {"__init__"}
    assert {stem.replace("_", "-") for stem in files} <= set(registry.names())
    place = ".".join(["ermu", *folder.relative_to(ROOT).parts])
    own = {f"{place}.{stem}" for stem in files}
    for name, found in all_imports(project_modules()).items():
        if name not in own and not name.startswith(PROGRAMS):
            used = {module for module in own for i in found if f"{i.name}.".startswith(f"{module}.")}
            assert not used, f"{name} imports {used}"
