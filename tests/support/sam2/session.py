"""Transformers' own video session, which what is exported is held against."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def normalised(frame: Tensor) -> Tensor:
    """RGB H x W x 3 of 0..255 as transformers' processor hands it to the network: 3 x H x W."""
    mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((frame / 255 - mean) / spread).permute(2, 0, 1)


class Reference:
    """One object through transformers' own session, frame by frame as a stream.

    Args:
        model: A `Sam2VideoModel` or `EdgeTamVideoModel`.
    """

    def __init__(self, model: Any) -> None:
        from transformers import EdgeTamVideoInferenceSession, Sam2VideoInferenceSession

        perceives = hasattr(model, "spatial_perceiver")
        session = EdgeTamVideoInferenceSession if perceives else Sam2VideoInferenceSession
        self.model, side = model, model.image_size
        self.session = session(video_height=side, video_width=side, dtype=torch.float32)
        self.session.obj_id_to_idx(1)
        self.frames = 0

    def step(
        self,
        frame: Tensor,
        mask: Tensor | None = None,
        clicks: tuple[list[tuple[float, float]], list[int]] | None = None,
        seen_by: Reference | None = None,
    ) -> Any:
        """The session's own output of a frame, of RGB H x W x 3 as 0..255, with any prompt for it.

        With `seen_by`, whose latest frame it is, the encoder's features are taken from there.
        """
        index, self.frames = self.frames, self.frames + 1
        if seen_by is not None:
            features = seen_by.session.cache.get_vision_features(seen_by.frames - 1)
            self.session.cache.cache_vision_features(index, features)
        if mask is not None:
            self.session.add_mask_inputs(0, index, mask[None, None])
        if clicks is not None:
            points, signs = clicks
            given = {
                "point_coords": torch.tensor(points, dtype=torch.float32)[None, None],
                "point_labels": torch.tensor(signs, dtype=torch.int32)[None, None],
            }
            self.session.add_point_inputs(0, index, given)
        if mask is not None or clicks is not None:
            self.session.obj_with_new_inputs = [1]
        return self.model(self.session, frame_idx=index, frame=normalised(frame)[None])

    def kept(self, index: int) -> dict[str, Tensor]:
        """What the session keeps of a frame."""
        outputs = self.session.output_dict_per_obj[0]
        found = outputs["cond_frame_outputs"].get(index) or outputs["non_cond_frame_outputs"][index]
        return dict(found)

    def is_prompted(self, index: int) -> bool:
        """Whether a frame counts as prompted."""
        return index in self.session.output_dict_per_obj[0]["cond_frame_outputs"]
