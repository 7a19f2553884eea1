"""Errors keep their parts, also across processes."""

from __future__ import annotations

import pickle

from ermu.errors import DependencyError, ErmuError, SourceError


def test_parts_and_text():
    error = SourceError("found", expected="wanted", fix="do")
    assert (error.problem, error.expected, error.fix) == ("found", "wanted", "do")
    assert str(error) == "found\nExpected: wanted\nFix: do"


def test_pickling_keeps_class_and_parts():
    for error in (ErmuError("a"), SourceError("a", fix="b"), DependencyError("av", "Reading RTSP", "live")):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error) and again.fix == error.fix


def test_torch_is_told_to_be_large_and_how_not():
    assert "5.7 GB" not in str(DependencyError("safetensors", "Reading it", "export").fix)
    fix = str(DependencyError("torch", "Exporting", "export").fix)
    assert fix.startswith("pip install 'ermu[export]'; ") and "--index-url" in fix and "5.7 GB" in fix
