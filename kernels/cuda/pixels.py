"""The pixel work on NVIDIA GPUs: sizes grids and launches; the arithmetic is in `src/pixels`."""

from __future__ import annotations

import ctypes

import numpy as np

from ermu.devices.gpu import GpuDevice
from ermu.devices.tensor import DeviceTensor
from ermu.kernels.base.nv12 import Nv12, check_nv12
from ermu.kernels.base.pixels import (
    Pixels,
    check_frame,
    check_label_map,
    check_output,
    check_survey,
    nearest_pixels,
)
from ermu.kernels.base.resampling import BICUBIC, frame_taps
from ermu.kernels.cuda import params
from ermu.kernels.cuda.faults import FaultWord
from ermu.kernels.cuda.tensors import Scratch, address_of, divided, kind_of
from ermu.types import Array, Image

BLOCK = (32, 8, 1)  # pixels of a block
PIXELS_OF_THREAD = 16  # of a row, in `survey_pixels`
_FIXED_POINT = "fixed_point"
_WEIGHT_ONE = 2048  # of its weights


class CudaPixels(Pixels):
    """The pixel work for NVIDIA GPUs.

    Args:
        device: Where the kernels run.
        faults: Told of logits that are not finite.
    """

    name = "cuda"

    def __init__(self, device: GpuDevice, faults: FaultWord) -> None:
        self._device, self._faults = device, faults
        self._scratch = Scratch(device)
        self._taps_for: tuple[object, ...] = ()
        self._taps: list[DeviceTensor] = []

    def prepare_frame(
        self, frame: Image | DeviceTensor, out: DeviceTensor, resampling: str = BICUBIC
    ) -> None:
        """See `Pixels.prepare_frame`; cubic bytes in fixed point, at most one level from OpenCV's."""
        check_frame(frame, out)
        held = self._scratch.uploaded("frame", frame) if isinstance(frame, np.ndarray) else frame
        network, kind = out.shape[:2], _arithmetic(out, resampling)
        taps = self._taps_between(network, frame.shape[:2], resampling, kind)
        pointers = address_of("frame", held), address_of("out", out), *(tensor.address for tensor in taps)
        sizes = frame.shape[1], *network, taps[0].shape[1], taps[1].shape[1]
        self._over_pixels(f"prepare_frame_{kind}", network, params.FrameParams(*pointers, *sizes))

    def prepare_nv12(self, picture: Nv12, out: DeviceTensor, resampling: str = BICUBIC) -> None:
        """See `Pixels.prepare_nv12`; a pixel's colours are made anew for every tap that reads it.

        Decoders leave every picture at another address: no CUDA graph is made of the launch.
        """
        check_nv12(picture)
        check_output(out)
        network, kind = out.shape[:2], _arithmetic(out, resampling)
        taps = self._taps_between(network, picture.shape[:2], resampling, kind)
        planes = address_of("luma", picture.luma), address_of("chroma", picture.chroma, 2)
        pointers = *planes, address_of("out", out), *(tensor.address for tensor in taps)
        widths = picture.luma.shape[1], picture.chroma.shape[1], picture.width
        sizes = *widths, *network, taps[0].shape[1], taps[1].shape[1]
        arguments = params.Nv12Params(*pointers, *picture.colours, *sizes)
        self._over_pixels(f"prepare_nv12_{kind}", network, arguments, once=True)

    def label_map(
        self,
        logits: DeviceTensor,
        active: Array,
        source: DeviceTensor,
        network: DeviceTensor,
        *,
        align_corners: bool,
    ) -> None:
        """See `Pixels.label_map`; no upsampled logit is ever written."""
        check_label_map(logits, active, source, network)
        flags = self._scratch.constant("active", active.view(np.uint8))
        source_at = address_of("source", source)
        pointers = address_of("logits", logits, logits.dtype.itemsize), flags.address, source_at
        sizes = *logits.shape, *source.shape
        arguments = params.LabelParams(*pointers, self._faults.address, *sizes, align_corners)
        self._over_pixels(f"label_map_{kind_of(logits)}", source.shape, arguments)
        groups, *size = network.shape
        steps = [1.0 / (size[axis] / source.shape[axis]) for axis in (0, 1)]
        split = params.SplitParams(
            source_at, address_of("network", network), *steps, groups, *source.shape, *size
        )
        self._over_pixels("split_groups", size, split)

    def survey(
        self,
        logits: DeviceTensor,
        active: Array,
        source: DeviceTensor,
        out: DeviceTensor,
        *,
        align_corners: bool,
    ) -> None:
        """See `Pixels.survey`; a block gathers in shared memory, whole numbers in any order."""
        check_survey(logits, active, source, out)
        flags = self._scratch.constant("active", active.view(np.uint8))
        nearest = nearest_pixels(logits.shape[2:], source.shape, align_corners=align_corners)
        rows, columns = (self._scratch.constant("nearest", side).address for side in nearest)
        pointers = address_of("logits", logits, logits.dtype.itemsize), flags.address, rows, columns
        tensors = address_of("source", source), address_of("out", out, out.dtype.itemsize)
        sizes = *logits.shape[1:], *source.shape, out.shape[0]
        arguments = params.SurveyParams(*pointers, *tensors, *sizes)
        self._device.launch("clear_survey", (1, 1, 1), (256, 1, 1), arguments)
        height, width = source.shape
        self._over_pixels("survey_pixels", (height, divided(width, PIXELS_OF_THREAD)), arguments)
        self._over_pixels(f"survey_places_{kind_of(logits)}", logits.shape[2:], arguments)

    def _taps_between(
        self, network: tuple[int, ...], source: tuple[int, ...], resampling: str, kind: str
    ) -> list[DeviceTensor]:
        """Indices of rows and columns, then their weights; computed once for each pair of sizes in turn."""
        key = network, source, resampling, kind
        if self._taps_for != key:
            rows, columns = frame_taps(network, source, resampling)
            weights = [
                np.rint(taps.weights * _WEIGHT_ONE).astype(np.int16) if kind == _FIXED_POINT else taps.weights
                for taps in (rows, columns)
            ]
            tables: dict[str, Array] = {"row_at": rows.at, "column_at": columns.at}
            tables |= {"row_weights": weights[0], "column_weights": weights[1]}
            self._taps = [self._scratch.uploaded(name, table) for name, table in tables.items()]
            self._taps_for = key
        return self._taps

    def _over_pixels(
        self,
        kernel: str,
        size_hw: tuple[int, ...] | list[int],
        arguments: ctypes.Structure,
        *,
        once: bool = False,
    ) -> None:
        grid = (divided(size_hw[1], BLOCK[0]), divided(size_hw[0], BLOCK[1]), 1)
        self._device.launch(kernel, grid, BLOCK, arguments, once=once)


def _arithmetic(out: DeviceTensor, resampling: str) -> str:
    """Which kernel of `frame.cu` it is."""
    if out.dtype == np.float32:
        return "exact"
    return _FIXED_POINT if resampling == BICUBIC else "rounded"
