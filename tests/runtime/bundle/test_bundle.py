"""Loading bundles: every way in which one can be broken is refused by name."""

from __future__ import annotations

import json
import shutil

import pytest

from ermu.errors import BundleError
from ermu.runtime.bundle.bundle import Bundle


@pytest.fixture
def copy(tiny_bundle, tmp_path):
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


def test_no_bundle(tmp_path):
    with pytest.raises(BundleError, match=r"no manifest\.json"):
        Bundle.load(tmp_path)


def test_missing_graph(copy):
    (copy / "decode.onnx").unlink()
    with pytest.raises(BundleError, match=r"decode\.onnx is missing"):
        Bundle.load(copy)


def test_altered_graph(copy):
    data = bytearray((copy / "encode.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "encode.onnx").write_bytes(data)
    with pytest.raises(BundleError, match=r"encode\.onnx has been altered"):
        Bundle.load(copy)


def _edit(copy, change):
    manifest = json.loads((copy / "manifest.json").read_text())
    change(manifest)
    (copy / "manifest.json").write_text(json.dumps(manifest))


def test_other_format_version(copy):
    _edit(copy, lambda m: m.update(format_version=99))
    with pytest.raises(BundleError, match="format version 99"):
        Bundle.load(copy)


def test_manifest_field_of_the_wrong_kind(copy):
    _edit(copy, lambda m: m["memory"].update(capacity="nine"))
    with pytest.raises(BundleError, match=r"memory\.capacity"):
        Bundle.load(copy)


def test_unknown_kind(copy):
    _edit(copy, lambda m: m.update(kind="crowd"))
    with pytest.raises(BundleError, match=r"'crowd'.*'group', 'object'"):
        Bundle.load(copy)


def test_resampling_makes_other_memories(copy):
    """The same network, fed frames resized otherwise, remembers other numbers."""
    before = Bundle.load(copy).fingerprint
    _edit(copy, lambda m: m["input"].update(resampling="antialiased"))
    assert Bundle.load(copy).fingerprint != before


def test_truncated_manifest(copy):
    text = (copy / "manifest.json").read_text()
    (copy / "manifest.json").write_text(text[: len(text) // 2])
    with pytest.raises(BundleError, match="cannot be read"):
        Bundle.load(copy)
