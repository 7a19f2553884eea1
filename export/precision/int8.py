"""A graph with its convolutions and linear layers in int8: explicit Q/DQ nodes, calibrated."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from ermu.export.precision.comparison import Clip
from ermu.kernels.loading import load_kernels
from ermu.runtime.backends.base import DeviceTensor
from ermu.runtime.backends.libraries.onnxruntime import OnnxRuntimeCpuBackend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.segmenter import Segmenter

Sample = Mapping[str, npt.NDArray[Any]]

_NARROW = 16  # channels that a filter reads, or that a convolution writes

# What TensorRT takes: zero points of 0, a scale for each channel of a weight, biases in float32, and nothing
# quantised right behind a convolution, where an activation or an addition is still to be fused to it.
_OPTIONS = {
    "ActivationSymmetric": True,
    "WeightSymmetric": True,
    "QuantizeBias": False,
    "OpTypesToExcludeOutputQuantization": ["Conv", "MatMul"],
}


def to_int8(source: Path, target: Path, samples: Sequence[Sample]) -> None:
    """Quantises a graph's wide convolutions and its linear layers; the rest, attention too, stays in float32.

    Args:
        source: A float32 graph.
        target: The file to write.
        samples: Inputs that it met; their smallest and largest values set the ranges.
    """
    with _quiet():
        quantize_static(
            source,
            target,
            _Reader(samples),
            op_types_to_quantize=["Conv", "MatMul"],
            nodes_to_exclude=_left_alone(source),
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            extra_options=_OPTIONS,
        )


def _left_alone(source: Path) -> list[str]:
    """Convolutions that gain little and lose much (depthwise, first and last), and attention's products."""
    graph = onnx.load(source).graph
    widths = {tensor.name: min(tensor.dims[:2]) for tensor in graph.initializer if len(tensor.dims) > 1}
    products = (n for n in graph.node if n.op_type in ("Conv", "MatMul"))
    return [n.name for n in products if widths.get(n.input[1], 0) < _NARROW]


def record_samples(bundle: Bundle, clips: Sequence[Clip]) -> dict[str, list[Sample]]:
    """What enters the graphs to be quantised while clips are segmented, by graph.

    Parts of `propagate` are among them where this machine can run a bundle in parts.

    Args:
        bundle: Float32.
        clips: As many kinds of picture as the network shall serve.
    """
    backend = _Recorder(bundle)
    for clip in clips:
        segmenter = Segmenter(
            bundle, capacity=clip.capacity, gap=clip.gap, long_edge=clip.long_edge, backend=backend
        )
        segmenter.start(clip.frames[0], clip.label)
        for frame in clip.frames[1:]:
            segmenter.step(frame)
    backend.close()
    return backend.samples


class _Recorder(OnnxRuntimeCpuBackend):
    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle, attention=load_kernels().attention if bundle.manifest.split else None)
        self.samples: dict[str, list[Sample]] = {}

    def run(
        self, graph: str, inputs: Mapping[str, DeviceTensor], outputs: Mapping[str, DeviceTensor]
    ) -> None:
        if graph in ("encode", "decode") or (
            self.attention is not None and graph.startswith(("look", "propagate"))
        ):
            sample = {name: self.download(tensor) for name, tensor in inputs.items()}
            self.samples.setdefault(graph, []).append(sample)
        super().run(graph, inputs, outputs)


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
