"""A bundle's graphs in another precision, measured against float32 before they join the bundle."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from ermu.errors import OptionError
from ermu.export.bundle_editor import add_to_bundle
from ermu.export.precision.comparison import Clip, compare, procedural_clip, track
from ermu.export.precision.float16 import to_float16
from ermu.export.precision.int8 import record_samples, to_int8
from ermu.export.weights import WeightsFile, load_model
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import WHOLE, Comparison, FileInfo, GraphInfo, TensorInfo, Variant
from ermu.runtime.bundle.sizes import Grids, resolve
from ermu.runtime.files import link_or_copy, sha256_of

PRECISIONS = ("fp32", "fp16", "int8")
RECIPE = 3  # raise it when a conversion changes: variants of another recipe are made again
CALIBRATION_SEEDS = range(2000, 2006)

_UNMEASURED = Comparison(
    clip="",
    frames=0,
    objects=0,
    logit_difference=0.0,
    pixel_agreement=0.0,
    evictions=0,
    same_evictions=False,
)

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
        OptionError: the precision is unknown.
        BackendError: a graph cannot be converted; the bundle is as it was.
    """
    loaded = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
    if precision not in PRECISIONS:
        raise OptionError(f"Unknown precision '{precision}'.", expected=f"one of {', '.join(PRECISIONS)}")
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
    models = _to_float16(bundle) if precision == "fp16" else _to_int8(bundle, folder, clips)
    graphs, weights = _stored(bundle, precision, models, folder)
    variant = Variant(
        graphs=graphs,
        plans=(WHOLE,) if precision == "fp16" else tuple(bundle.manifest.plans),
        weights=weights,
        recipe=RECIPE,
        calibration=", ".join(c.name for c in clips) or None,
        comparison=_UNMEASURED,
        tools={name: version(name) for name in ("ermu", "onnx", "onnxruntime")},
    )
    tell("compare", 2, 3)
    comparison = compare(reference, _trial(bundle, precision, variant, folder), measured)
    files = {info.file: folder / info.file for info in (*graphs.values(), *weights)}
    return variant.model_copy(update={"comparison": comparison}), files


def _trial(bundle: Bundle, precision: str, variant: Variant, folder: Path) -> Bundle:
    """The bundle as it will be, in the folder of the new files: a graph finds its weights beside it."""
    for info in (bundle.manifest.identity, *bundle.manifest.weights, *bundle.manifest.graphs.values()):
        link_or_copy(bundle.path / info.file, folder / info.file)
    variants = {**bundle.manifest.variants, precision: variant}
    return Bundle(folder, bundle.manifest.model_copy(update={"variants": variants})).at_precision(precision)


def _to_float16(bundle: Bundle) -> dict[str, onnx.ModelProto]:
    graphs = bundle.manifest.plans[WHOLE].graphs
    return {name: to_float16(load_model(bundle.graph_path(name))) for name in graphs}


def _to_int8(bundle: Bundle, folder: Path, clips: Sequence[Clip]) -> dict[str, onnx.ModelProto]:
    models = {}
    for name, samples in record_samples(bundle, clips).items():
        file = folder / f"{name}.quantised.onnx"
        to_int8(bundle.graph_path(name), file, samples)
        models[name] = onnx.load(file)
        file.unlink()
    return models


def _stored(
    bundle: Bundle, precision: str, models: Mapping[str, onnx.ModelProto], folder: Path
) -> tuple[dict[str, GraphInfo], tuple[FileInfo, ...]]:
    """Graphs and new weights under names of their own; weights that the bundle has already are read there."""
    weights = WeightsFile(folder, f"weights.{precision}-{uuid4().hex[:12]}.bin")
    weights.reuse(bundle.graph_path(name) for name in bundle.manifest.graphs)
    for info in bundle.manifest.weights:
        link_or_copy(bundle.path / info.file, folder / info.file)
    graphs = {}
    for name, model in models.items():
        weights.take(model)
        digest = sha256(model.SerializeToString()).hexdigest()
        file = folder / f"{name}.{precision}-{digest[:12]}.onnx"
        onnx.save_model(model, file)
        graphs[name] = _described(bundle, name, model, file)
    new = (FileInfo(file=weights.name, sha256=sha256_of(weights.path)),) if weights.path.is_file() else ()
    return graphs, new


def _calibration_clips() -> list[Clip]:
    return [procedural_clip(seed, frames=4, objects=1 + i) for i, seed in enumerate(CALIBRATION_SEEDS)]


def _described(bundle: Bundle, name: str, model: onnx.ModelProto, file: Path) -> GraphInfo:
    """A converted graph as the manifest lists it."""
    before = bundle.manifest.graphs[name]
    dtypes = {
        value.name: onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name
        for value in (*model.graph.input, *model.graph.output)
    }

    def retyped(tensors: Sequence[TensorInfo]) -> tuple[TensorInfo, ...]:
        return tuple(t.model_copy(update={"dtype": dtypes[t.name]}) for t in tensors)

    return GraphInfo(
        file=file.name,
        sha256=sha256_of(file),
        inputs=retyped(before.inputs),
        outputs=retyped(before.outputs),
        max_difference=_difference(bundle, name, file),
    )


def _difference(bundle: Bundle, name: str, file: Path) -> float:
    """Largest absolute difference between a graph and its conversion over all outputs, on random inputs."""
    rng, info = np.random.default_rng(2026), bundle.manifest.graphs[name]
    symbols = {**Grids(*(bundle.manifest.input.size or (113, 81))).symbols(), "T": 3}
    feeds = {}
    for tensor in info.inputs:
        shape = resolve(tensor.shape, symbols)
        values = rng.integers(0, 256, shape) if tensor.name == "image" else rng.standard_normal(shape)
        feeds[tensor.name] = values.astype(tensor.dtype)
    theirs, ours = (_outputs(path, feeds) for path in (bundle.graph_path(name), file))
    return max(float(np.abs(a - b.astype(np.float32)).max()) for a, b in zip(theirs, ours, strict=True))


def _outputs(path: Path, feeds: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    dtypes = {i.name: np.float16 if i.type == "tensor(float16)" else None for i in session.get_inputs()}
    return list(session.run(None, {k: v.astype(dtypes[k] or v.dtype) for k, v in feeds.items()}))
