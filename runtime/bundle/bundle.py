"""A bundle on disk: loaded with every file accounted for, or refused with the reason."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Discriminator, Tag, TypeAdapter, ValidationError

from ermu.errors import BundleError
from ermu.registries import STORES
from ermu.runtime.bundle.group_manifest import GroupManifest
from ermu.runtime.bundle.manifest import FORMAT_VERSION, Manifest
from ermu.runtime.bundle.object_manifest import ObjectManifest
from ermu.runtime.bundle.parts import FileInfo
from ermu.runtime.bundle.store import scheme_of
from ermu.runtime.files import sha256_of

FP32 = "fp32"
BF16 = "bf16"  # no graphs of its own: an arithmetic of CPU backends and kernels
BUILT = ("fp16", "int8")  # what `ermu build` can add
NAMED_BUNDLES = "ermu.bundles"  # entry point group: paths of bundles that packages bring along
logger = logging.getLogger("ermu.bundles")
_REEXPORT = "export the checkpoint again with `ermu export`"


def _kind(manifest: Any) -> Any:
    """Of a manifest: left out, it is that of the networks that were there first."""
    return manifest.get("kind", "group") if isinstance(manifest, dict) else None


_MANIFESTS: TypeAdapter[GroupManifest | ObjectManifest] = TypeAdapter(
    Annotated[
        Annotated[GroupManifest, Tag("group")] | Annotated[ObjectManifest, Tag("object")],
        Discriminator(_kind),
    ]
)


@dataclass(frozen=True)
class Bundle:
    """A verified bundle, at one of its precisions.

    Attributes:
        path: The folder.
        manifest: Its contents; graphs and plans are those of `manifest.precision`.
        address: By which it was fetched; None for a folder of the user's or of a package.
    """

    path: Path
    manifest: Manifest
    address: str | None = None

    @classmethod
    def load(cls, path: str | Path) -> Bundle:
        """Reads the manifest and checks every file's hash.

        Args:
            path: A bundle's folder, the name of one that a package brings along (`demo`), or as text an
                address that a store knows (`hf://org/name`).

        Raises:
            BundleError: no bundle there, another format version, or a file that is missing or altered.
            DependencyError, SinkError: as `BundleStore.fetch`.
        """
        address = str(path) if scheme_of(path) else None
        folder = _folder(Path(path)) if address is None else _fetched(address)
        bundle = cls(folder, _read_manifest(folder), address)
        manifest = bundle.manifest
        bundle._verify([*manifest.graphs.values(), *manifest.weights, *manifest.kernel_weights])
        return bundle

    @property
    def precisions(self) -> tuple[str, ...]:
        """Its own, then those that `ermu build` has added."""
        return self.manifest.precision, *self.manifest.variants

    @property
    def group_manifest(self) -> GroupManifest:
        """The manifest, where objects share memories in groups of ten.

        Raises:
            BundleError: the network follows every object by itself, and what was asked for does not serve it.
        """
        if not isinstance(self.manifest, GroupManifest):
            raise self._unserved("AOT's or DeAOT's, say")
        return self.manifest

    @property
    def object_manifest(self) -> ObjectManifest:
        """The manifest, where every object has a memory of its own.

        Raises:
            BundleError: objects share memories in groups, and what was asked for does not serve that.
        """
        if not isinstance(self.manifest, ObjectManifest):
            raise self._unserved("SAM 2's, say")
        return self.manifest

    @cached_property
    def fingerprint(self) -> str:
        """Hex SHA-256 of what a memory depends on: the network, its weights, its constants and input.

        The same at every precision, after `ermu build`, and for another export of the same checkpoint with
        other defaults.
        """
        manifest = self.manifest
        known = {
            "checkpoint": manifest.provenance.checkpoint_sha256,
            "network": manifest.network.model_dump(),
            **manifest.constants,
            "image": manifest.input.dtype,
            "resampling": manifest.input.resampling,
        }
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()

    @property
    def package_name(self) -> str | None:
        """The name under which a package brings the bundle along; None for a folder of the user's."""
        here = self.path.resolve()
        for point in entry_points(group=NAMED_BUNDLES):
            try:
                if Path(point.load()).resolve() == here:
                    return point.name
            except Exception:  # a package of somebody else's that does not load has nothing to do with this
                continue
        return None

    @property
    def build_options(self) -> str:
        """How `ermu build` is told to build for it: never inside a package, nor in what was fetched."""
        if self.address is not None:
            return f"--bundle '{self.address}' --out {self.manifest.network.name}-built"
        name = self.package_name
        return f"--bundle {self.path}" if name is None else f"--bundle {name} --out {name}-built"

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
        if precision == BF16 and manifest.precision == FP32:
            return self._changed(precision=BF16)
        if precision not in manifest.variants:
            raise BundleError(
                f"{self.path} has no {precision} graphs.",
                expected=f"one of {', '.join(self.precisions)}",
                fix=f"ermu build {self.build_options} --precision {precision}"
                if precision in BUILT
                else None,
            )
        variant = manifest.variants[precision]
        self._verify([*variant.graphs.values(), *variant.weights])
        return self._changed(
            precision=precision,
            graphs={**manifest.graphs, **variant.graphs},
            plans={name: manifest.plans[name] for name in variant.plans},
            weights=(*manifest.weights, *variant.weights),
        )

    def graph_path(self, graph: str) -> Path:
        """The ONNX file of a graph."""
        return self.path / self.manifest.graphs[graph].file

    def identity_weights(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Weight (C, L, 17, 17) and bias (C,) of the identity embedding; L is 12, or 11 without ignore."""
        with np.load(self.path / self.group_manifest.identity.file) as weights:
            return weights["weight"], weights["bias"]

    def relative_values(self) -> dict[int, npt.NDArray[np.float32]]:
        """What attention in a window adds to values by their place there, by block: (heads, 225, dv)."""
        info = self.group_manifest.relative_values
        if info is None:
            return {}
        with np.load(self.path / info.file) as values:
            return {int(name.removeprefix("block")): values[name] for name in values.files}

    def temporal_rows(self) -> npt.NDArray[np.float32]:
        """The temporal embedding, 4 x D; 0 x D in a network without."""
        manifest = self.group_manifest
        rows, width = manifest.temporal_rows, manifest.network.key_width
        return np.asarray(rows, np.float32).reshape(len(rows), width)

    def _unserved(self, like: str) -> BundleError:
        network = self.manifest.network
        return BundleError(
            f"{self.path} is of the network {network.name} ({network.family}), which this does not serve.",
            expected=f"a bundle of another network, {like}",
        )

    def _changed(self, **fields: Any) -> Bundle:
        return Bundle(self.path, self.manifest.model_copy(update=fields), self.address)

    def _verify(self, files: Iterable[FileInfo]) -> None:
        again = f"remove {self.path}, and it is fetched again" if self.address else _REEXPORT
        for info in files:
            _verify(self.path / info.file, info, again)


def _folder(path: Path) -> Path:
    """The path itself, or the folder of a bundle of that name."""
    if not (path / "manifest.json").is_file():
        for point in entry_points(group=NAMED_BUNDLES, name=str(path)):
            try:
                return Path(point.load())
            except Exception as error:  # whatever the other package does while it is imported
                raise BundleError(
                    f"The bundle '{point.name}' of another package does not load: {error}."
                ) from error
    return path


def _fetched(address: str) -> Path:
    """The folder of a bundle that a store knows."""
    scheme, known = scheme_of(address), {}
    for _, store in STORES.loadable(logger):
        if scheme in store.schemes:
            return store().fetch(address)
        known.update(dict.fromkeys(store.schemes))
    raise BundleError(
        f"There is no store for {scheme}://.", expected=f"one of {', '.join(f'{name}://' for name in known)}"
    )


def _read_manifest(path: Path) -> Manifest:
    file = path / "manifest.json"
    if not file.is_file():
        named = sorted(point.name for point in entry_points(group=NAMED_BUNDLES))
        published = (path / "config.json").is_file()  # transformers' folder of a checkpoint
        raise BundleError(
            f"{path} is not a bundle: it has no manifest.json.",
            expected=f"a bundle's folder, or one of {', '.join(named)}" if named else "a bundle's folder",
            fix=f"make one with `ermu export --checkpoint {path if published else 'F.pth'} --out BUNDLE`",
        )
    try:
        content = json.loads(file.read_text())
    except (ValueError, OSError) as error:
        raise BundleError(f"{file} cannot be read: {error}.", expected="JSON text", fix=_REEXPORT) from error
    found = content.get("format_version") if isinstance(content, dict) else None
    if found != FORMAT_VERSION:
        raise BundleError(
            f"{file} has bundle format version {found!r}.",
            expected=f"version {FORMAT_VERSION}, the one that this release of ermu writes and reads",
            fix=_REEXPORT,
        )
    try:
        return _MANIFESTS.validate_python(content)
    except ValidationError as error:
        raise BundleError(f"{file}: {_said(error)}.", fix=_REEXPORT) from error


def _said(error: ValidationError) -> str:
    """The first thing that is wrong, and what was found there."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])  # after the manifest's kind
    if not where:
        return str(first["msg"])
    found = f", found {first['input']!r}" if isinstance(first["input"], (str, int, float)) else ""
    return f"field {where}: {first['msg']}{found}"


def _verify(file: Path, info: FileInfo, fix: str) -> None:
    if not file.is_file():
        raise BundleError(f"{file} is missing: the manifest lists it.", fix=fix)
    found = sha256_of(file)
    if found != info.sha256:
        raise BundleError(
            f"{file} has been altered: its SHA-256 is {found[:16]}...",
            expected=f"{info.sha256[:16]}..., as the manifest says",
            fix=fix,
        )
