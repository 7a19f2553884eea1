"""A scene is the same in every process and in any order of frames; its labels follow its options."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from ermu.errors import DatasetError
from ermu.scenes.catalogue import (
    demo_scene,
    footage_scenes,
    policy_scenes,
    tuning_scenes,
    validation_scenes,
)
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene

SMALL = SceneConfig(seed=3, size_hw=(96, 128), frames=60, objects=4)
BARE = replace(SMALL, distractors=0, occluders=0, effects=False)

DIGEST = """
import hashlib
from ermu.scenes import Scene, SceneConfig
digest = hashlib.sha256()
for frame, label in Scene(SceneConfig(seed=3, size_hw=(96, 128), frames=6, objects=4)):
    digest.update(frame.tobytes()), digest.update(label.tobytes())
print(digest.hexdigest())
"""


def areas(config: SceneConfig) -> np.ndarray:
    """Pixels of each object in each frame: frames x (objects + 1)."""
    counts = [np.bincount(label.ravel(), minlength=config.objects + 1) for _, label in Scene(config)]
    return np.stack(counts)


def test_two_processes_draw_the_same_bytes() -> None:
    runs = [
        subprocess.run([sys.executable, "-c", DIGEST], check=True, capture_output=True, text=True).stdout
        for _ in range(2)
    ]
    here = hashlib.sha256()
    for frame, label in Scene(replace(SMALL, frames=6)):
        here.update(frame.tobytes())
        here.update(label.tobytes())
    assert runs == [here.hexdigest() + "\n"] * 2


def test_frames_do_not_depend_on_the_order_they_are_asked_for() -> None:
    forwards = list(Scene(SMALL))
    scene = Scene(SMALL)
    for t in (59, 7, 31, 0, 7, -1):
        frame, label = scene[t]
        np.testing.assert_array_equal(frame, forwards[t][0])
        np.testing.assert_array_equal(label, forwards[t][1])
    with pytest.raises(IndexError):
        scene[60]


def test_frames_and_labels_have_the_promised_types() -> None:
    frame, label = Scene(SMALL)[0]
    assert frame.shape == (96, 128, 3) and frame.dtype == np.uint8
    assert label.shape == (96, 128) and label.dtype == np.uint8
    assert Scene(SMALL).object_ids == (1, 2, 3, 4)


@pytest.mark.parametrize("seed", range(8))
def test_every_object_shows_in_the_first_frame_and_no_other_id_does(seed: int) -> None:
    config = replace(SMALL, seed=seed, objects=seed % 6 + 1)
    label = Scene(config)[0][1]
    assert set(np.unique(label)) - {0} == set(range(1, config.objects + 1))


def test_nothing_moves_at_motion_zero() -> None:
    scene = Scene(replace(BARE, motion=0.0))
    first, last = scene[0], scene[59]
    np.testing.assert_array_equal(first[0], last[0])
    np.testing.assert_array_equal(first[1], last[1])


def test_motion_moves_every_object() -> None:
    scene = Scene(replace(BARE, motion=1.5))
    first, last = scene[0][1], scene[59][1]
    for ident in scene.object_ids:
        assert np.any((first == ident) != (last == ident))


def test_blur_light_and_noise_leave_the_labels_alone() -> None:
    with_effects, without = Scene(SMALL), Scene(replace(SMALL, effects=False))
    for t in (0, 13, 40):
        np.testing.assert_array_equal(with_effects[t][1], without[t][1])
    assert np.any(with_effects[13][0] != without[13][0])


@pytest.mark.parametrize("frames", [60, 300])
def test_objects_leave_and_come_back(frames: int) -> None:
    config = replace(BARE, seed=5, frames=frames, leave_and_return=True)
    visible = areas(config)[:, 1:] > 0
    absences = 2 if frames == 300 else 1
    for ident in (1, 3):
        shows = visible[:, ident - 1].astype(int)
        assert shows[0]
        assert (np.diff(shows) == -1).sum() >= absences
        assert (np.diff(shows) == 1).sum() >= absences
    staying = areas(replace(config, leave_and_return=False))[:, 1:] > 0
    assert staying[:, 0].sum() > visible[:, 0].sum()


def test_a_changed_look_changes_colours_and_no_label() -> None:
    plain, changing = Scene(BARE), Scene(replace(BARE, appearance_change=True))
    np.testing.assert_array_equal(plain[5][0], changing[5][0])
    (frame, label), (new_frame, new_label) = plain[44], changing[44]
    np.testing.assert_array_equal(label, new_label)
    changed = np.any(frame != new_frame, axis=2)
    assert changed[label == 2].mean() > 0.5
    other = np.isin(label, (1, 3))  # blended edges of objects 2 and 4 may touch them
    assert changed[other].mean() < 0.1


def test_the_splits_differ_at_equal_seeds() -> None:
    train, validation = Scene(SMALL), Scene(replace(SMALL, split="validation"))
    assert np.any(train[0][1] != validation[0][1])
    assert np.mean(train[0][0] != validation[0][0]) > 0.9


def test_the_validation_set_is_forty_clips_of_one_to_six_objects_that_training_never_draws() -> None:
    configs = validation_scenes()
    assert len(configs) == len({config.seed for config in configs}) == 40
    assert {config.objects for config in configs} == {1, 2, 3, 4, 5, 6}
    assert {config.frames for config in configs} == {60}
    assert {config.split for config in (*configs, *policy_scenes(), demo_scene())} == {"validation"}
    assert {config.seed for config in configs}.isdisjoint(config.seed for config in policy_scenes())


def test_the_clips_of_photographs_are_of_the_validation_split_and_of_seeds_of_their_own() -> None:
    configs = footage_scenes()
    assert {(config.split, config.style) for config in configs} == {("validation", "footage")}
    others = {config.seed for config in (*validation_scenes(), *policy_scenes(), demo_scene())}
    assert len({config.seed for config in configs} - others) == len(configs)


def test_the_demo_and_the_policy_clips_need_no_photographs() -> None:
    assert {config.textures for config in (demo_scene(), *policy_scenes())} == {"generated"}
    assert {config.frames for config in policy_scenes()} == {300}
    assert all(config.leave_and_return or config.appearance_change for config in policy_scenes())


def test_constants_are_chosen_by_clips_like_the_policies_of_which_none_is_one_of_them() -> None:
    chosen_by, held_out = tuning_scenes(), policy_scenes()
    assert {config.split for config in chosen_by} == {"train"}
    assert {config.seed for config in chosen_by}.isdisjoint(config.seed for config in held_out)
    alike = [replace(config, seed=0, split="validation") for config in chosen_by]
    assert alike == [replace(config, seed=0) for config in held_out]


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"size_hw": (16, 200)},
        {"frames": 0},
        {"objects": 61},
        {"textures": "painted"},
        {"motion": -1.0},
    ],
)
def test_a_wrong_configuration_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(DatasetError, match="cannot be drawn"):
        replace(SMALL, **wrong)
