"""Drop path and channel dropout, laid on a network from outside: what is exported knows nothing of them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

# Names are the published checkpoints' (`docs/spec/network.md`). The sum of the attentions on the memories is
# never dropped.
_BRANCHES = re.compile(r"LSTT\.layers\.\d+\.(self_attn|linear2)")
_DEPTHWISE = re.compile(r"LSTT\.layers\.\d+\.\w+\.dw_conv")


class Regularization:
    """Drops branches and channels of a network while it trains (`docs/spec/training.md`, 'Every stage').

    What a step drops depends on its number and the process alone, so that a resumed training drops the same.

    Args:
        network: A `SegmentationNetwork`; it keeps the hooks.
        drop_path: Probability, for each sample, that the output of a block's self-attention is dropped (in
            DeAOT of each of its two branches), or in AOT of its feed-forward.
        drop_channels: Probability, for each sample, that a channel behind a depthwise convolution is dropped,
            in DeAOT.
        seed: Of the training.
        rank: Of the process.
    """

    def __init__(
        self, network: nn.Module, drop_path: float, drop_channels: float, seed: int = 0, rank: int = 0
    ) -> None:
        self._seed, self._rank = seed, rank
        self._generator = torch.Generator()
        self.begin_step(0)
        for name, module in network.named_modules():
            if drop_path and _BRANCHES.fullmatch(name):
                module.register_forward_hook(self._hook(drop_path, per_channel=False))
            if drop_channels and _DEPTHWISE.fullmatch(name):
                module.register_forward_hook(self._hook(drop_channels, per_channel=True))

    def begin_step(self, step: int) -> None:
        """Draws what follows as that step does."""
        drawn = np.random.default_rng([self._seed, self._rank, step]).integers(2**63)
        self._generator.manual_seed(int(drawn))

    def _hook(self, chance: float, *, per_channel: bool) -> Any:
        def hook(module: nn.Module, _: Any, output: Any) -> Any:
            if not module.training:
                return output
            parts = output if isinstance(output, tuple) else (output,)
            kept = tuple(self._dropped(part, chance, per_channel) for part in parts)
            return kept if isinstance(output, tuple) else kept[0]

        return hook

    def _dropped(self, tokens: Tensor, chance: float, per_channel: bool) -> Tensor:
        """B x n x C with some samples, or some channels of each, at zero and the others scaled up."""
        shape = (tokens.shape[0], 1, tokens.shape[2] if per_channel else 1)
        kept = torch.rand(shape, generator=self._generator) >= chance
        return tokens * (kept / (1 - chance)).to(tokens.device, tokens.dtype)
