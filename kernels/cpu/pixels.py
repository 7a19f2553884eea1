"""The pixel work on CPUs: label maps and exact frames in C++, frames of bytes by OpenCV's own resize."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ermu.devices.processors import usable_processors
from ermu.kernels.base.pixels import Pixels, check_frame, check_label_map, check_survey, nearest_pixels
from ermu.kernels.base.resampling import BICUBIC, frame_taps
from ermu.kernels.base.tensor_checks import expect_finite
from ermu.kernels.cpu.library import instruction_set, native
from ermu.types import Array, Image, LabelMap


class CpuPixels(Pixels):
    """The pixel work for CPUs.

    Args:
        threads: Threads per call; by default the processors that this process may use. OpenCV has its own.
        isa: "avx512", "avx2" or "portable"; by default the best that the processor runs.

    Raises:
        KernelError: the library cannot be had.
        OptionError: there is no such instruction set here.
    """

    name = "cpu"

    def __init__(self, *, threads: int | None = None, isa: str | None = None) -> None:
        self.isa = instruction_set(isa)
        self.threads = threads or usable_processors()

    def prepare_frame(self, frame: Image, out: Array, resampling: str = BICUBIC) -> None:
        """See `Pixels.prepare_frame`."""
        import cv2  # late: `ermu doctor` loads kernels where OpenCV does not load

        check_frame(frame, out)
        if out.dtype == np.uint8 and resampling == BICUBIC:
            size = out.shape[1], out.shape[0]
            cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC), cv2.COLOR_BGR2RGB, dst=out)
            return
        exact = out if out.dtype == np.float32 else np.empty(out.shape, np.float32)
        rows, columns = frame_taps(out.shape[:2], frame.shape[:2], resampling)
        native().resize_frame(self.isa, np.ascontiguousarray(frame), *rows, *columns, exact, self.threads)
        if exact is not out:
            np.rint(exact, out=out, casting="unsafe")

    def label_map(
        self, logits: Array, active: Array, source: LabelMap, network: LabelMap, *, align_corners: bool
    ) -> None:
        """See `Pixels.label_map`; the upsampled logits exist 16 pixels at a time."""
        check_label_map(logits, active, source, network)
        single = np.ascontiguousarray(logits, dtype=np.float32)
        expect_finite(logits=single[active])
        flags = np.ascontiguousarray(active).view(np.uint8)
        native().label_maps(self.isa, single, flags, align_corners, source, network, self.threads)

    def survey(
        self,
        logits: Array,
        active: Array,
        source: LabelMap,
        out: npt.NDArray[np.int64],
        *,
        align_corners: bool,
    ) -> None:
        """See `Pixels.survey`; one thread, by runs of equal labels."""
        check_survey(logits, active, source, out)
        rows, columns = nearest_pixels(logits.shape[2:], source.shape, align_corners=align_corners)
        single = np.ascontiguousarray(logits, dtype=np.float32)
        flags = np.ascontiguousarray(active).view(np.uint8)
        native().survey(single, flags, rows, columns, np.ascontiguousarray(source), out)
