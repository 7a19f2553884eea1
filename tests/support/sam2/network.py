"""A small SAM 2.1 of transformers with random weights, and the folder that it is published in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

SIDE = 128


GRIDS = [[SIDE // 4] * 2, [SIDE // 8] * 2, [SIDE // 16] * 2]


def small_vision(**changes: Any) -> dict[str, Any]:
    """The vision part of a config of 128 x 128 pixels."""
    widths = [16, 32, 64, 128]
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 16,
        "image_size": [SIDE, SIDE],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": widths,
        "num_attention_heads_per_stage": [1, 2, 4, 4],
        "window_size_per_stage": [8, 4, 6, 4],
        "global_attention_blocks": [3],
    }
    return {
        "model_type": "sam2_vision_model",
        "backbone_config": backbone,
        "backbone_channel_list": widths[::-1],
        "backbone_feature_sizes": GRIDS,
        **changes,
    }


def small_config(**changes: Any) -> Any:
    """A `Sam2VideoConfig` of 128 x 128 pixels; the width of a memory, 64, is fixed in transformers."""
    from transformers import Sam2VideoConfig

    fields: dict[str, Any] = {
        "vision_config": small_vision(fpn_hidden_size=128),
        "prompt_encoder_config": {"hidden_size": 128, "image_size": SIDE},
        "mask_decoder_config": {
            "hidden_size": 128,
            "mlp_dim": 128,
            "num_hidden_layers": 1,
            "iou_head_depth": 2,
            "iou_head_hidden_dim": 64,
        },
        "image_size": SIDE,
        "memory_attention_hidden_size": 128,
        "memory_attention_num_layers": 2,
        "memory_attention_feed_forward_hidden_size": 128,
        "memory_attention_rope_feat_sizes": GRIDS[-1],
        "memory_encoder_hidden_size": 128,
        "mask_downsampler_embed_dim": 128,
        "memory_fuser_embed_dim": 128,
        "memory_fuser_intermediate_dim": 128,
    }
    return Sam2VideoConfig(**{**fields, **changes})


def small_model(config: Any = None) -> Any:
    """A `Sam2VideoModel` of which every weight is drawn from a seed, so that none is 0 as when it is made.

    They keep what a layer reads and makes of one size: with half as much again, two of transformers' own
    attentions (eager, sdpa) drift apart in 20 frames by far more than what is asked of ours.
    """
    from transformers import Sam2VideoModel

    return draw_weights(Sam2VideoModel(config or small_config()).eval())


def published_model() -> Any:
    """As `small_model`, of the published hiera-tiny's size: 1024 x 1024 pixels; an object is always there."""
    from transformers import Sam2VideoConfig, Sam2VideoModel

    return draw_weights(Sam2VideoModel(Sam2VideoConfig()).eval(), absence=0)


def draw_weights(model: Any, *, seed: int = 2028, absence: float = 1) -> Any:
    """The model, every weight drawn from a seed; `absence` is taken from the logit of presence."""
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.nn.LayerNorm, torch.nn.BatchNorm2d
    norms = {id(p) for m in model.modules() if isinstance(m, kinds) for p in m.parameters()}
    with torch.no_grad():
        for parameter in model.parameters():
            drawn = torch.randn(parameter.shape, generator=generator)
            if id(parameter) in norms:
                parameter.add_(0.1 * drawn)
            elif parameter.ndim > 1:
                parameter.copy_(drawn / parameter[0].numel() ** 0.5)
            else:
                parameter.copy_(0.1 * drawn)
        score = model.mask_decoder.pred_obj_score_head.proj_out
        score.weight.mul_(8)  # an object is there in some frames and not in others
        score.bias.sub_(absence)
        table = model.shared_image_embedding.positional_embedding
        table.copy_(torch.randn(table.shape, generator=generator))
        model.prompt_encoder.shared_embedding.positional_embedding.copy_(table)
    return model


def write_folder(folder: Path, model: Any = None) -> Path:
    """A folder as transformers publishes one: config.json and model.safetensors."""
    (model or small_model()).save_pretrained(folder)
    return folder
