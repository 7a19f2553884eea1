"""A bundle as the prompter of another network: transformers' own answer to the same clicks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate
from typer.testing import CliRunner

from ermu import read_label_map
from ermu.cli import app
from ermu.errors import OptionError, PromptError, StateError
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.images.prompter import Box, GrabCutPrompter, Point
from ermu.runtime.streams.network_prompter import NetworkPrompter
from ermu.runtime.streams.prompters import Prompters
from tests.support.sam2.clip import frames_of
from tests.support.sam2.network import SIDE, small_model
from tests.support.sam2.session import Reference

pytest.importorskip("transformers")
CLICKS = [
    (Box(50, 20, 120, 70), ([(50.0, 20.0), (120.0, 70.0)], [2, 3])),
    ([Point(100, 90)], ([(100.0, 90.0)], [1])),
    ([Point(100, 90), Point(60, 110, positive=False)], ([(100.0, 90.0), (60.0, 110.0)], [1, 0])),
]


@pytest.fixture(scope="module")
def prompter(sam2_bundle):
    prompter = NetworkPrompter(sam2_bundle, threads=1, precision="fp32")
    yield prompter
    prompter.close()


def published(frame, clicks):
    """What transformers sees, bool H x W."""
    logits = Reference(small_model()).step(frame, clicks=clicks).pred_masks
    return interpolate(logits, size=(SIDE, SIDE), mode="bilinear")[0, 0].detach().numpy() > 0


def bgr(frame):
    return np.ascontiguousarray(np.uint8(frame.numpy())[..., ::-1])


@torch.no_grad()
@pytest.mark.parametrize(("hint", "clicks"), CLICKS)
def test_a_hint_is_the_published_mask(prompter, hint, clicks):
    for frame in frames_of(2):
        image = bgr(frame)
        ask = prompter.from_box if isinstance(hint, Box) else prompter.from_points
        wanted = published(frame, clicks)
        assert wanted.any() and (ask(image, hint) == wanted).mean() >= 0.9998
        assert (prompter.corrected(image, ~wanted, hint) == wanted).mean() >= 0.9998


@torch.no_grad()
def test_negative_clicks_alone_keep_the_middle_of_the_mask(prompter):
    frame, mask = frames_of(1)[0], np.zeros((SIDE, SIDE), bool)
    mask[70:111, 80:121] = True
    wanted = published(frame, CLICKS[2][1])
    off = [Point(60, 110, positive=False)]
    assert (prompter.corrected(bgr(frame), mask, off) == wanted).mean() >= 0.9998
    with pytest.raises(PromptError, match="No point lies on the object"):
        prompter.corrected(bgr(frame), np.zeros_like(mask), off)


def test_another_family_is_no_prompter(tiny_bundle):
    with pytest.raises(OptionError, match="takes no clicks or boxes"):
        NetworkPrompter(tiny_bundle)


def test_streams_that_say_the_same_share_a_prompter(tiny_bundle, sam2_bundle):
    with Prompters(Bundle.load(tiny_bundle).manifest, threads=1) as prompters:
        first = prompters.of(str(sam2_bundle))
        assert isinstance(first, NetworkPrompter) and prompters.of(str(sam2_bundle)) is first
        assert isinstance(prompters.of("grabcut"), GrabCutPrompter) and prompters.of(None) is None
        with pytest.raises(OptionError, match="takes no clicks or boxes"):
            prompters.of(str(tiny_bundle))
    with pytest.raises(StateError):
        first.from_points(np.zeros((SIDE, SIDE, 3), np.uint8), [Point(1, 1)])


def test_a_network_that_takes_clicks_has_no_other_for_a_prompter(sam2_bundle):
    with Prompters(Bundle.load(sam2_bundle).manifest) as prompters:
        with pytest.raises(OptionError, match=r"clicks and boxes itself.*\n.*\nFix: leave the prompter"):
            prompters.of(str(sam2_bundle))
        assert isinstance(prompters.of("grabcut"), GrabCutPrompter)


@torch.no_grad()
def test_a_command_follows_what_the_prompter_sees(tiny_bundle, sam2_bundle, tmp_path):
    frames, out = frames_of(2), tmp_path / "out"
    (tmp_path / "clip").mkdir()
    for i, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / "clip" / f"{i}.png"), bgr(frame))
    source = ["--source", str(tmp_path / "clip"), "--threads", "1", "--point", "100,90", "--out", str(out)]
    command = ["run", "--bundle", str(tiny_bundle), *source, "--prompter"]
    refused = CliRunner().invoke(app, [*command, str(tiny_bundle)])
    assert isinstance(refused.exception, OptionError) and not out.exists()
    done = CliRunner().invoke(app, [*command, str(sam2_bundle)])
    assert done.exit_code == 0, done.output
    first = read_label_map(out / "labels" / "0.png") == 1
    assert (first == published(frames[0], CLICKS[1][1])).mean() >= 0.9998
