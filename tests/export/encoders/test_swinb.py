"""Swin-B against the published code's maps, and a narrow one through ONNX at sizes that were not traced."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from ermu.export.encoders.swinb import SHIFT, SwinB, windows_of
from ermu.export.graph import Graph
from ermu.export.network.network import SegmentationNetwork
from ermu.export.onnx_writer import write_onnx
from ermu.export.tensors import described, features
from ermu.export.weights import WeightsFile
from ermu.runtime.bundle.roles import Role
from ermu.runtime.bundle.sizes import UNALIGNED
from tests.golden.synth import synth_state_dict
from tests.support.zoo.data import ZOO, load_zoo, manifests

NAME = "swinb_deaotl"


class NarrowSwin(SwinB):
    """Few channels and blocks; every kind of block and both mergings."""

    channels = (16, 32, 64, 64)
    heads = (1, 2, 2)
    depths = (1, 1, 2)


class Maps(nn.Module):
    """An encoder's three different maps."""

    def __init__(self, encoder: SwinB) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return self.encoder(image)[:3]


@torch.no_grad()
def test_golden_maps() -> None:
    """The published encoder's first channels at every stride, on maps that no window divides."""
    clip = load_zoo(NAME)
    keys = {k: v for k, v in manifests()[NAME].items() if k.startswith("encoder.")}
    drawn = {k: v for k, v in keys.items() if not k.endswith("relative_position_index")}
    weights = synth_state_dict(drawn, clip.seed)
    encoder = SwinB().eval()
    encoder.load_state_dict({k.removeprefix("encoder."): torch.from_numpy(v) for k, v in weights.items()})
    frame = cv2.resize(clip.frames[0].astype(np.float32), clip.hw[::-1], interpolation=cv2.INTER_CUBIC)
    image = torch.from_numpy(np.ascontiguousarray(frame[..., ::-1].transpose(2, 0, 1)))[None]
    maps = encoder(SegmentationNetwork.normalize(image))
    with np.load(ZOO / f"{NAME}.npz") as golden:
        for stride, found in zip((4, 8, 16), maps, strict=False):
            expected = golden[f"enc_{stride}x"]
            assert np.abs(found[0, : len(expected)].numpy() - expected).max() < 1e-5


@pytest.mark.parametrize("hw", [(5, 9), (7, 14), (15, 3)])
@pytest.mark.parametrize("shift", [0, SHIFT])
def test_windows_are_those_of_a_padded_rolled_map(hw: tuple[int, int], shift: int) -> None:
    """Numpy's pad and roll, and the 3 x 3 regions counted token by token."""
    count = hw[0] * hw[1]
    plan = windows_of(hw, shift, torch.zeros(1))
    padded = np.pad(np.arange(count).reshape(hw), [(0, -side % 7) for side in hw], constant_values=count)
    rolled = np.roll(padded, (-shift, -shift), (0, 1))
    windows = rolled.reshape(rolled.shape[0] // 7, 7, -1, 7).swapaxes(1, 2).reshape(-1, 49)
    np.testing.assert_array_equal(plan.tokens.view(-1, 49).numpy(), windows)
    np.testing.assert_array_equal(plan.tokens[plan.places].numpy(), np.arange(count))
    if plan.bias is None:
        assert shift == 0
        return
    cuts = [np.searchsorted([side - 7, side - 3], np.arange(side), side="right") for side in rolled.shape]
    regions = (3 * cuts[0][:, None] + cuts[1]).reshape(-1, 7, rolled.shape[1] // 7, 7)
    regions = regions.swapaxes(1, 2).reshape(-1, 49)
    apart = regions[:, :, None] != regions[:, None]
    np.testing.assert_array_equal(plan.bias[:, 0].numpy(), np.where(apart, -100.0, 0.0))


@torch.no_grad()
def test_a_batch_is_its_pictures_one_by_one() -> None:
    torch.manual_seed(1)
    encoder = drawn(NarrowSwin())
    images = torch.randn(3, 3, 48, 80)
    alone = zip(*(encoder(image[None]) for image in images), strict=True)
    for together, separate in zip(encoder(images), alone, strict=True):
        torch.testing.assert_close(together, torch.cat(separate), atol=1e-5, rtol=1e-5)


@pytest.mark.long
@torch.no_grad()
def test_a_traced_encoder_takes_other_sizes(tmp_path: Path) -> None:
    torch.manual_seed(2)
    module = Maps(drawn(NarrowSwin()))
    image = described("image", (1, 3, "H", "W"), Role.INPUT)
    c4, c8, c16, _ = NarrowSwin.channels
    maps = (features("f4", c4, "h4", "w4"), features("f8", c8, "h8", "w8"), features("f16", c16))
    path, weights = tmp_path / "encode.onnx", WeightsFile(tmp_path / "weights.bin")
    write_onnx(
        Graph("encode", module, (image,), maps), path, weights, rule=UNALIGNED, opset=20, fixed_hw=None
    )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    runners = [lambda pixels: session.run(None, {"image": pixels})]
    if find_spec("openvino"):
        from ermu.runtime.backends.libraries.openvino import process_core

        compiled = process_core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        runners.append(lambda pixels: list(compiled([pixels]).values()))
    for hw in ((48, 80), (112, 224)):
        pixels = torch.randn(1, 3, *hw)
        for run in runners:
            for found, expected in zip(run(pixels.numpy()), module(pixels), strict=True):
                np.testing.assert_allclose(found, expected.numpy(), atol=2e-5)


def drawn(encoder: SwinB) -> SwinB:
    """Every weight drawn, tables of positions included."""
    for parameter in encoder.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    return encoder.eval()
