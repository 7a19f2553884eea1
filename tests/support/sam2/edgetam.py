"""A small EdgeTAM of transformers with random weights; convolutions stand in for timm's backbone."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from tests.support.sam2.clip import frames_of
from tests.support.sam2.network import SIDE, draw_weights, small_config
from tests.support.sam2.session import normalised

WIDTHS = [16, 32, 48, 64]


class Backbone(nn.Module):
    """Maps at strides 4, 8, 16 and 32, as a feature extractor of timm hands them over."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTHS[0], 4, 4)
        self.stages = nn.ModuleList(nn.Conv2d(narrow, wide, 2, 2) for narrow, wide in pairwise(WIDTHS))

    def forward(self, pixel_values: Tensor, **_: Any) -> Any:
        maps = [self.stem(pixel_values).relu()]
        for stage in self.stages:
            maps.append(stage(maps[-1]).relu())
        return SimpleNamespace(last_hidden_state=maps, hidden_states=None)


def small_edgetam(seed: int = 2030, absence: float = -2.2) -> Any:
    """An `EdgeTamVideoModel` of 128 x 128 pixels: 16 tokens a frame for the whole of it, 16 for parts."""
    from transformers import EdgeTamVideoConfig, EdgeTamVideoModel

    known = small_config().to_dict()
    side = SIDE // 16
    vision = {
        "model_type": "edgetam_vision_model",
        "backbone_config": {"model_type": "sam2_hiera_det_model"},  # replaced below
        "backbone_channel_list": WIDTHS[::-1],
        "backbone_feature_sizes": [[4 * side] * 2, [2 * side] * 2, [side] * 2],
        "fpn_hidden_size": 128,
    }
    shared = {k: v for k, v in known.items() if k.startswith(("memory_", "mask_down", "image_size"))}
    config = EdgeTamVideoConfig(
        **shared,
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 128, "image_size": SIDE},
        mask_decoder_config={"hidden_size": 128, "mlp_dim": 128, "num_hidden_layers": 1},
        memory_attention_mlp_hidden_size=128,
        memory_attention_rope_k_sizes=[4, 4],
        perceiver_resampler_num_latents=16,
        perceiver_resampler_num_latents_2d=16,
        perceiver_resampler_mlp_intermediate_size=64,
    )
    model = EdgeTamVideoModel(config)
    model.vision_encoder.backbone = Backbone()
    return draw_weights(model.eval(), seed=seed, absence=absence)


def published_edgetam() -> Any:
    """An `EdgeTamVideoModel` of the published size, 1024 x 1024 pixels, with timm's RepViT.

    Transformers' own default would be SAM 2's Hiera. Batch norms take their statistics from a frame: with
    those that they are made with, features of random weights reach millions.
    """
    from transformers import EdgeTamVideoModel

    from ermu.benchmarks.systems.loading import EDGETAM

    model = draw_weights(EdgeTamVideoModel(EDGETAM.config()), seed=2030, absence=-40)
    backbone = model.vision_encoder.backbone
    assert type(backbone).__name__ == "TimmWrapperModel"
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        backbone.train()(normalised(frames_of(1, model.image_size // SIDE)[0])[None])
    return model.eval()
