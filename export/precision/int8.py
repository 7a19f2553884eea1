"""A graph with its convolutions and linear layers in int8: explicit Q/DQ nodes, calibrated."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from ermu.devices.host import HostDevice
from ermu.devices.processors import usable_processors
from ermu.export.precision.clip import Clip
from ermu.kernels.loading import load_kernels
from ermu.runtime.backends.base import Backend, Opening, Tensors
from ermu.runtime.backends.libraries.onnxruntime import OnnxRuntimeBackend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import EXTERNAL_ATTENTION, WHOLE
from ermu.runtime.bundle.sizes import Grids, SizeLimits
from ermu.runtime.encoder import FrameEncoder
from ermu.types import Array

Sample = Mapping[str, Array]

_NARROW = 16  # channels that a filter reads, or that a convolution writes

# What TensorRT takes: zero points of 0, a scale for each channel of a weight, biases in float32, and nothing
# quantised right behind a convolution, where an activation or an addition is still to be fused to it.
_OPTIONS = {
    "ActivationSymmetric": True,
    "WeightSymmetric": True,
    "QuantizeBias": False,
    "OpTypesToExcludeOutputQuantization": ["Conv", "MatMul"],
}


def to_int8(model: onnx.ModelProto, samples: Sequence[Sample]) -> onnx.ModelProto:
    """Quantises a graph's wide convolutions and its linear layers; the rest, attention too, stays in float32.

    Args:
        model: A float32 graph with its weights.
        samples: Inputs that it met; their smallest and largest values set the ranges.
    """
    with _quiet(), TemporaryDirectory() as folder:
        target = Path(folder) / "quantised.onnx"
        quantize_static(
            model,
            target,
            _Reader(samples),
            op_types_to_quantize=["Conv", "MatMul"],
            nodes_to_exclude=_left_alone(model.graph),
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            extra_options=_OPTIONS,
        )
        return onnx.load(target)


def _left_alone(graph: onnx.GraphProto) -> list[str]:
    """Convolutions that gain little and lose much (depthwise, first and last), and attention's products."""
    widths = {tensor.name: min(tensor.dims[:2]) for tensor in graph.initializer if len(tensor.dims) > 1}
    products = (n for n in graph.node if n.op_type in ("Conv", "MatMul"))
    return [n.name for n in products if widths.get(n.input[1], 0) < _NARROW]


def record_samples(bundle: Bundle, clips: Sequence[Clip]) -> dict[str, list[Sample]]:
    """What enters the graphs to be quantised while clips are segmented, by graph.

    Those of the plan's `quantised`, in a plan with the runtime's own attention on the memories where there is
    one: a graph that attends by itself would lose by codes what it gains.

    Args:
        bundle: Float32.
        clips: As many kinds of picture as the network shall serve.
    """
    device = HostDevice()
    plan = EXTERNAL_ATTENTION if EXTERNAL_ATTENTION in bundle.manifest.plans else WHOLE
    opening = Opening(bundle, plan, device, load_kernels(device), usable_processors())
    with _Recorder(opening) as backend:
        show = _encode if set(backend.plan.quantised) <= set(backend.plan.once) else _segment
        for clip in clips:
            show(backend, clip)
        return backend.samples


def _segment(backend: Backend, clip: Clip) -> None:
    """Follows the clip's objects."""
    segmenter = clip.segmenter(backend.bundle, backend)
    segmenter.start(clip.frames[0], clip.label)
    for frame in clip.frames[1:]:
        segmenter.step(frame)


def _encode(backend: Backend, clip: Clip) -> None:
    """Runs what runs once a frame, whatever is followed."""
    manifest = backend.bundle.manifest
    rule, limits = manifest.network.grid, SizeLimits(clip.long_edge or manifest.input.long_edge)
    size = manifest.input.size or rule.network_size(clip.label.shape, limits)
    encoder = FrameEncoder(backend, Grids(*size, rule))
    for frame in clip.frames:
        encoder.take(frame)
        encoder.encode()


class _Recorder(OnnxRuntimeBackend):
    """Keeps what enters each graph that is to be quantised."""

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        self.samples: dict[str, list[Sample]] = {}

    def _run(self, graph: str, inputs: Tensors, outputs: Tensors) -> None:
        if graph in self.plan.quantised:
            sample = {name: self.device.download(tensor) for name, tensor in inputs.items()}
            self.samples.setdefault(graph, []).append(sample)
        super()._run(graph, inputs, outputs)


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = iter(samples)

    def get_next(self) -> Sample | None:
        return next(self._samples, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser asks for preprocessing through the root logger; our graphs need none."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
