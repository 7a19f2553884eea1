"""What is wrapped around transformers' modules, run and held against what its session keeps of a frame."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


@torch.no_grad()
def run(module: nn.Module, *inputs: Any) -> Any:
    return module.eval()(*inputs)


def agrees(verdict: Any, kept: Any) -> None:
    """An object's logits, presence and pointer are the session's.

    Raises:
        AssertionError: they are not, by more than 2e-4 and a hundred thousandth.
    """
    for got, wanted in (
        (verdict.logits, kept["pred_masks"][0, 0]),
        (verdict.presence, kept["object_score_logits"].reshape(1)),
        (verdict.pointer, kept["object_pointer"].reshape(-1)),
    ):
        torch.testing.assert_close(got, wanted, atol=2e-4, rtol=1e-5)
