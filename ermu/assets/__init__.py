"""The demo network: its weights and its ready-made bundle."""

from pathlib import Path

DEMO_CHECKPOINT = Path(__file__).parent / "demo.pth"
DEMO_BUNDLE = Path(__file__).parent / "demo"
DEMO_LONG_EDGE = 416  # 640x360 runs at 241x417, the size range it was trained for
