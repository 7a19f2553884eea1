"""A training small enough for tests: a narrow network on two-object scenes of 65 pixels."""

from __future__ import annotations

from typing import Any


def tiny_training() -> dict[str, Any]:
    """A valid training config as YAML would give it."""
    return {
        "name": "tiny",
        "seed": 3,
        "steps": 8,
        "network": {
            "encoder": "efficientnet_lite0",
            "width": 32,
            "heads": 1,
            "key_width": 32,
            "feedforward": 32,
            "decoder_width": 16,
        },
        "data": {
            "sources": [
                {
                    "kind": "scenes",
                    "size_hw": [96, 96],
                    "objects": [1, 2],
                    "textures": "generated",
                    "clips_per_scene": 2,
                }
            ],
            "workers": 0,
        },
        "phases": [
            {
                "start": 0.0,
                "batch": 2,
                "frames": 3,
                "size": 65,
                "scene_frames": 4,
                "memory_gap": 1,
                "encoder_learns": False,
            },
            {
                "start": 0.5,
                "batch": 1,
                "frames": 4,
                "size": 49,
                "scene_frames": 4,
                "memory_gap": 2,
                "loss_stride": 4,
            },
        ],
        "threads": 1,
        "log_every": 1,
    }
