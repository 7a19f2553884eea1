"""Builds the optional binaries of `ermu.kernels` and the index page; everything else is in pyproject.toml.

Without a C++ compiler or without pybind11 the package is built all the same and runs on its numpy kernels.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
KERNELS = ROOT / "kernels"
_RELATIVE = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?!https?:|#)(?P<path>[^)]+)\)")


def load(name: str, file: Path) -> ModuleType:
    """Imports a build script by its path: the package it belongs to is not installed yet."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class BuildKernels(build_ext):
    """Compiles the CPU kernels with their own flags for each file, and the CUDA kernels where nvcc exists."""

    def run(self) -> None:
        """Builds the extension, and for a wheel the fatbin; an editable install leaves that to first use."""
        super().run()
        if self.inplace or self.editable_mode:
            return
        cuda = load("ermu_cuda_build", KERNELS / "cuda" / "build.py")
        if cuda.nvcc() is None:
            return
        try:
            cuda.compile_fatbin(Path(self.build_lib) / "ermu" / "kernels" / "cuda" / "ermu.fatbin")
        except Exception as error:
            print(f"ermu: no CUDA kernels ({error}); first use will compile them", file=sys.stderr)

    def build_extension(self, ext: Extension) -> None:
        """Compiles the CPU kernels; a failure leaves the package without them."""
        cpu = load("ermu_cpu_build", KERNELS / "cpu" / "build.py")
        try:
            cpu.compile_library(Path(self.get_ext_fullpath(ext.name)))
        except Exception as error:
            said = getattr(error, "stderr", None) or error
            print(f"ermu: no CPU kernels ({said}); the numpy kernels will be used", file=sys.stderr)


def packages() -> list[str]:
    """Every package below `ermu` and below the top-level folders that belong to it."""
    folders = ("benchmarks", "evaluation", "export", "kernels", "runtime", "training")
    below = [f"ermu.{name}" for folder in folders for name in (folder, *_below(folder))]
    return [*find_packages(include=["ermu", "ermu.*"]), *below]


def _below(folder: str) -> list[str]:
    return [f"{folder}.{name}" for name in find_packages(folder)]


def index_page() -> str:
    """The README as a package index shows it: links and pictures lead to this version in the repository."""
    place = _assigned("pyproject.toml", "Repository")
    tag = f"v{_assigned('ermu/version.py', '__version__')}"

    def absolute(link: re.Match[str]) -> str:
        kind = "raw" if link["picture"] else "blob"
        return f"{link['picture']}[{link['text']}]({place}/{kind}/{tag}/{link['path']})"

    return _RELATIVE.sub(absolute, (ROOT / "README.md").read_text("utf-8"))


def _assigned(file: str, name: str) -> str:
    (value,) = re.findall(rf'^{name} = "(.*)"$', (ROOT / file).read_text("utf-8"), re.MULTILINE)
    return str(value)


setup(
    long_description=index_page(),
    long_description_content_type="text/markdown",
    packages=packages(),
    ext_modules=[Extension("ermu.kernels.cpu._native", sources=[], optional=True)],
    cmdclass={"build_ext": BuildKernels},
)
