"""Relevance against the attention weights of transformers' own first layer, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ermu import Segmenter
from ermu.export.transformers_video.attention import single_headed
from ermu.export.transformers_video.encoder import Encode
from ermu.export.transformers_video.memory import Recall
from ermu.export.transformers_video.score import Score
from tests.support.sam2.clip import frames_of, masks_of
from tests.support.sam2.edgetam import small_edgetam
from tests.support.sam2.network import small_config, small_model

pytest.importorskip("transformers")
MODELS = {"sam2": small_model, "edgetam": small_edgetam}


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    made = MODELS[request.param]()
    made.set_attn_implementation("eager")
    return made


@torch.no_grad()
def attention(model, *inputs):
    """What transformers' first cross attention gives to each memory frame, asked by `Recall`: N x T x M.

    Of the whole, pointers included, then made to sum to 1 without them.
    """
    found = []
    first = model.memory_attention.layers[0].cross_attn_image
    hook = first.register_forward_hook(lambda _module, _inputs, output: found.append(output[1]))
    recall = Recall(model)
    recall.attention = model.memory_attention  # transformers' own, which makes the weights
    recall(*inputs)
    hook.remove()
    frames, tokens = inputs[1].shape[:2]
    weights = found[0][0, 0, :, : frames * tokens].double()
    assert weights.sum(1).max() < 1, "pointers have a share"
    return (weights / weights.sum(1, keepdim=True)).unflatten(1, (frames, tokens)).numpy()


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_queries_and_keys_are_those_that_transformers_compares(model):
    score = Score(model)
    parts, tokens, width = score.queries_shape
    f16, memory, rows = drawn(128, 8, 8), drawn(3, tokens, 64, seed=1), drawn(3, 64, seed=2)
    wanted = attention(model, f16, memory, rows, drawn(2, 128), torch.tensor([1.0, 2.0]))
    with torch.no_grad():
        queries, keys = score(f16, memory, rows)
    assert queries.shape == (parts, tokens, width) and parts * tokens >= 64
    logits = queries.flatten(0, 1)[:64].double() @ keys.flatten(0, 1).double().T / width**0.5
    np.testing.assert_allclose(logits.softmax(1).unflatten(1, (3, tokens)), wanted, atol=1e-6)


def shares(weights, logits):
    """Step 1 of docs/spec/ermu.md; foreground: the sigmoid of the mean logit around a token's centre."""
    around = sum(logits.astype(np.float64)[y::4, x::4] for y in (1, 2) for x in (1, 2)) / 4
    if around.max() < -100:
        return np.full(weights.shape[1], 1 / weights.shape[1])  # not there: nothing to be relevant for
    relevance = (1 / (1 + np.exp(-around))).reshape(-1) @ weights.sum(axis=2)
    return relevance / relevance.sum()


@pytest.mark.parametrize("family", MODELS)
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_the_relevance_of_every_frame(family, backend, request):
    """Of 16 frames, where the policy was asked: nine of them at capacity 7."""
    pytest.importorskip(backend)
    path = request.getfixturevalue(f"{family}_bundle")
    model = MODELS[family]()
    model.set_attn_implementation("eager")
    segmenter = Segmenter(path, backend=backend, precision="fp32", policy="ermu")
    label, asked, uneven = masks_of()[1].numpy().astype(np.uint8), 0, 0.0
    for index, frame in enumerate(frames_of(16)):
        bgr = np.ascontiguousarray(np.uint8(frame.numpy())[..., ::-1])
        if not index:
            segmenter.start(bgr, label)
            continue
        bank = segmenter._groups._objects[0].bank
        frames, memory, pointers = bank.frames, bank.memory.downloaded(), bank.pointers.downloaded()
        order, rows = (
            np.argsort(bank.memory.frames),
            bank.rows(np.float32(segmenter.bundle.manifest.memory_rows)),
        )
        ages = bank.pointer_ages(index)
        decision = segmenter.step(bgr).memory[0].decision
        assert (decision.relevance is not None) == (len(frames) == 7)
        if decision.relevance is None:
            continue
        with torch.no_grad():
            f16 = Encode(model)(frame[None])[2]
        weights = attention(model, f16, *map(torch.from_numpy, (memory, rows, pointers, ages)))
        wanted = shares(weights, segmenter.logits()[0, 1])
        np.testing.assert_allclose(decision.relevance, wanted[order], atol=2e-5)
        asked, uneven = asked + 1, max(uneven, np.ptp(wanted))
    assert asked == 9 and uneven > 0.005


def test_several_heads_are_not_scored():
    assert not single_headed(small_model(small_config(memory_attention_num_attention_heads=2)))
