"""Who may import whom, and that the runtime needs neither torch nor onnx."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from ermu.runtime.images.labels import write_label_map

ROOT = Path(__file__).parents[1]
TORCH_FREE = ("runtime", "kernels", "ermu/scenes")
FORBIDDEN = ("torch", "onnx", "ermu.export", "ermu.training", "ermu.evaluation")
BLOCKED = "import sys\nfor name in ('torch', 'onnx', 'onnxscript'): sys.modules[name] = None\n"


def _imports(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("folder", TORCH_FREE)
def test_imports_point_one_way(folder):
    for file in (ROOT / folder).rglob("*.py"):
        wrong = {n for n in _imports(file) if any(n == f or n.startswith(f + ".") for f in FORBIDDEN)}
        assert not wrong, f"{file} imports {wrong}"


def test_kernels_do_not_import_the_runtime():
    for file in (ROOT / "kernels").rglob("*.py"):
        assert not {n for n in _imports(file) if n.startswith("ermu.runtime")}, file


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


def test_help_imports_nothing_heavy():
    script = (
        "import sys\nsys.argv = ['ermu', '--help']\nfrom ermu.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'cv2', 'onnxruntime', 'torch', 'onnx', 'pydantic', 'PIL', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=60)
