"""The 15 x 15 window of short-term attention: between window positions and keys of the whole grid.

A window is attended to as a masked n x n attention, so that nothing of n x 225 x C is ever unfolded; only the
logits of relative positions are gathered (`docs/decisions.md`).
"""

from __future__ import annotations

import torch
from torch import Tensor

WINDOW_RADIUS = 7
_SIDE = 2 * WINDOW_RADIUS + 1
WINDOW = _SIDE**2
_MASKED = -1e4


def spread(bias: Tensor, hw: tuple[int, int]) -> Tensor:
    """... x n x 225 -> ... x n x n: the bias inside each query's window, -1e4 outside it."""
    padded = torch.cat((bias, torch.full_like(bias[..., :1], _MASKED)), dim=-1)
    return padded.gather(-1, _positions(hw, bias.device).expand(*bias.shape[:-2], -1, -1))


def collect(weights: Tensor, hw: tuple[int, int]) -> Tensor:
    """... x n x n -> ... x n x 225: each query's weights by window position, 0 outside the grid."""
    keys, inside = _keys(hw, weights.device)
    return weights.gather(-1, keys.expand(*weights.shape[:-2], -1, -1)) * inside.to(weights.dtype)


def _positions(hw: tuple[int, int], device: torch.device) -> Tensor:
    """n x n: position of each key in each query's window, row by row; 225, one past the end, outside it."""
    y, x = (torch.arange(side, device=device) for side in hw)
    dy = (y[None, :] - y[:, None] + WINDOW_RADIUS)[:, None, :, None]
    dx = (x[None, :] - x[:, None] + WINDOW_RADIUS)[None, :, None, :]
    inside = (dy >= 0) & (dy < _SIDE) & (dx >= 0) & (dx < _SIDE)
    return torch.where(inside, dy * _SIDE + dx, WINDOW).flatten(2, 3).flatten(0, 1)


def _keys(hw: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """n x 225: the key at each position of each query's window, and whether it is on the grid."""
    h, w = hw
    y, x = (torch.arange(side, device=device) for side in hw)
    shift = torch.arange(_SIDE, device=device) - WINDOW_RADIUS
    ys = (y[:, None] + shift)[:, None, :, None]
    xs = (x[:, None] + shift)[None, :, None, :]
    inside = (ys >= 0) & (ys < h) & (xs >= 0) & (xs < w)
    keys = torch.where(inside, ys * w + xs, 0)
    return keys.flatten(2, 3).flatten(0, 1), inside.flatten(2, 3).flatten(0, 1)
