"""Drop path and channel dropout, laid on a network from outside: what is exported knows nothing of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ermu.export.network.network import SegmentationNetwork

# Names are the published checkpoints' (`docs/spec/network.md`). The sum of the attentions on the memories is
# never dropped.
_BRANCHES = re.compile(r"LSTT\.layers\.\d+\.(self_attn|linear2)")
_DEPTHWISE = re.compile(r"LSTT\.layers\.\d+\.\w+\.dw_conv")
_SWIN_BRANCHES = re.compile(r"encoder\.(layers\.\d+\.blocks\.\d+\.)(attn|mlp)")
_SWIN_BLOCKS = 24  # with those of the fourth stage, which no network here has


@dataclass(frozen=True)
class Dropped:
    """Probabilities, each for every sample of a batch by itself (`docs/spec/training.md`, 'Every stage').

    Attributes:
        path: That the output of a block's self-attention is dropped (in DeAOT of each of its two branches),
            or in AOT of its feed-forward.
        channels: That a channel behind a depthwise convolution is, in DeAOT.
        encoder_path: That a branch of Swin's last block is; of block i a share of i / 23 of that, and none in
            the blocks that do not learn.
    """

    path: float = 0.0
    channels: float = 0.0
    encoder_path: float = 0.0


class Regularization:
    """Drops branches and channels of a network while it trains.

    What a step drops depends on its number and the process alone, so that a resumed training drops the same.

    Args:
        network: It keeps the hooks.
        dropped: How likely what is dropped.
        seed: Of the training.
        rank: Of the process.
    """

    def __init__(self, network: SegmentationNetwork, dropped: Dropped, seed: int = 0, rank: int = 0) -> None:
        self._seed, self._rank = seed, rank
        self._generator = torch.Generator()
        self.begin_step(0)
        swin = _swin_blocks(network)
        for name, module in network.named_modules():
            if _BRANCHES.fullmatch(name):
                self._drop(module, dropped.path)
            elif _DEPTHWISE.fullmatch(name):
                self._drop(module, dropped.channels, per_channel=True)
            elif (branch := _SWIN_BRANCHES.fullmatch(name)) and branch[1] in swin:
                self._drop(module, dropped.encoder_path * swin[branch[1]] / (_SWIN_BLOCKS - 1))

    def begin_step(self, step: int) -> None:
        """Draws what follows as that step does."""
        drawn = np.random.default_rng([self._seed, self._rank, step]).integers(2**63)
        self._generator.manual_seed(int(drawn))

    def _drop(self, module: nn.Module, chance: float, *, per_channel: bool = False) -> None:
        """Has what a module returns dropped."""

        def hook(module: nn.Module, _: Any, output: Any) -> Any:
            if not module.training:
                return output
            parts = output if isinstance(output, tuple) else (output,)
            kept = tuple(self._dropped(part, chance, per_channel) for part in parts)
            return kept if isinstance(output, tuple) else kept[0]

        if chance:
            module.register_forward_hook(hook)

    def _dropped(self, tokens: Tensor, chance: float, per_channel: bool) -> Tensor:
        """B x n x C with some samples, or some channels of each, at zero and the others scaled up."""
        shape = (tokens.shape[0], 1, tokens.shape[2] if per_channel else 1)
        kept = torch.rand(shape, generator=self._generator) >= chance
        return tokens * (kept / (1 - chance)).to(tokens.device, tokens.dtype)


def _swin_blocks(network: SegmentationNetwork) -> dict[str, int]:
    """Numbers of the blocks of a Swin encoder that learn, by the beginning of their names."""
    found = [m[1] for name, _ in network.named_modules() if (m := _SWIN_BRANCHES.fullmatch(name))]
    blocks = {name: number for number, name in enumerate(dict.fromkeys(found))}
    return {n: i for n, i in blocks.items() if not n.startswith(network.encoder.first_stage)}
