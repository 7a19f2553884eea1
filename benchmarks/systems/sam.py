"""SAM 2.1 and EdgeTAM in transformers' own video session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ermu.benchmarks.systems.system import Followed, System
from ermu.runtime.bundle.bundle import BF16, FP32
from ermu.runtime.images.labels import object_ids
from ermu.types import Image, LabelMap

_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1) * 255
_SPREAD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1) * 255
# What runs once a frame or once an object, of one shape once the memory is full.
_COMPILED = ("vision_encoder", "memory_attention", "mask_decoder", "memory_encoder")


@dataclass(frozen=True)
class Loaded:
    """A video model of transformers.

    Attributes:
        model: A `Sam2VideoModel` or an `EdgeTamVideoModel`.
        session: Of its module: the class of its inference session.
        network: Its name.
        trained: Whether its weights were given.
    """

    model: Any
    session: Any
    network: str
    trained: bool


class SamSession(System):
    """Transformers' own session as a stream: a frame in, the masks of every object out.

    The session keeps everything for ever; here it forgets what it never reads again, so that a long run fits
    the memory. Frames are squeezed to the network's square and label maps made as transformers' processors
    do: masks are scaled up, and a pixel belongs to the object with the largest logit above 0.

    Args:
        loaded: The model.
        threads: Of torch, for the whole process.
        autocast: Whether products are in bfloat16.
        compiled: Whether modules are compiled, once every frame asks for the same shapes.
    """

    def __init__(
        self, loaded: Loaded, threads: int, *, autocast: bool = False, compiled: bool = False
    ) -> None:
        torch.set_num_threads(threads)
        self._model, self._session_type = loaded.model.eval(), loaded.session
        self.network, self.trained = loaded.network, loaded.trained
        if autocast:
            self._model.to(memory_format=torch.channels_last)  # 12% of EdgeTAM; in float32 nothing
        config = self._model.config
        self._side = int(config.image_size)
        self._reach = max(config.max_object_pointers_in_encoder, config.num_maskmem)
        self.settles = self._reach + 1
        self._autocast, self._compiled = autocast, compiled
        self.precision, self.gap = BF16 if autocast else FP32, 1
        self._session: Any = None
        self._ids = np.zeros(0, np.uint8)
        self._frame = 0

    @property
    def settings(self) -> str:
        """See `System.settings`."""
        config, how = self._model.config, "torch.compile" if self._compiled else "torch eager"
        return (
            f"{self._side}x{self._side}, {config.num_maskmem} memory frames and "
            f"{config.max_object_pointers_in_encoder} pointers an object, each object alone, {how}"
        )

    def start(self, image: Image, label: LabelMap) -> None:
        """See `System.start`."""
        height, width = label.shape
        self._session = self._session_type(video_height=height, video_width=width, dtype=torch.float32)
        self._ids = np.array(object_ids(label), np.uint8)
        for identity in self._ids.tolist():
            index = self._session.obj_id_to_idx(identity)
            self._session.add_mask_inputs(index, 0, self._prompt(label == identity))
        self._session.obj_with_new_inputs = self._ids.tolist()
        self._frame = 0
        self._segment(image)

    def step(self, image: Image) -> Followed:
        """See `System.step`: every frame is remembered."""
        self._frame += 1
        if self._compiled and self._frame == self._reach:
            for name in _COMPILED:
                getattr(self._model, name).compile(dynamic=False)
        return Followed(self._labels(self._segment(image), image.shape[:2]), True)

    @torch.inference_mode()
    def _segment(self, image: Image) -> Tensor:
        """Logits of every object, N x 1 x h x w."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self._autocast):
            pixels = self._prepared(image)[None]
            found = self._model(self._session, frame_idx=self._frame, frame=pixels)
        self._forget()
        masks: Tensor = found.pred_masks.float()
        return masks

    def _prepared(self, image: Image) -> Tensor:
        """3 x side x side, RGB, normalised."""
        shrinks = image.shape[0] > self._side and image.shape[1] > self._side
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        resized = cv2.cvtColor(
            cv2.resize(image, (self._side, self._side), interpolation=how), cv2.COLOR_BGR2RGB
        )
        return (torch.from_numpy(resized).permute(2, 0, 1).float() - _MEAN).div_(_SPREAD)

    def _prompt(self, mask: Any) -> Tensor:
        """1 x 1 x side x side of 0 and 1."""
        drawn = torch.from_numpy(mask.astype(np.float32))[None, None]
        size = (self._side, self._side)
        if drawn.shape[-2:] == size:
            return drawn
        scaled = F.interpolate(drawn, size, mode="bilinear", align_corners=False, antialias=True)
        return (scaled >= 0.5).float()

    def _labels(self, masks: Tensor, hw: tuple[int, int]) -> LabelMap:
        logits, nearest = F.interpolate(masks, hw, mode="bilinear", align_corners=False)[:, 0].max(0)
        label: LabelMap = np.where(logits.numpy() > 0, self._ids[nearest.numpy()], 0).astype(np.uint8)
        return label

    def _forget(self) -> None:
        """Drops the frame, masks that are read no more, and what lies beyond the oldest pointer."""
        self._session.processed_frames.clear()
        for kept in self._session.output_dict_per_obj.values():
            for outputs in kept.values():
                outputs.get(self._frame, {}).pop("high_res_masks", None)
            kept["non_cond_frame_outputs"].pop(self._frame - self._reach, None)
