"""What every kind of checkpoint can do: say whether it is one, and hand over graphs and a manifest."""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from ermu.export.graph import Graph
from ermu.export.network.spec import NetworkSpec
from ermu.runtime.bundle.manifest import Manifest
from ermu.runtime.bundle.parts import FileInfo, GraphInfo, Provenance
from ermu.runtime.bundle.sizes import GridRule
from ermu.runtime.files import sha256_of

LICENCE = (
    "The graphs contain the weights of the checkpoint named here and stay under that checkpoint's licence; "
    "ERMU itself is Apache-2.0."
)
_TOOLS = ("ermu", "torch", "onnx", "onnxscript", "onnxruntime", "numpy")


@dataclass(frozen=True)
class ExportOptions:
    """What was asked for; arguments as of `export_bundle`, where None is an origin's own default."""

    network: str | NetworkSpec | None = None
    size: tuple[int, int] | None = None
    policy: str | None = None
    capacity: int | None = None
    gap: int | None = None
    long_edge: int | None = None
    image_dtype: str = "float32"
    resampling: str | None = None
    relevance_weight: float | None = None


class Exportable(ABC):
    """A network that has been read, ready to be written.

    Attributes:
        graphs: All of them, in the order of a frame.
        grid: How its grids lie on its input.
        size: Network input (height, width) that the graphs are fixed to; None, they take any.
    """

    graphs: list[Graph]
    grid: GridRule
    size: tuple[int, int] | None

    @abstractmethod
    def manifest(self, folder: Path, graphs: dict[str, GraphInfo], weights: FileInfo) -> Manifest:
        """The bundle's manifest; writes into the folder what kernels read."""


class Origin(ABC):
    """A kind of checkpoint."""

    @abstractmethod
    def takes(self, path: Path) -> bool:
        """Whether a path is one, by what lies there."""

    @abstractmethod
    def read(self, path: Path, options: ExportOptions) -> Exportable:
        """The network with its weights.

        Raises:
            CheckpointError: it cannot be read, or is no known network.
            OptionError: an option is out of range, or not for this kind.
            DependencyError: a package is missing.
        """


def listed_file(path: Path) -> FileInfo:
    """A file at the top of a bundle's folder, as the manifest lists it."""
    return FileInfo(file=path.name, sha256=sha256_of(path))


def provenance(
    name: str,
    sha256: str,
    *,
    ignored: tuple[str, ...] = (),
    tools: tuple[str, ...] = (),
    licence: str = LICENCE,
) -> Provenance:
    """Where a bundle comes from, and what made it here and now.

    Args:
        name: The checkpoint's.
        sha256: Of its bytes.
        ignored: Its keys that no network reads.
        tools: Packages that had a part beside those that every export needs.
        licence: Of the graphs, in words.
    """
    versions = {tool: version(tool) for tool in (*_TOOLS, *tools)}
    return Provenance(
        checkpoint=name,
        checkpoint_sha256=sha256,
        ignored_keys=ignored,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        tools={"python": platform.python_version(), **versions},
        licence=licence,
    )
