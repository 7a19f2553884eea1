"""A bundle's graphs in another precision, measured against float32 before they join the bundle."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import onnx

from ermu.errors import OptionError
from ermu.export.bundle_editor import add_to_bundle
from ermu.export.precision.clip import Clip, procedural_clip
from ermu.export.precision.comparison import compare, track
from ermu.export.precision.differences import largest_difference
from ermu.export.precision.float16 import to_float16
from ermu.export.precision.int8 import record_samples, to_int8
from ermu.export.precision.trial import copy_bundle
from ermu.export.weights import WeightsFile, places_of, read_graph
from ermu.runtime.bundle.built import Variant
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import WHOLE
from ermu.runtime.bundle.parts import FileInfo, GraphInfo, TensorInfo
from ermu.runtime.bundle.roles import Role
from ermu.runtime.files import sha256_of

PRECISIONS = ("fp32", "fp16", "int8")
RECIPE = 3  # raise it when a conversion changes: variants of another recipe are made again
CALIBRATION_SEEDS = range(2000, 2006)

Progress = Callable[[str, int, int], None]
Models = dict[str, onnx.ModelProto]


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
        BundleError: the bundle is of a network that follows every object by itself.
        BackendError: a graph cannot be converted; the bundle is as it was.
    """
    loaded = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
    if precision not in PRECISIONS:
        raise OptionError(f"Unknown precision '{precision}'.", expected=f"one of {', '.join(PRECISIONS)}")
    if precision == loaded.group_manifest.precision or _up_to_date(loaded, precision):
        return loaded.at_precision(precision)
    folder = Path(tempfile.mkdtemp(prefix=f".{loaded.path.name}.", dir=loaded.path.parent))
    try:
        trial = copy_bundle(loaded, folder)
        variant = _made(trial, precision, clip, progress or (lambda what, step, steps: None))
        listed = (*variant.graphs.values(), *variant.weights)
        added = add_to_bundle(
            loaded,
            {info.file: folder / info.file for info in listed},
            lambda m: m.model_copy(update={"variants": {**m.variants, precision: variant}}),
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return added.at_precision(precision)


def _up_to_date(bundle: Bundle, precision: str) -> bool:
    variant = bundle.manifest.variants.get(precision)
    return variant is not None and variant.recipe == RECIPE


def _made(trial: Bundle, precision: str, clip: Clip | None, tell: Progress) -> Variant:
    """The variant, its files beside the float32 ones in the trial's folder."""
    measured = clip or procedural_clip()
    clips = [] if precision == "fp16" else [clip] if clip else _calibration_clips()
    tell("run the float32 graphs", 0, 3)
    reference = track(trial, measured)
    tell("convert", 1, 3)
    converted = _to_float16(trial) if precision == "fp16" else _to_int8(trial, clips)
    weights = _write_weights(trial, precision, converted)
    graphs = {name: _written(trial, name, precision, model) for name, model in converted.items()}
    plans = (WHOLE,) if precision == "fp16" else tuple(trial.manifest.plans)  # no kernel attends in float16
    tell("compare", 2, 3)
    changed = {
        "precision": precision,
        "graphs": {**trial.manifest.graphs, **graphs},
        "plans": {name: trial.manifest.plans[name] for name in plans},
    }
    tried = Bundle(trial.path, trial.manifest.model_copy(update=changed))
    return Variant(
        graphs=graphs,
        plans=plans,
        weights=weights,
        recipe=RECIPE,
        calibration=", ".join(c.name for c in clips) or None,
        comparison=compare(reference, tried, measured),
        tools={name: version(name) for name in ("ermu", "onnx", "onnxruntime")},
    )


def _to_float16(trial: Bundle) -> Models:
    manifest, models = trial.manifest, {}
    read = {t.name for graph in manifest.graphs.values() for t in graph.inputs}
    for name in manifest.plans[WHOLE].graphs:
        info = manifest.graphs[name]
        given = [t.name for t in info.inputs if t.role is Role.INPUT]
        final = [t.name for t in info.outputs if t.role is Role.OUTPUT and t.name not in read]
        models[name] = to_float16(read_graph(trial.graph_path(name)), float32=[*given, *final])
    return models


def _to_int8(trial: Bundle, clips: Sequence[Clip]) -> Models:
    samples = record_samples(trial, clips)
    return {name: to_int8(read_graph(trial.graph_path(name)), samples[name]) for name in samples}


def _calibration_clips() -> list[Clip]:
    return [procedural_clip(seed, frames=4, objects=1 + i) for i, seed in enumerate(CALIBRATION_SEEDS)]


def _write_weights(
    trial: Bundle, precision: str, models: Mapping[str, onnx.ModelProto]
) -> tuple[FileInfo, ...]:
    """Moves the graphs' weights to a file named after its content; what float32 graphs read stays theirs."""
    known = places_of(trial.graph_path(name) for name in trial.manifest.graphs)
    weights = WeightsFile(trial.path / f"weights.{precision}.bin", known)
    for model in models.values():
        weights.take(model)
    if not weights.path.is_file():
        return ()
    digest = sha256_of(weights.path)
    weights.rename(f"weights.{precision}-{digest[:12]}.bin", models.values())
    return (FileInfo(file=weights.path.name, sha256=digest),)


def _written(trial: Bundle, name: str, precision: str, model: onnx.ModelProto) -> GraphInfo:
    """Saves a converted graph under a name made from its content; returns it as the manifest lists it."""
    before, content = trial.manifest.graphs[name], model.SerializeToString(deterministic=True)
    unnamed = trial.path / f"{name}.{precision}.onnx"
    unnamed.write_bytes(content)
    digest = sha256_of(unnamed)
    file = unnamed.rename(trial.path / f"{name}.{precision}-{digest[:12]}.onnx")
    dtypes = {
        value.name: onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name
        for value in (*model.graph.input, *model.graph.output)
    }

    def retyped(tensors: Sequence[TensorInfo]) -> tuple[TensorInfo, ...]:
        return tuple(t.model_copy(update={"dtype": dtypes[t.name]}) for t in tensors)

    return GraphInfo(
        file=file.name,
        sha256=digest,
        inputs=retyped(before.inputs),
        outputs=retyped(before.outputs),
        max_difference=largest_difference(trial, name, file),
    )
