"""A bundle's graphs in another precision, measured against float32 before they join the bundle."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import onnx

from ermu.errors import OptionError
from ermu.export.bundle_editor import add_to_bundle
from ermu.export.precision.clip import Clip, clip_for, procedural_clip
from ermu.export.precision.comparison import compare, track
from ermu.export.precision.differences import largest_difference
from ermu.export.precision.float16 import to_float16
from ermu.export.precision.int8 import record_samples, to_int8
from ermu.export.precision.trial import copy_bundle
from ermu.export.weights import WeightsFile, places_of, read_graph
from ermu.runtime.bundle.built import Variant
from ermu.runtime.bundle.bundle import BF16, Bundle
from ermu.runtime.bundle.manifest import WHOLE
from ermu.runtime.bundle.parts import FileInfo, GraphInfo, TensorInfo
from ermu.runtime.bundle.roles import Role
from ermu.runtime.files import sha256_of

PRECISIONS = ("fp32", "fp16", "int8")
RECIPE = 4  # raise it when a conversion changes: variants of another recipe are made again
CALIBRATION_SEEDS = range(2000, 2006)

# What says where or when something is, and whatever else is exchanged with the graphs in float32 at any
# precision: what the runtime writes, and what it reads pixel by pixel.
_PLACES = {Role.POINTS, Role.POINTER_AGES}
_EXACT = _PLACES | {Role.INPUT, Role.MEMORY_ROWS, Role.MASK, Role.POINT_SIGNS, Role.LOGITS, Role.PRESENCE}

Progress = Callable[[str, int, int], None]
Models = dict[str, onnx.ModelProto]


def check_buildable(precision: str) -> None:
    """Refuses a precision of which there are no graphs.

    Raises:
        OptionError: it is unknown, or none is built.
    """
    expected = f"one of {', '.join(PRECISIONS)}"
    if precision == BF16:
        raise OptionError(
            f"{BF16} needs no build: it is how CPUs compute with the graphs that are there.",
            expected=expected,
            fix=f"ermu run --precision {BF16}",
        )
    if precision not in PRECISIONS:
        raise OptionError(f"Unknown precision '{precision}'.", expected=expected)


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
        OptionError: the precision is unknown, or needs no build.
        BackendError: a graph cannot be converted; the bundle is as it was.
    """
    loaded = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
    check_buildable(precision)
    if precision == loaded.manifest.precision or _up_to_date(loaded, precision):
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
    measured = clip or clip_for(trial.manifest)
    clips = [] if precision == "fp16" else [clip] if clip else _calibration_clips()
    tell(f"convert to {precision}", 0, 1)  # before anything runs: backends keep the memory that they needed
    converted = _to_float16(trial) if precision == "fp16" else _to_int8(trial, clips)
    weights = _write_weights(trial, precision, converted)
    graphs = {name: _written(trial, name, precision, model) for name, model in converted.items()}
    plans = (WHOLE,) if precision == "fp16" else tuple(trial.manifest.plans)  # no kernel attends in float16
    reference = track(trial, measured, tell=partial(tell, "run the float32 graphs"))
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
        comparison=compare(reference, tried, measured, tell=partial(tell, f"compare {precision} with fp32")),
        tools={name: version(name) for name in ("ermu", "onnx", "onnxruntime")},
    )


def _to_float16(trial: Bundle) -> Models:
    """All graphs; what the runtime writes or reads by itself stays float32, memories do not."""
    manifest, models = trial.manifest, {}
    read = {t.name for graph in manifest.graphs.values() for t in graph.inputs}
    for name in manifest.plans[WHOLE].graphs:
        info = manifest.graphs[name]
        given = [t.name for t in info.tensors if t.role in _EXACT]
        final = [t.name for t in info.outputs if t.role is Role.OUTPUT and t.name not in read]
        places = [t.name for t in info.inputs if t.role in _PLACES]
        model = read_graph(trial.graph_path(name))
        models[name] = to_float16(model, float32=[*given, *final], places=places)
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
