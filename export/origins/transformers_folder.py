"""A folder of Hugging Face's transformers: SAM 2 and 2.1 for video, and EdgeTAM."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ermu.errors import OptionError
from ermu.export.network.normalisation import IMAGENET, Normalisation
from ermu.export.origins.origin import LICENCE, Exportable, ExportOptions, Origin, provenance
from ermu.export.transformers_video.folder import read_folder
from ermu.export.transformers_video.graphs import build_object_graphs, object_plan
from ermu.export.transformers_video.loading import load_model
from ermu.export.transformers_video.preprocessing import read_normalisation
from ermu.kernels.base.resampling import ANTIALIASED
from ermu.runtime.bundle.manifest import FORMAT_VERSION, WHOLE, Manifest, NetworkInfo
from ermu.runtime.bundle.object_manifest import ObjectManifest
from ermu.runtime.bundle.parts import FileInfo, GraphInfo, InputInfo, MemoryInfo
from ermu.runtime.bundle.sizes import UNALIGNED
from ermu.runtime.memory.objects.options import FIFO, is_scored

_LICENCE = f"{LICENCE} What Meta publishes as SAM 2, 2.1 and EdgeTAM is Apache-2.0."


@dataclass(frozen=True)
class Published:
    """Where a network comes from: its folder's name, what tells it apart, keys that the network ignores."""

    name: str
    sha256: str
    ignored: tuple[str, ...] = ()


class ExportableObjects(Exportable):
    """A network of transformers that follows every object by itself.

    Args:
        model: A `Sam2VideoModel` or `EdgeTamVideoModel` in evaluation mode, with its weights.
        published: Where it comes from.
        options: What was asked for.
        normalisation: Of its input; default, ImageNet's.

    Raises:
        OptionError: the network tells fewer memory frames apart than are asked for.
    """

    def __init__(
        self,
        model: Any,
        published: Published,
        options: ExportOptions,
        normalisation: Normalisation = IMAGENET,
    ) -> None:
        slots = int(model.num_maskmem)
        if options.capacity is not None and not 2 <= options.capacity <= slots:
            raise OptionError(
                f"capacity is {options.capacity}, and the network tells {slots} memory frames apart.",
                expected=f"2 to {slots}",
            )
        self._model, self._published, self._options = model, published, options
        self._capacity, self._side = options.capacity or slots, int(model.image_size)
        self.graphs = build_object_graphs(model, options.image_dtype, normalisation)
        self.grid, self.size = UNALIGNED, (self._side, self._side)

    def manifest(self, folder: Path, graphs: dict[str, GraphInfo], weights: FileInfo) -> Manifest:
        """See `Exportable.manifest`."""
        model, options, published = self._model, self._options, self._published
        perceived = hasattr(model, "spatial_perceiver")
        family, encoder = ("edgetam", "timm") if perceived else ("sam2", "hiera")
        rows = model.memory_temporal_positional_encoding[:, 0, 0].tolist()
        return ObjectManifest(
            format_version=FORMAT_VERSION,
            kind="object",
            network=NetworkInfo(name=published.name, family=family, encoder=encoder, align_corners=False),
            memory=MemoryInfo(
                policy=options.policy or FIFO,
                capacity=self._capacity,
                gap=options.gap or 1,
                gap_rule="constant",
            ),
            input=InputInfo(
                size=self.size,
                dtype=options.image_dtype,  # type: ignore[arg-type]
                long_edge=self._side,
                resampling=options.resampling or ANTIALIASED,  # type: ignore[arg-type]
            ),
            precision="fp32",
            graphs=graphs,
            plans={WHOLE: object_plan(graphs)},
            weights=(weights,),
            memory_rows=tuple(map(tuple, rows)),
            most_pointers=int(model.config.max_object_pointers_in_encoder),
            provenance=provenance(
                published.name,
                published.sha256,
                ignored=published.ignored,
                tools=("transformers",),
                licence=_LICENCE,
            ),
        )


class TransformersFolder(Origin):
    """A folder with config.json and weights in safetensors."""

    def takes(self, path: Path) -> bool:
        """See `Origin.takes`."""
        return path.is_dir()

    def read(self, path: Path, options: ExportOptions) -> Exportable:
        """See `Origin.read`."""
        _check_options(options)
        folder = read_folder(path)
        model, ignored = load_model(folder)
        normalisation = read_normalisation(path, int(model.image_size))
        published = Published(folder.name, folder.sha256(), ignored)
        return ExportableObjects(model, published, options, normalisation)


def _check_options(options: ExportOptions) -> None:
    """Refuses what has no meaning here, before anything is loaded."""
    fixed = "config.json says it, frames are squeezed to that square"
    for name, given, why in (
        ("network", options.network, "config.json says which network it is"),
        ("size", options.size, fixed),
        ("long edge", options.long_edge, fixed),
        ("relevance weight", options.relevance_weight, "its manifest has no constants of ERMU's"),
    ):
        if given is not None:
            raise OptionError(
                f"A {name} is given for a folder of transformers: {why}.", fix=f"leave the {name} out"
            )
    if options.policy not in (None, FIFO) and not is_scored(options.policy):
        raise OptionError(
            f"The policy '{options.policy}' is not for networks that follow every object by itself.",
            expected="fifo, ermu or rmem",
        )
    if options.gap is not None and options.gap < 1:
        raise OptionError(f"gap is {options.gap}.", expected="at least 1, a frame remembered in so many")
