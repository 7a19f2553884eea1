"""What `auto` takes, by what is installed here and what a bundle's own measurements say."""

from __future__ import annotations

import logging

import pytest

from ermu.errors import BackendError
from ermu.registries import BACKENDS
from ermu.runtime.backends.choosing import choose_backend, choose_precision, reasons_for
from ermu.runtime.bundle.built import Comparison, Variant
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.segmenter import Segmenter


def with_int8(bundle: Bundle, agreement: float) -> Bundle:
    """The bundle as if it had int8 graphs whose stored comparison says so; they are the float32 ones."""
    compared = Comparison(
        clip="a clip", frames=9, objects=2, logit_difference=0.1, jaccard=0.9,
        pixel_agreement=agreement, evictions=3, same_evictions=True,
    )  # fmt: skip
    plans = tuple(bundle.manifest.plans)
    variant = Variant(graphs={}, plans=plans, recipe=3, calibration=None, comparison=compared, tools={})
    return Bundle(bundle.path, bundle.manifest.model_copy(update={"variants": {"int8": variant}}))


@pytest.fixture(scope="module")
def tiny(tiny_bundle) -> Bundle:
    return Bundle.load(tiny_bundle)


def test_the_cpu_runs_onnxruntime_in_fp32_and_openvino_below_it(tiny):
    """As measured (docs/decisions.md): equal in fp32, OpenVINO twice as fast in bf16."""
    pytest.importorskip("openvino")
    assert choose_backend(tiny, "auto", "cpu") == "onnxruntime"
    assert choose_backend(tiny.at_precision("bf16"), "auto", "cpu") == "openvino"


def test_a_name_is_taken_as_it_is(tiny):
    assert choose_backend(tiny, "tensorrt", "cpu") == "tensorrt"
    assert choose_precision(with_int8(tiny, 1.0), "fp32", "cpu") == "fp32"
    assert choose_precision(with_int8(tiny, 1.0), None, "cpu") == "fp32"


@pytest.mark.parametrize(("agreement", "taken"), [(0.999, "int8"), (0.99, "int8"), (0.989, "fp32")])
def test_a_precision_is_taken_where_it_was_measured_to_change_little(tiny, agreement, taken):
    pytest.importorskip("openvino")
    assert choose_precision(with_int8(tiny, agreement), "auto", "cpu") == taken


def test_int8_is_not_taken_where_nothing_runs_it_fast(tiny, monkeypatch):
    """Without OpenVINO its backend is onnxruntime, whose int8 is slower than its fp32."""
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    assert BACKENDS.get("openvino").misfits(tiny, "cpu")
    assert choose_precision(with_int8(tiny, 1.0), "auto", "cpu") == "fp32"


def test_what_was_passed_over_is_in_the_log(tiny, monkeypatch, caplog):
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with caplog.at_level(logging.INFO, logger="ermu"):
        logging.getLogger("ermu").propagate = True
        assert choose_backend(tiny.at_precision("bf16"), "auto", "cpu") == "onnxruntime"
    assert "The backend is onnxruntime; openvino would be faster, and do not run." in caplog.text


def test_where_none_runs_every_reason_is_told(tiny, monkeypatch):
    for module in ("openvino", "onnxruntime"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(BackendError, match=r"onnxruntime: .*; openvino: ") as caught:
        choose_backend(tiny, "auto", "cpu")
    assert "pip install" in str(caught.value.fix)


def test_a_segmenter_chooses_too(tiny):
    with Segmenter(tiny, threads=1, precision="auto") as segmenter:
        assert (segmenter.backend.name, segmenter.bundle.manifest.precision) == ("onnxruntime", "fp32")


def test_why_is_told_in_a_few_words(tiny, monkeypatch):
    pytest.importorskip("openvino")
    assert reasons_for(tiny, "auto", None, "cpu", threads=1) == ["by rank: not measured here for 1 thread"]
    assert reasons_for(tiny, "openvino", "fp32", "cpu") == ["as asked for"]
    assert reasons_for(with_int8(tiny, 1.0), "auto", None, "cpu") == ["--precision auto would take int8"]
    told = reasons_for(with_int8(tiny, 0.9204), "auto", "auto", "cpu")
    assert told == ["int8 keeps only 92.0% of the pixels"]
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    assert reasons_for(tiny, "auto", "bf16", "cpu") == ["openvino is not installed"]
