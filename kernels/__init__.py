"""ERMU's scoring kernels: one interface, an implementation for each device."""

from __future__ import annotations

from ermu.kernels.interface import Eviction, Kernels, KeyGram, LabelMaps, ScoreConstants
from ermu.kernels.loading import load_kernels

__all__ = ["Eviction", "Kernels", "KeyGram", "LabelMaps", "ScoreConstants", "load_kernels"]
