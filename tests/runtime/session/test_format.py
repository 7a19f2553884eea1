"""A session's file says what it is and is read whole or not at all; refusals lose nothing."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ermu.errors import SessionError, SinkError
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.session.format import read_file, write_file
from ermu.runtime.session.session import Session
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene

Segmenters = Callable[..., Segmenter]
CLIP = list(Scene(SceneConfig(seed=11, size_hw=(96, 128), frames=6, objects=2)))


@pytest.fixture
def saved(tiny_segmenter: Segmenters, tmp_path: Path) -> Path:
    segmenter = tiny_segmenter(gap=1)
    segmenter.start(*CLIP[0])
    segmenter.step(CLIP[1][0])
    segmenter.save(tmp_path / "s.ermu")
    return tmp_path / "s.ermu"


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path: Path, contents: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)


def said(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes the head, with a checksum that fits: by the rule of docs/sessions.md, not by our code."""
    contents = members(path)
    head = json.loads(contents["head.json"])
    change(head)
    head.pop("sha256")
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    for name in sorted(head["arrays"]):
        array = np.load(BytesIO(contents[f"{name}.npy"]), allow_pickle=False)
        digest.update(name.encode() + b"\0" + array.tobytes())
    written(path, {**contents, "head.json": json.dumps({**head, "sha256": digest.hexdigest()}).encode()})


def test_numpy_alone_reads_it_without_pickle(saved: Path) -> None:
    with np.load(saved, allow_pickle=False) as arrays:
        assert arrays["label"].shape == (96, 128)
        head = json.loads(arrays["head.json"])
    assert (head["format"], head["version"]) == ("ermu-session", 1)
    assert head["head"]["segmenter"]["frame"] == 1


def test_a_head_changed_with_its_checksum_is_still_read(saved: Path) -> None:
    said(saved, lambda head: head["head"].update(backend="another"))
    assert Session.read(saved).head.backend == "another"


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.999])
def test_truncated(saved: Path, kept: float) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(SessionError, match=r"truncated: it ends after \d+ bytes") as refused:
        Session.read(saved)
    assert refused.value.fix and refused.value.expected == "a whole file"


def test_altered(saved: Path) -> None:
    """A bit of the bank, one of the head, an array of another clip with a good CRC."""
    whole = saved.read_bytes()
    for at in (len(whole) // 2, 200):
        changed = bytearray(whole)
        changed[at] ^= 1
        saved.write_bytes(bytes(changed))
        with pytest.raises(SessionError, match="altered or damaged"):
            Session.read(saved)
    saved.write_bytes(whole)
    other = BytesIO()
    np.save(other, np.zeros((96, 128), np.uint8))
    written(saved, {**members(saved), "label.npy": other.getvalue()})
    with pytest.raises(SessionError, match="altered or damaged"):
        Session.read(saved)


def test_a_label_of_objects_is_never_unpickled(saved: Path) -> None:
    pickled = BytesIO()
    np.save(pickled, np.array([{"a": 1}], object), allow_pickle=True)
    written(saved, {**members(saved), "label.npy": pickled.getvalue()})
    with pytest.raises(SessionError, match="altered or damaged"):
        Session.read(saved)


def test_what_unpacks_to_more_than_it_may_is_not_unpacked(saved: Path) -> None:
    contents = members(saved)
    head = json.loads(contents["head.json"])
    head["arrays"]["label"]["shape"] = [1 << 20, 1 << 20]
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("head.json", json.dumps(head))
        with archive.open("label.npy", "w") as member:
            for _ in range(300):
                member.write(bytes(1 << 20))
    assert saved.stat().st_size < 2 << 20
    with pytest.raises(SessionError, match="altered or damaged"):
        Session.read(saved)


def test_foreign(saved: Path, tmp_path: Path) -> None:
    text, archive = tmp_path / "a.ermu", tmp_path / "b.ermu"
    text.write_text("a poem")
    np.savez(archive.open("wb"), label=np.zeros(3))
    for path in (text, archive):
        with pytest.raises(SessionError, match="is not a session"):
            Session.read(path)
    with pytest.raises(SessionError, match="There is no session"):
        Session.read(tmp_path / "none.ermu")
    with pytest.raises(SessionError, match="cannot be read"):
        Session.read(tmp_path)


def test_newer_version(saved: Path) -> None:
    said(saved, lambda head: head.update(version=2))
    with pytest.raises(SessionError, match="session format version 2") as refused:
        Session.read(saved)
    assert "update ermu" in str(refused.value.fix)


def test_a_field_that_is_not_known_or_out_of_range(saved: Path) -> None:
    whole = saved.read_bytes()
    said(saved, lambda head: head["head"]["segmenter"].update(frame=-7))
    with pytest.raises(SessionError, match=r"field segmenter\.frame"):
        Session.read(saved)
    saved.write_bytes(whole)
    said(saved, lambda head: head["head"].update(surprise=1))
    with pytest.raises(SessionError, match="field surprise"):
        Session.read(saved)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (lambda head: head.update(bundle="0" * 64), "of another bundle: network tiny, 0000"),
        (lambda head: head.update(precision="int8"), "of precision int8"),
        (lambda head: head["segmenter"].update(network_hw=[49, 65]), "does not fit|is .* \\("),
        (lambda head: head["segmenter"].update(network_hw=[50, 65]), "enter the network at 65x50"),
        (lambda head: head["segmenter"]["options"].update(policy="lru"), "Unknown eviction policy"),
        (lambda head: head["segmenter"]["groups"][0].update(policy={}), "cannot be taken"),
    ],
)
def test_what_does_not_fit_the_segmenter_leaves_it_as_it_was(
    tiny_segmenter: Segmenters, saved: Path, change: Callable[[dict[str, Any]], object], refusal: str
) -> None:
    said(saved, lambda head: change(head["head"]))
    segmenter, never = tiny_segmenter(gap=1), tiny_segmenter(gap=1)
    for each in (segmenter, never):
        each.start(*CLIP[0])
    with pytest.raises((SessionError, ValueError), match=refusal) as refused:
        segmenter.resume(Session.read(saved))
    assert refused.value.expected or refused.value.fix or "Group" in str(refused.value)  # type: ignore[union-attr]
    assert np.array_equal(segmenter.step(CLIP[1][0]).label, never.step(CLIP[1][0]).label)
    assert np.array_equal(segmenter.logits(), never.logits())


def test_a_disk_that_refuses_leaves_the_earlier_file(
    saved: Path, tiny_segmenter: Segmenters, tmp_path: Path
) -> None:
    with pytest.raises(SinkError, match="Cannot write"):
        write_file(tmp_path / "no folder" / "s.ermu", {}, {})
    before = saved.read_bytes()
    with pytest.raises(TypeError):
        write_file(saved, {"not for JSON": object()}, {})
    assert saved.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["s.ermu"]


def test_half_precision_where_it_changes_no_bit(tmp_path: Path) -> None:
    exact = np.tile(np.array([0.5, -0.0, 65504, 2**-24, np.inf], np.float32), 2000)
    late = np.ones(9000, np.float32)
    late[-1] = 1e-3
    arrays = {"exact": exact, "not": np.full(9000, 0.1, np.float32), "late": late}
    write_file(tmp_path / "s", {}, arrays)
    with np.load(tmp_path / "s") as stored:
        kinds = {name: stored[name].dtype.str for name in arrays}
    assert kinds == {"exact": "<f2", "not": "<f4", "late": "<f4"}
    _, again = read_file(tmp_path / "s", "s")
    for name, array in arrays.items():
        assert again[name].dtype == np.float32 and again[name].tobytes() == array.tobytes()
