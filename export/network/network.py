"""The whole network: encoder, identity bank, transformer and decoder, built from a `NetworkSpec`."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ermu.export.network.decoder import FpnDecoder
from ermu.export.network.layers import moved, to_tokens
from ermu.export.network.memory import KeyValue, MemoryEntry
from ermu.export.network.normalisation import IMAGENET
from ermu.export.network.spec import NetworkSpec
from ermu.export.network.transformer import BlockCarry
from ermu.kernels.base.identity import STRIDE, padding_of
from ermu.registries import ENCODERS, FAMILIES
from ermu.runtime.bundle.temporal import TEMPORAL_ROWS, temporal_row


class Features(NamedTuple):
    """Encoder outputs, B x C x h x w: maps at strides 4, 8, 16 at the decoder's widths, and p."""

    f4: Tensor
    f8: Tensor
    f16: Tensor
    p: Tensor


class Carry(NamedTuple):
    """What a propagated frame keeps until its label is known.

    Attributes:
        query: B x n x D, block 0's query of the bank: with block 0's keys, all that ERMU's relevance needs.
        blocks: One carry a block.
    """

    query: Tensor
    blocks: list[BlockCarry]


class SegmentationNetwork(nn.Module):
    """A network of any family; parameter names are the published checkpoints'.

    Without temporal rows `cur_pos_emb` and `mem_pos_emb` are None, and so are the rows of `propagate`.

    Sizes: images are B x 3 x H x W as the grid's rule makes them; the token grid is h x w, n = h * w.
    """

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.spec = spec
        family = FAMILIES.get(spec.family)
        self.encoder = ENCODERS.get(spec.encoder.replace("_", "-"))()
        channels = self.encoder.channels
        self.encoder_projector = nn.Conv2d(channels[3], spec.width, 1)
        self.LSTT = family.transformer(spec)
        self.decoder = FpnDecoder(
            self.LSTT.output_channels, spec.decoder_width, channels[:3], align_corners=spec.align_corners
        )
        self.patch_wise_id_bank = nn.Conv2d(
            spec.identity_channels, spec.width, spec.grid.patch, STRIDE, padding_of(spec.grid.patch)
        )
        self.id_norm = family.identity_norm(spec)
        self.cur_pos_emb: nn.Parameter | None = None
        self.mem_pos_emb: nn.Parameter | None = None
        if spec.temporal:
            self.cur_pos_emb = nn.Parameter(torch.zeros(1, spec.key_width))
            self.mem_pos_emb = nn.Parameter(torch.zeros(TEMPORAL_ROWS, spec.key_width))

    @staticmethod
    def normalize(image: Tensor) -> Tensor:
        """RGB 0..255, B x 3 x H x W, to the encoder's input range."""
        mean = torch.tensor(IMAGENET.mean, device=image.device).view(3, 1, 1)
        std = torch.tensor(IMAGENET.spread, device=image.device).view(3, 1, 1)
        return (image / 255 - mean) / std

    def encode(self, image: Tensor) -> Features:
        """What every group of objects reads of a normalised image."""
        f4, f8, f16, last = self.encoder(image)
        return Features(*self.decoder.adapt(f4, f8, f16), self.encoder_projector(last))

    def embed_identity(self, one_hot: Tensor) -> Tensor:
        """Identity tokens B x n x C of a one-hot label map, B x 12 x H x W (ids 0..10, then ignore).

        A bank of 11 channels has none for what is ignored.
        """
        one_hot = one_hot[:, : self.spec.identity_channels]
        return self.id_norm(to_tokens(self.patch_wise_id_bank(one_hot)))

    def temporal_rows(self, frames: int) -> Tensor | None:
        """The temporal row of each of `frames` memory frames, oldest first: T x D; None without any."""
        if self.mem_pos_emb is None:
            return None
        return self.mem_pos_emb[[temporal_row(t, frames) for t in range(frames)]]

    def propagate(
        self, p: Tensor, long: list[KeyValue], rows: Tensor | None, short: list[KeyValue]
    ) -> tuple[Tensor, Carry]:
        """Reads both memories for a frame.

        Args:
            p: Projected features, B x C x h x w.
            long: Per block, keys B x T x n x D and values B x T x n x Cv.
            rows: T x D, from `temporal_rows`.
            short: Per block, key B x n x D and value B x n x Cv of the previous frame.

        Returns:
            The decoder's input z, B x Cz x h x w, and what `memorize` needs.
        """
        z, carries = self.LSTT(p, self.cur_pos_emb, long, rows, short)
        return z, Carry(moved(carries[0].key, self.cur_pos_emb), carries)

    def reference(self, p: Tensor, identity: Tensor) -> tuple[Tensor, MemoryEntry]:
        """A labelled frame, read through itself: z and its memory."""
        row = None if self.mem_pos_emb is None else self.mem_pos_emb[:1]
        return self.LSTT.reference(p, self.cur_pos_emb, row, identity)

    def memorize(self, carry: Carry, identity: Tensor) -> MemoryEntry:
        """Memory of a propagated frame, once its label is known."""
        return self.LSTT.memorize(carry.blocks, identity)

    def decode(self, z: Tensor, features: Features) -> Tensor:
        """Logits B x 11 x h4 x w4, at stride 4."""
        logits: Tensor = self.decoder(z, features.f4, features.f8, features.f16)
        return logits
