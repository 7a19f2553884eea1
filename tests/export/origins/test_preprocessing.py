"""What a folder says of how frames are prepared: taken from the file that transformers takes, or refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from ermu.errors import CheckpointError
from ermu.export.network.normalisation import IMAGENET, Normalisation
from ermu.export.origins.origin import ExportOptions
from ermu.export.origins.transformers_folder import TransformersFolder
from ermu.export.transformers_video.folder import read_folder
from ermu.export.transformers_video.preprocessing import read_normalisation
from tests.support.sam2.clip import frames_of
from tests.support.sam2.network import SIDE, small_model

pytest.importorskip("transformers")
OTHER = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.25, 0.5, 0.2]}
USUAL = {"size": {"height": SIDE, "width": SIDE}, "resample": 2, "rescale_factor": 0.00392156862745098}


@pytest.fixture
def folder(tmp_path):
    def written(name, content):
        (tmp_path / name).write_text(json.dumps(content))
        return tmp_path

    return written


def test_a_folder_that_says_nothing_has_the_usual_constants(tmp_path):
    assert read_normalisation(tmp_path, SIDE) == IMAGENET


@pytest.mark.parametrize("name", ["preprocessor_config.json", "video_preprocessor_config.json"])
def test_other_constants_are_read(folder, name):
    found = read_normalisation(folder(name, {**USUAL, **OTHER, "do_normalize": True, "do_pad": None}), SIDE)
    assert found == Normalisation((0.5, 0.4, 0.3), (0.25, 0.5, 0.2))


def test_files_count_in_the_order_in_which_transformers_asks_them(folder):
    folder("preprocessor_config.json", {"image_mean": [0.1, 0.1, 0.1]})
    assert read_normalisation(folder("x.json", {}), SIDE).mean == (0.1, 0.1, 0.1)
    folder("video_preprocessor_config.json", {"image_mean": [0.2, 0.2, 0.2]})
    assert read_normalisation(folder("x.json", {}), SIDE).mean == (0.2, 0.2, 0.2)
    folder("processor_config.json", {"image_processor": {"image_mean": [0.4, 0.4, 0.4]}})
    assert read_normalisation(folder("x.json", {}), SIDE).mean == (0.2, 0.2, 0.2)
    folder("processor_config.json", {"video_processor": {"image_mean": [0.3, 0.3, 0.3]}})
    assert read_normalisation(folder("x.json", {}), SIDE).mean == (0.3, 0.3, 0.3)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"do_normalize": False}, "do_normalize is false.\nExpected: true"),
        ({"do_rescale": False}, "do_rescale is false.\nExpected: true"),
        ({"do_pad": True}, "do_pad is true.\nExpected: false"),
        ({"rescale_factor": 1}, "rescale_factor is 1.\nExpected: 1/255"),
        ({"resample": 3}, "resample is 3.\nExpected: 2, bilinear"),
        (
            {"size": {"height": 64, "width": 64}},
            f'size is {{"height": 64, "width": 64}}.\nExpected: {SIDE} x',
        ),
        ({"size": {"height": SIDE, "width": 64}}, "size is "),
        ({"image_mean": [0.5]}, "image_mean is [0.5].\nExpected: three numbers"),
        ({"image_std": [0.5, 0, 0.5]}, "image_std is [0.5, 0, 0.5].\nExpected: three numbers"),
    ],
)
def test_another_preparation_is_refused(folder, said, problem):
    path = folder("video_preprocessor_config.json", {**USUAL, **said})
    with pytest.raises(CheckpointError) as raised:
        read_normalisation(path, SIDE)
    assert str(raised.value).startswith(f"{path / 'video_preprocessor_config.json'}: {problem}")


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_a_damaged_file(tmp_path, text):
    (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"cannot be read: .*\nFix: download it again"):
        read_normalisation(tmp_path, SIDE)


@torch.no_grad()
def test_a_folder_of_other_constants_is_exported_with_them(sam2_folder, tmp_path):
    """Its features are those that the network makes of such an input."""
    folder = shutil.copytree(sam2_folder, tmp_path / "folder")
    before = read_folder(folder).sha256()
    (folder / "preprocessor_config.json").write_text(json.dumps({**USUAL, **OTHER}))
    assert read_folder(folder).sha256() != before, "the cache would have the bundle of another"
    (frame,) = frames_of(1)
    mean, spread = (np.float32(OTHER[key]) for key in ("image_mean", "image_std"))
    pixels = torch.from_numpy((frame.numpy() / np.float32(255) - mean) / spread).permute(2, 0, 1)[None]
    wanted = small_model().get_image_features(pixels, return_dict=True).fpn_hidden_states
    encode = TransformersFolder().read(folder, ExportOptions()).graphs[0].module.eval()
    for ours, theirs in zip(encode(frame[None])[:3], wanted, strict=True):
        torch.testing.assert_close(ours.flatten(1).T, theirs[:, 0], atol=2e-4, rtol=1e-5)
