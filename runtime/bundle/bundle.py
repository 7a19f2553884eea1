"""A bundle on disk: loaded with every file accounted for, or refused with the reason."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from ermu.assets import DEMO_BUNDLE
from ermu.errors import BundleError
from ermu.runtime.bundle.manifest import FORMAT_VERSION, READABLE_VERSIONS, FileInfo, Manifest
from ermu.runtime.files import sha256_of

BF16 = "bf16"  # no graphs of its own: an arithmetic of CPU backends
_REEXPORT = "export the checkpoint again with `ermu export`"


@dataclass(frozen=True)
class Bundle:
    """A verified bundle.

    Attributes:
        path: The folder.
        manifest: Its contents.
    """

    path: Path
    manifest: Manifest

    @classmethod
    def load(cls, path: str | Path) -> Bundle:
        """Reads the manifest and checks every file's hash.

        Args:
            path: A bundle's folder; `demo` means the bundle that comes with the package.

        Raises:
            BundleError: no bundle there, another format version, or a file that is missing or altered.
        """
        path = Path(path)
        if str(path) == "demo" and not (path / "manifest.json").is_file():
            path = DEMO_BUNDLE
        bundle = cls(path, _read_manifest(path))
        bundle._verify()
        return bundle

    def at_precision(self, precision: str) -> Bundle:
        """The bundle with its graphs in another precision, verified.

        Args:
            precision: The bundle's own; bf16, which rounds the products of the float32 graphs while they run
                (`BF16`); or one that `ermu build` has added.

        Raises:
            BundleError: the bundle has no such graphs, or their files are missing or altered.
        """
        manifest = self.manifest
        if precision == manifest.precision:
            return self
        if precision == BF16 and manifest.precision == "fp32":
            return Bundle(self.path, manifest.model_copy(update={"precision": BF16}))
        if precision not in manifest.variants:
            raise BundleError(
                f"{self.path} has no {precision} graphs.",
                expected=f"one of {', '.join((manifest.precision, *manifest.variants))}",
                fix=f"ermu build --bundle {self.path} --engine onnxruntime --precision {precision}",
            )
        variant = manifest.variants[precision]
        split = {**manifest.split, **variant.split}
        change = {"precision": precision, "graphs": variant.graphs, "split": split}
        bundle = Bundle(self.path, manifest.model_copy(update=change))
        bundle._verify()
        return bundle

    def in_parts(self) -> Bundle:
        """The bundle with `propagate` in parts, for a backend with kernels for what they leave out.

        Raises:
            BundleError: the bundle has none, or their files are missing or altered.
        """
        if not self.manifest.split:
            raise BundleError(f"{self.path} has `propagate` in one piece only.", fix=_REEXPORT)
        for name, graph in self.manifest.split.items():
            _verify(self.path / graph.file, name, graph)
        return Bundle(self.path, self.manifest.in_parts())

    def identity_weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """`weight` (C, 12, 17, 17) and `bias` (C,) of the identity embedding, verified."""
        info = self.manifest.identity
        assert info is not None, "bundles with parts have them"
        _verify(self.path / info.file, "identity", info)
        with np.load(self.path / info.file) as weights:
            return {name: weights[name] for name in ("weight", "bias")}

    def graph_path(self, graph: str) -> Path:
        """The ONNX file of a graph."""
        return self.path / self.manifest.graphs[graph].file

    def _verify(self) -> None:
        for name, graph in self.manifest.graphs.items():
            _verify(self.path / graph.file, name, graph)

    def temporal_rows(self) -> npt.NDArray[np.float32]:
        """The temporal embedding, 4 x D."""
        return np.asarray(self.manifest.temporal_rows, np.float32)


def _read_manifest(path: Path) -> Manifest:
    file = path / "manifest.json"
    if not file.is_file():
        raise BundleError(
            f"{path} is not a bundle: it has no manifest.json.",
            fix="make one with `ermu export --checkpoint F.pth --network NAME --out BUNDLE`",
        )
    try:
        content = json.loads(file.read_text())
    except (ValueError, OSError) as error:
        raise BundleError(f"{file} cannot be read: {error}.", expected="JSON text", fix=_REEXPORT) from error
    found = content.get("format_version") if isinstance(content, dict) else None
    if found not in READABLE_VERSIONS:
        raise BundleError(
            f"{file} has bundle format version {found!r}.",
            expected=f"version {FORMAT_VERSION}, the one this release of ermu writes, or an older one",
            fix=_REEXPORT,
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{file}: field {where}: {first['msg']}.", fix=_REEXPORT) from error


def _verify(file: Path, name: str, info: FileInfo) -> None:
    if not file.is_file():
        raise BundleError(f"{file} is missing: the manifest lists it as '{name}'.", fix=_REEXPORT)
    found = sha256_of(file)
    if found != info.sha256:
        raise BundleError(
            f"{file} has been altered: its SHA-256 is {found[:16]}…",
            expected=f"{info.sha256[:16]}…, as the manifest says",
            fix=_REEXPORT,
        )
