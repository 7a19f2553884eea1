"""Random weights to start from: such that identities survive, or drawn as the published code draws them."""

from __future__ import annotations

import torch
from torch import nn

from ermu.export.network.network import SegmentationNetwork

_IDENTITY_SCALE = 3.0
_PROJECTOR_SCALE = 0.25
_ADAPTER_SCALE = 0.05
_TEMPORAL_STD = 0.05
_TEMPORAL_BOUND = 2.0
TEMPORAL = ("cur_pos_emb", "mem_pos_emb")


@torch.no_grad()
def draw_weights(network: SegmentationNetwork, seed: int) -> None:
    """Random weights through which identities can be read at the decoder's end before anything is learned.

    From torch's usual start the network soon parts objects from background, and then for thousands of steps
    not one object from another: two linear layers shrink the identities to a few per cent of the visual
    features beside them, and three random 3 x 3 convolutions mix the rest beyond recognition. So the linear
    layers keep the scale (Xavier), the decoder's convolutions are orthogonal in their middle tap and weak
    elsewhere (delta-orthogonal, Xiao et al. 2018), the encoder's features enter weakly, and an identity fills
    a patch with a strong random direction, plus a weak random pattern within the patch.
    """
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.LSTT.parameters():
        if parameter.ndim == 2:
            nn.init.xavier_uniform_(parameter, generator=generator)
    decoder = network.decoder
    for level in (decoder.conv_in, decoder.conv_16x, decoder.conv_8x, decoder.conv_4x):
        _draw_delta_orthogonal(level.conv, generator)
    nn.init.xavier_uniform_(decoder.conv_out.weight, generator=generator)
    _clear_bias(decoder.conv_out)
    for adapter in (decoder.adapter_16x, decoder.adapter_8x, decoder.adapter_4x):
        nn.init.xavier_uniform_(adapter.weight, gain=_ADAPTER_SCALE, generator=generator)
        _clear_bias(adapter)
    network.encoder_projector.weight.mul_(_PROJECTOR_SCALE)
    _clear_bias(network.encoder_projector)
    weight = network.patch_wise_id_bank.weight
    channels, identities, height, width = weight.shape
    direction = torch.randn(channels, identities, 1, 1, generator=generator) / (height * width)
    pattern = torch.randn(weight.shape, generator=generator) * (0.3 / (height * width) ** 0.5)
    weight.copy_(_IDENTITY_SCALE * (direction + pattern))


@torch.no_grad()
def draw_published_weights(network: SegmentationNetwork, seed: int) -> None:
    """Random weights of the published code's distributions (`docs/spec/training.md`, 'Starting weights').

    Everything with more than one dimension in transformer, decoder and projector is Xavier uniform; the
    identity bank, seen as a matrix with a row a channel, is orthogonal with the gain of one over a patch's
    pixels; temporal rows are normal, standard deviation 0.05, cut at 2. Biases and norms stay as torch makes
    them, and so does the encoder.
    """
    generator = torch.Generator().manual_seed(seed)
    for part in (network.LSTT, network.decoder, network.encoder_projector):
        for parameter in part.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter, generator=generator)
    bank = network.patch_wise_id_bank.weight
    flat = torch.empty(len(bank), bank[0].numel())
    nn.init.orthogonal_(flat, gain=1 / bank[0, 0].numel(), generator=generator)
    bank.copy_(flat.view_as(bank))
    for name, parameter in network.named_parameters():
        if name in TEMPORAL:
            nn.init.trunc_normal_(
                parameter, std=_TEMPORAL_STD, a=-_TEMPORAL_BOUND, b=_TEMPORAL_BOUND, generator=generator
            )


def _clear_bias(conv: nn.Conv2d) -> None:
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)


def _draw_delta_orthogonal(conv: nn.Conv2d, generator: torch.Generator) -> None:
    """Orthogonal in the middle tap, a tenth of Xavier's scale elsewhere; gain sqrt(2), for ReLU halves."""
    centre = conv.kernel_size[0] // 2
    nn.init.xavier_uniform_(conv.weight, gain=0.1 if centre else 1e-6, generator=generator)
    middle = torch.empty(conv.weight.shape[:2])
    conv.weight[:, :, centre, centre] += nn.init.orthogonal_(middle, gain=2**0.5, generator=generator)
    _clear_bias(conv)
