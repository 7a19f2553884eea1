"""What is wrapped around transformers' modules against what its own video session computes."""

from __future__ import annotations

import pytest
import torch

from ermu.export.transformers_video.decoder import Label, Point, Segment
from ermu.export.transformers_video.encoder import Encode
from ermu.export.transformers_video.memory import Memorize, MemorizePrompt, Recall
from tests.support.sam2.agreement import agrees, run
from tests.support.sam2.clip import frames_of, masks_of
from tests.support.sam2.network import small_config, small_model
from tests.support.sam2.session import Reference, normalised

pytest.importorskip("transformers")

CLICKS = ([(40.0, 50.0), (90.5, 20.0)], [1, 0])
CLOSE = dict(atol=2e-4, rtol=1e-5)


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def tracked(model):
    """Twelve frames of an object: a mask on the first, clicks on the sixth."""
    reference, frames = Reference(model), frames_of(12)
    for index, frame in enumerate(frames):
        reference.step(frame, masks_of()[0] if index == 0 else None, clicks=CLICKS if index == 5 else None)
    return reference, frames


def read_memory(reference, index):
    """What `Recall` reads in a frame, as the session keeps it: prompted ones, those of the last six."""
    model, kept = reference.model, reference.kept
    prompted = [i for i in range(index) if reference.is_prompted(i)]
    others = [i for i in range(index) if i not in prompted]
    recent = [i for i in others if index - i < model.num_maskmem]
    pointing = [i for i in others if index - i < model.config.max_object_pointers_in_encoder]
    table = model.memory_temporal_positional_encoding[:, 0, 0]
    entries = [kept(i)["maskmem_features"][:, 0].float() for i in (*prompted, *recent)]
    rows = [*(table[-1] for _ in prompted), *(table[index - i - 1] for i in recent)]
    pointers = [kept(i)["object_pointer"][0, 0] for i in (*prompted, *pointing)]
    ages = torch.tensor([float(index - i) for i in (*prompted, *pointing)])
    return torch.stack(entries), torch.stack(rows), torch.stack(pointers), ages


def test_encode_is_the_published_features(model):
    frame = frames_of(1)[0]
    f4, f8, f16, first = run(Encode(model), frame[None])
    with torch.no_grad():
        found = model.get_image_features(normalised(frame)[None], return_dict=True).fpn_hidden_states
    for ours, theirs in zip((f4, f8, f16), found, strict=True):
        torch.testing.assert_close(ours.flatten(1).T, theirs[:, 0], **CLOSE)
    torch.testing.assert_close(first, f16 + model.no_memory_embedding[0, 0][:, None, None])


def test_followed_frames_are_the_sessions(model, tracked):
    reference, frames = tracked
    encode, recall, segment, memorize = Encode(model), Recall(model), Segment(model), Memorize(model)
    there = []
    for index in (1, 2, 3, 4, 6, 7, 8, 9, 10, 11):
        f4, f8, f16, _ = run(encode, frames[index][None])
        verdict = run(segment, run(recall, f16, *read_memory(reference, index)), f4, f8)
        kept = reference.kept(index)
        agrees(verdict, kept)
        there.append(bool(verdict.presence > 0))
        entry = run(memorize, f16, verdict.logits, verdict.presence)
        _same_entry(entry, kept)
    assert set(there) == {True, False}


def _same_entry(entry, kept):
    """Equal but for values that lie between two numbers of 8 bits."""
    torch.testing.assert_close(entry, kept["maskmem_features"][:, 0].float(), rtol=2**-7, atol=1e-3)


@pytest.mark.parametrize("masks", [masks_of()[0], masks_of()[1], torch.zeros(128, 128)])
def test_a_mask_is_taken_as_it_is(model, masks):
    reference, frame = Reference(model), frames_of(1)[0]
    reference.step(frame, masks)
    f4, f8, f16, _ = run(Encode(model), frame[None])
    verdict = run(Label(model), masks, f4, f8, f16)
    agrees(verdict, reference.kept(0))
    _same_entry(run(MemorizePrompt(model), f16, masks, verdict.presence), reference.kept(0))


@pytest.mark.parametrize(
    "clicks",
    [
        ([(40.0, 50.0)], [1]),
        CLICKS,
        ([(20.0, 30.0), (60.0, 70.0)], [2, 3]),
        ([(20.0, 30.0), (60.0, 70.0), (50.0, 40.0), (0.0, 0.0)], [2, 3, 1, -1]),
    ],
    ids=["click", "clicks", "box", "box-and-click"],
)
def test_clicks_on_a_first_frame(model, clicks):
    reference, frame = Reference(model), frames_of(1)[0]
    reference.step(frame, clicks=clicks)
    f4, f8, f16, first = run(Encode(model), frame[None])
    points, signs = (torch.tensor(x, dtype=torch.float32) for x in clicks)
    verdict, kept = run(Point(model), first, f4, f8, points, signs), reference.kept(0)
    agrees(verdict, kept)
    mask = (kept["high_res_masks"][0, 0] > 0).float()
    _same_entry(run(MemorizePrompt(model), f16, mask, verdict.presence), kept)


def test_clicks_on_a_new_frame_of_a_known_object_read_no_memory(model, tracked):
    """Transformers takes a frame that comes with clicks for a first one, whatever it remembers."""
    reference, frames = tracked
    f4, f8, _, first = run(Encode(model), frames[5][None])
    points, signs = (torch.tensor(x, dtype=torch.float32) for x in CLICKS)
    assert reference.is_prompted(5)
    agrees(run(Point(model), first, f4, f8, points, signs), reference.kept(5))


def test_clicks_on_a_frame_that_was_followed_read_the_memory(model):
    reference, frames = Reference(model), frames_of(4)
    for index, frame in enumerate(frames):
        reference.step(frame, masks_of()[0] if index == 0 else None)
    f4, f8, f16, _ = run(Encode(model), frames[3][None])
    conditioned = run(Recall(model), f16, *read_memory(reference, 3))
    reference.frames = 3
    reference.step(frames[3], clicks=CLICKS)
    assert not reference.is_prompted(3)
    points, signs = (torch.tensor(x, dtype=torch.float32) for x in CLICKS)
    agrees(run(Point(model), conditioned, f4, f8, points, signs), reference.kept(3))


def test_a_network_of_sam_2_0():
    """No ages of pointers, no sign that an object is hidden."""
    model = small_model(
        small_config(
            enable_temporal_pos_encoding_for_object_pointers=False, enable_occlusion_spatial_embedding=False
        )
    )
    reference, frames = Reference(model), frames_of(3)
    for index, frame in enumerate(frames):
        reference.step(frame, masks_of()[0] if index == 0 else None)
    f4, f8, f16, _ = run(Encode(model), frames[2][None])
    verdict = run(Segment(model), run(Recall(model), f16, *read_memory(reference, 2)), f4, f8)
    agrees(verdict, reference.kept(2))
    _same_entry(run(Memorize(model), f16, verdict.logits, verdict.presence), reference.kept(2))
