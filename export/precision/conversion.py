"""A bundle's graphs in another precision, measured against float32 before they join the bundle."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from ermu.errors import BundleError
from ermu.export.bundle_editor import add_to_bundle
from ermu.export.precision.comparison import Clip, compare, procedural_clip, track
from ermu.export.precision.float16 import to_float16
from ermu.export.precision.int8 import record_samples, to_int8
from ermu.runtime.backends.base import resolve
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import GraphInfo, TensorInfo, Variant
from ermu.runtime.bundle.sizes import Grids
from ermu.runtime.files import sha256_of

PRECISIONS = ("fp32", "fp16", "int8")
RECIPE = 2  # raise it when a conversion changes: variants of another recipe are made again
CALIBRATION_SEEDS = range(2000, 2006)

Progress = Callable[[str, int, int], None]


def add_precision(
    bundle: Bundle | str | Path, precision: str, *, clip: Clip | None = None, progress: Progress | None = None
) -> Bundle:
    """Gives a bundle its graphs in another precision; does nothing where it has them already.

    Args:
        bundle: With float32 graphs.
        precision: fp16, int8, or fp32, which every bundle has.
        clip: Frames to compare on and, for int8, to take ranges from; default, procedural ones, others for
            each of the two.
        progress: Called with (what, step, steps).

    Returns:
        The bundle at that precision; `manifest.variants[precision].comparison` says what it changes.

    Raises:
        BundleError: the precision is unknown.
        BackendError: a graph cannot be converted; the bundle is as it was.
    """
    loaded = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
    if precision not in PRECISIONS:
        raise BundleError(f"Unknown precision '{precision}'.", expected=f"one of {', '.join(PRECISIONS)}")
    if precision == loaded.manifest.precision or _up_to_date(loaded, precision):
        return loaded.at_precision(precision)
    folder = Path(tempfile.mkdtemp(prefix=f".{loaded.path.name}.", dir=loaded.path.parent))
    try:
        variant, files = _made(loaded, precision, clip, folder, progress or (lambda what, step, steps: None))
        added = add_to_bundle(
            loaded, files, lambda m: m.model_copy(update={"variants": {**m.variants, precision: variant}})
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return added.at_precision(precision)


def _up_to_date(bundle: Bundle, precision: str) -> bool:
    variant = bundle.manifest.variants.get(precision)
    return variant is not None and variant.recipe == RECIPE


def _made(
    bundle: Bundle, precision: str, clip: Clip | None, folder: Path, tell: Progress
) -> tuple[Variant, dict[str, Path]]:
    """The variant, and its new files by the names that they will have in the bundle."""
    measured = clip or procedural_clip()
    clips = [] if precision == "fp16" else [clip] if clip else _calibration_clips()
    tell("run the float32 graphs", 0, 3)
    reference = track(bundle, measured)
    tell("convert", 1, 3)
    converted = _to_float16(bundle, folder) if precision == "fp16" else _to_int8(bundle, folder, clips)
    infos = {name: _described(bundle, name, precision, file) for name, file in converted.items()}
    tell("compare", 2, 3)
    here = {name: info.model_copy(update={"file": str(converted[name])}) for name, info in infos.items()}
    change = {"precision": precision, **_in_place_of(bundle, here)}
    tried = Bundle(bundle.path, bundle.manifest.model_copy(update=change))
    graphs, split = _in_place_of(bundle, infos).values()
    variant = Variant(
        graphs=graphs,
        split={name: info for name, info in split.items() if name in infos},
        recipe=RECIPE,
        calibration=", ".join(c.name for c in clips) or None,
        comparison=compare(reference, tried, measured),
        tools={name: version(name) for name in ("ermu", "onnx", "onnxruntime")},
    )
    return variant, {infos[name].file: file for name, file in converted.items()}


def _in_place_of(bundle: Bundle, infos: Mapping[str, GraphInfo]) -> dict[str, dict[str, GraphInfo]]:
    """The bundle's graphs and parts with some of them replaced."""
    manifest = bundle.manifest
    return {
        "graphs": {name: infos.get(name, info) for name, info in manifest.graphs.items()},
        "split": {
            name: info if name in manifest.graphs else infos.get(name, info)
            for name, info in manifest.split.items()
        },
    }


def _to_float16(bundle: Bundle, folder: Path) -> dict[str, Path]:
    files = {name: folder / f"{name}.onnx" for name in bundle.manifest.graphs}
    for name, file in files.items():
        onnx.save_model(to_float16(onnx.load(bundle.graph_path(name))), file)
    return files


def _to_int8(bundle: Bundle, folder: Path, clips: Sequence[Clip]) -> dict[str, Path]:
    samples = record_samples(bundle, clips)
    files = {name: folder / f"{name}.onnx" for name in samples}
    for name, file in files.items():
        to_int8(_holding(bundle, name).graph_path(name), file, samples[name])
    return files


def _holding(bundle: Bundle, graph: str) -> Bundle:
    """The bundle whole or in parts, whichever has the graph."""
    return bundle if graph in bundle.manifest.graphs else bundle.in_parts()


def _calibration_clips() -> list[Clip]:
    return [procedural_clip(seed, frames=4, objects=1 + i) for i, seed in enumerate(CALIBRATION_SEEDS)]


def _described(bundle: Bundle, name: str, precision: str, file: Path) -> GraphInfo:
    """A converted graph as the manifest lists it, under a name made from its content."""
    before, digest = _holding(bundle, name).manifest.graphs[name], sha256_of(file)
    graph = onnx.load(file, load_external_data=False).graph
    dtypes = {
        value.name: onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name
        for value in (*graph.input, *graph.output)
    }

    def retyped(tensors: Sequence[TensorInfo]) -> tuple[TensorInfo, ...]:
        return tuple(t.model_copy(update={"dtype": dtypes[t.name]}) for t in tensors)

    return GraphInfo(
        file=f"{name}.{precision}-{digest[:12]}.onnx",
        sha256=digest,
        inputs=retyped(before.inputs),
        outputs=retyped(before.outputs),
        max_difference=_difference(bundle, name, file),
    )


def _difference(bundle: Bundle, name: str, file: Path) -> float:
    """Largest absolute difference between a graph and its conversion over all outputs, on random inputs."""
    bundle = _holding(bundle, name)
    rng, info = np.random.default_rng(2026), bundle.manifest.graphs[name]
    symbols = {**Grids(*(bundle.manifest.input.size or (113, 81))).symbols(), "T": 3}
    feeds = {}
    for tensor in info.inputs:
        shape = resolve(tensor.shape, symbols)
        whole = {"label": 11, "image": 256}.get(tensor.name)
        values = rng.integers(0, whole, shape) if whole else rng.standard_normal(shape)
        feeds[tensor.name] = values.astype(tensor.dtype)
    theirs, ours = (_outputs(path, feeds) for path in (bundle.graph_path(name), file))
    return max(float(np.abs(a - b.astype(np.float32)).max()) for a, b in zip(theirs, ours, strict=True))


def _outputs(path: Path, feeds: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    dtypes = {i.name: np.float16 if i.type == "tensor(float16)" else None for i in session.get_inputs()}
    return list(session.run(None, {k: v.astype(dtypes[k] or v.dtype) for k, v in feeds.items()}))
