"""Cutie in its own inference core."""

from __future__ import annotations

import warnings
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ermu.benchmarks.systems.system import Followed, System
from ermu.errors import BenchmarkError
from ermu.runtime.bundle.bundle import BF16, FP32
from ermu.runtime.images.labels import object_ids
from ermu.types import Image, LabelMap

SHORT_EDGE = 480  # of a frame, at most, as it was published: larger ones are scaled down
_CELL = 16  # pixels a side of what its memory holds


class Cutie(System):
    """Cutie's `InferenceCore` with the settings published for DAVIS 2017, channels last.

    Frames and label maps are scaled as its own evaluation does. Autocast is left to a single object: with
    several, torch copies the weights of its attention once a token under autocast, and takes longer.

    Args:
        network: A `CUTIE`.
        name: Of the network.
        trained: Whether its weights were given.
        threads: Of torch, for the whole process.
        autocast: Whether products may be in bfloat16.
    """

    def __init__(
        self, network: Any, name: str, threads: int, *, trained: bool, autocast: bool = False
    ) -> None:
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"cutie\.")  # its old autocast
        torch.set_num_threads(threads)
        self._network = network.eval().to(memory_format=torch.channels_last)
        self._config = network.cfg
        self.network, self.trained = name, trained
        self.gap = int(self._config.mem_every)
        self.settles = self.gap * (int(self._config.max_mem_frames) - 1) + 1
        self._may_autocast = autocast
        self._core: Any = None

    @property
    def settings(self) -> str:
        """See `System.settings`."""
        height, width = self._size
        return (
            f"{height}x{width} (short edge at most {SHORT_EDGE}), {self._config.max_mem_frames} memory "
            f"frames, one in {self.gap} remembered, torch eager"
        )

    @torch.inference_mode()
    def start(self, image: Image, label: LabelMap) -> None:
        """See `System.start`.

        Raises:
            BenchmarkError: the frame has fewer cells than the memory's readout takes.
        """
        from cutie.inference.inference_core import InferenceCore

        height, width = label.shape
        scale = min(1.0, SHORT_EDGE / min(height, width))
        self._size = (int(height * scale), int(width * scale))
        cells = -(-self._size[0] // _CELL) * -(-self._size[1] // _CELL)
        if cells < self._config.top_k:
            raise BenchmarkError(
                f"The peer cutie cannot follow frames of {width}x{height} pixels: {cells} cells.",
                expected=f"at least {self._config.top_k} cells of {_CELL}x{_CELL} pixels: it reads as many",
            )
        ids = object_ids(label)
        self.precision = BF16 if self._may_autocast and len(ids) == 1 else FP32
        self._core = InferenceCore(self._network, cfg=self._config)
        drawn = cv2.resize(label, self._size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        with self._autocast():
            self._core.step(self._prepared(image), torch.from_numpy(drawn.astype(np.int64)), objects=ids)

    @torch.inference_mode()
    def step(self, image: Image) -> Followed:
        """See `System.step`."""
        with self._autocast():
            shares = self._core.step(self._prepared(image))
        if shares.shape[-2:] != image.shape[:2]:
            shares = F.interpolate(shares[None], image.shape[:2], mode="bilinear", align_corners=False)[0]
        label: LabelMap = self._core.output_prob_to_mask(shares).numpy().astype(np.uint8)
        return Followed(label, self._core.last_mem_ti == self._core.curr_ti)

    def _autocast(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.precision == BF16)

    def _prepared(self, image: Image) -> Tensor:
        """3 x h x w, RGB, 0 to 1."""
        if self._size != image.shape[:2]:
            image = cv2.resize(image, self._size[::-1], interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        rgb = torch.from_numpy(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        return rgb.permute(2, 0, 1).float().div_(255)
