"""The demo network: its weights and its ready-made bundle."""

from pathlib import Path
from typing import Any

DEMO_CHECKPOINT = Path(__file__).parent / "demo.pth"
DEMO_BUNDLE = Path(__file__).parent / "demo"
# What its bundle is exported with: 640x360 runs at 257x465; every frame is remembered, as in training, and
# thinned as pictures drawn at that size are. ERMU's weight of the relevance was estimated on long drawn clips
# (docs/evidence.md, `ermu.evaluation.comparison.relevance_weight`).
DEMO_EXPORT: dict[str, Any] = {
    "long_edge": 464,
    "gap": 1,
    "resampling": "antialiased",
    "relevance_weight": 0.04,
}
