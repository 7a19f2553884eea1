"""ONNX Runtime on a GPU, through the same bindings as on the CPU."""

from __future__ import annotations

import pytest

from ermu.runtime.segmenter import Segmenter
from tests.support.golden_data import load_golden
from tests.support.golden_run import compare

pytestmark = [pytest.mark.gpu, pytest.mark.chip]


@pytest.mark.parametrize("name", ["r50_aotl", "r50_deaotl"])
def test_follows_the_golden_clip(name, bundle):
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has no CUDA: pip install 'ermu[gpu]'")
    clip = load_golden(name)
    options = {"capacity": clip.capacity, "gap": clip.gap, "long_edge": clip.long_edge}
    segmenter = Segmenter(bundle(name), **options, device="cuda")
    found = compare(segmenter, clip, golden_masks=True)
    assert found.logits < 5e-2
    assert found.same_memory
    segmenter.close()
