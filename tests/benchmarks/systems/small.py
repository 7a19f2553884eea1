"""Small SAM 2.1 and EdgeTAM networks of transformers, whose weights are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tests.benchmarks.systems.clips import frames_of
from tests.support.sam2.network import GRIDS, SIDE, small_vision


def hiera(**changes: Any) -> Any:
    """A small SAM 2.1 of 128 x 128 pixels."""
    from transformers import Sam2VideoConfig

    return Sam2VideoConfig(
        vision_config=small_vision(),
        prompt_encoder_config={"image_size": SIDE},
        image_size=SIDE,
        memory_attention_num_layers=2,
        memory_attention_rope_feat_sizes=GRIDS[-1],
        **changes,
    )


def drawn(kind: Any, config: Any) -> Any:
    """A model with every weight drawn, so that none is zero and masks differ from frame to frame."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = kind(config)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if weight.ndim > 1:
                weight.copy_(noise / weight[0].numel() ** 0.5)
            else:
                weight.add_(0.1 * noise)
            if name == "mask_decoder.pred_obj_score_head.proj_out.bias":
                weight.fill_(3.0)  # objects are there, most of the time
    return model.eval()


def normalise(encoder: Any) -> None:
    """Scales what the encoder makes of these frames to a deviation of 1: drawn weights let it grow."""
    frames = torch.from_numpy(np.stack(frames_of(4, (SIDE, SIDE)))).permute(0, 3, 1, 2) / 64.0 - 2
    with torch.no_grad():
        features = encoder.backbone(frames).last_hidden_state[::-1]
        for convolution, feature in zip(encoder.neck.convs, features, strict=True):
            spread = convolution(feature).std()
            convolution.weight.div_(spread)
            convolution.bias.zero_()
