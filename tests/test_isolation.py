"""Who may import whom, and that the runtime needs neither torch nor onnx."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from ermu.runtime.images.labels import write_label_map
from tests.support.import_graph import (
    FOLDERS,
    ROOT,
    all_imports,
    circles,
    imports_of,
    project_modules,
    target,
)

# The import rule of docs/architecture.md: a room, and the rooms that it may import. The rooms of one module
# are those that everything may rest on; a module belongs to the longest name that fits.
_BASE = (
    "ermu.closing",
    "ermu.errors",
    "ermu.logs",
    "ermu.redaction",
    "ermu.registries",
    "ermu.registry",
    "ermu.types",
    "ermu.version",
)
_RUNTIME = (*_BASE, "ermu.devices", "ermu.kernels", "ermu.runtime")
_EXPORT = (*_RUNTIME, "ermu.export", "ermu.scenes")
_EVALUATION = (*_RUNTIME, "ermu.evaluation", "ermu.scenes")
MAY_IMPORT = {
    "ermu.closing": (),
    "ermu.errors": ("ermu.redaction",),
    "ermu.types": (),
    "ermu.version": (),
    "ermu.logs": ("ermu.redaction",),
    "ermu.redaction": (),
    "ermu.registry": ("ermu.errors",),
    "ermu.registries": ("ermu.registry",),
    "ermu.assets": (),
    "ermu.devices": (*_BASE, "ermu.devices"),
    "ermu.kernels": (*_BASE, "ermu.devices", "ermu.kernels"),
    "ermu.runtime": _RUNTIME,
    "ermu.scenes": (*_BASE, "ermu.runtime", "ermu.scenes"),
    "ermu.formats": (*_BASE, "ermu.runtime", "ermu.formats"),
    "ermu.evaluation": _EVALUATION,
    "ermu.fleet": (*_EVALUATION, "ermu.fleet"),
    "ermu.export": _EXPORT,
    "ermu.training": (*_BASE, "ermu.export", "ermu.scenes", "ermu.training"),
    "ermu.benchmarks": (*_EXPORT, "ermu.assets", "ermu.benchmarks"),
    "ermu.demo": (*_EVALUATION, "ermu.export", "ermu.assets"),
    "ermu.cli": (
        *_EVALUATION,
        *(
            "ermu.benchmarks",
            "ermu.cli",
            "ermu.demo",
            "ermu.export",
            "ermu.fleet",
            "ermu.formats",
            "ermu.training",
        ),
    ),
    "ermu.__main__": ("ermu.cli",),
    "ermu": (*_EXPORT,),  # the front door, which nobody inside goes through
    "ermu.plugins": (
        *_EXPORT,
        "ermu.evaluation",
        "ermu.formats",
        "ermu.benchmarks",
    ),  # and that for packages that plug in
}
WITH_TORCH = {"ermu.export", "ermu.training", "ermu.benchmarks"}  # the command line asks if it is there
TORCH = ("onnx", "onnxscript", "torch", "torchvision")
MOST_FILES = 12
BLOCKED = "import sys\nfor name in ('torch', 'onnx', 'onnxscript'): sys.modules[name] = None\n"

MODULES = project_modules()
IMPORTS = all_imports(MODULES)


def room_of(name: str) -> str:
    """The room of the table that a module or an imported name lies in."""
    while name not in MAY_IMPORT:
        name = name.rpartition(".")[0]
    return name


def forbidden(module: str, source: str, *, package: bool = False) -> set[str]:
    """What a module imports and may not, lazily or for types alone included.

    Types alone are free in `ermu.registries`, which says what a plugin is without importing anything.
    """
    room = room_of(module)
    found = imports_of(source, module, package=package)
    names = {i.name for i in found if not (i.typing and room == "ermu.registries")}
    own = {name for name in names if name.split(".")[0] == "ermu"}
    wrong = {name for name in own if room_of(name) not in {*MAY_IMPORT[room], room}}
    if room not in WITH_TORCH:
        eager = {i.name for i in found if i.name in names and not (i.lazy and room == "ermu.cli")}
        wrong |= {name for name in eager if name.split(".")[0] in TORCH}
    return wrong


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_one_way(room):
    modules = {name: file for name, file in MODULES.items() if room_of(name) == room}
    assert modules, f"{room} has no module: take it out of the table"
    for name, file in modules.items():
        wrong = forbidden(name, file.read_text(), package=file.stem == "__init__")
        assert not wrong, f"{file.relative_to(ROOT)} imports {sorted(wrong)}"


@pytest.mark.parametrize(
    ("module", "planted", "found"),
    [
        ("ermu.runtime.segmenter", "from ..export import network", "ermu.export.network"),
        ("ermu.runtime.memory.bank", "from ... import export", "ermu.export"),
        ("ermu.runtime.memory.bank", "def f():\n    from ...cli.streams import x", "ermu.cli.streams.x"),
        ("ermu.runtime.files", "import ermu", "ermu"),
        ("ermu.runtime.files", "from ermu import Segmenter", "ermu.Segmenter"),
        ("ermu.kernels.loading", "from ..runtime.files import sha256_of", "ermu.runtime.files.sha256_of"),
        ("ermu.kernels.loading", "import torch.nn.functional as F", "torch.nn.functional"),
        ("ermu.devices.cuda", "from ermu.kernels.cuda import library", "ermu.kernels.cuda.library"),
        ("ermu.scenes.scene", "if TYPE_CHECKING:\n    from onnx import ModelProto", "onnx.ModelProto"),
        ("ermu.runtime.doctor", "from ermu.assets import DEMO_BUNDLE", "ermu.assets.DEMO_BUNDLE"),
    ],
)
def test_planted_imports_are_caught(module, planted, found):
    assert forbidden(module, planted) == {found}


def test_relative_imports_of_packages_are_resolved():
    assert [i.name for i in imports_of("from . import a", "ermu.runtime", package=True)] == ["ermu.runtime.a"]
    assert [i.name for i in imports_of("from .a import b", "ermu.runtime.files")] == ["ermu.runtime.a.b"]


def test_no_import_circles():
    """Between modules, at import time: lazy imports do not count, those for types alone do."""
    arrows = {
        module: {t for i in found if not i.lazy and (t := target(i.name, MODULES)) and t != module}
        for module, found in IMPORTS.items()
        if module
        not in ("ermu", "ermu.plugins", "ermu.registries")  # whose imports for types point at everything
    }
    assert not circles(arrows)


def test_no_circles_between_the_runtimes_rooms():
    """A folder of the runtime, or a module of its own, is a room; lazy imports count, too."""

    def room(module):
        return ".".join(module.split(".")[:3])

    arrows = {room(module): set() for module in MODULES if module.startswith("ermu.runtime.")}
    for module, found in IMPORTS.items():
        if room(module) in arrows:
            reached = {room(t) for i in found if not i.typing and (t := target(i.name, MODULES))}
            arrows[room(module)] |= (reached & arrows.keys()) - {room(module)}
    assert not circles(arrows)


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


@pytest.mark.parametrize("folder", [*FOLDERS, "tests"])
def test_folders_stay_small(folder):
    places = {file.parent for file in (ROOT / folder).rglob("*.py") if ".cache" not in file.parts}
    for place in places:
        files = [file.name for file in place.glob("*.py") if file.stem != "__init__"]
        assert len(files) <= MOST_FILES, f"{place.relative_to(ROOT)} has {len(files)}: {sorted(files)}"


def test_run_without_torch_and_onnx(tmp_path, tiny_bundle):
    """`ermu run` in an interpreter where importing torch or onnx raises."""
    frames, label = tmp_path / "frames", np.zeros((65, 97), np.uint8)
    frames.mkdir()
    label[20:40, 20:50] = 5
    for i in range(6):
        image = np.random.default_rng(i).integers(0, 256, (65, 97, 3), np.uint8)
        cv2.imwrite(str(frames / f"{i:03d}.png"), image)
    write_label_map(tmp_path / "prompt.png", label)
    arguments = ["run", "--bundle", tiny_bundle, "--source", frames, "--prompt", tmp_path / "prompt.png"]
    command = [*map(str, arguments), "--out", str(tmp_path / "out")]
    script = f"{BLOCKED}sys.argv = ['ermu', *{command!r}]\nfrom ermu.cli import main\nmain()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out" / "labels").glob("*.png"))) == 6


@pytest.mark.parametrize(
    "command", ["", "run", "serve", "fleet", "bench", "eval", "build", "export", "doctor", "convert"]
)
def test_help_imports_nothing_heavy(command):
    """Pydantic aside, which typer loads for a command's options where it is installed."""
    arguments = ["ermu", *command.split(), "--help"]
    script = (
        f"import sys\nsys.argv = {arguments}\nfrom ermu.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'cv2', 'onnxruntime', 'torch', 'onnx', 'PIL', 'matplotlib', 'starlette', 'ray'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=60)
