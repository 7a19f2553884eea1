"""The demo network: its weights and its ready-made bundle."""

from pathlib import Path

DEMO_CHECKPOINT = Path(__file__).parent / "demo.pth"
DEMO_BUNDLE = Path(__file__).parent / "demo"
# What its bundle is exported with: 640x360 runs at 257x465; every frame is remembered, as in training, and
# thinned as pictures drawn at that size are.
DEMO_LONG_EDGE, DEMO_GAP, DEMO_RESAMPLING = 464, 1, "antialiased"
