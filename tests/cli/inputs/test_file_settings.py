"""One server follows what a streams file says, and refuses what it has not twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ermu.cli.bundles import BundleOptions
from ermu.cli.inputs.file_settings import FileSettings
from ermu.cli.inputs.source_options import SourceOptions
from ermu.cli.options import SegmenterOptions
from ermu.errors import OptionError
from ermu.runtime.config.schema import StreamsFile


def settings(*streams: dict[str, Any], **more: Any) -> FileSettings:
    given = [{"source": "x", "name": f"s{i}", **stream} for i, stream in enumerate(streams)]
    return FileSettings.of(StreamsFile.model_validate({"streams": given, **more}))


def test_the_file_says_what_the_options_leave_out() -> None:
    said = settings({"policy": "fifo", "capacity": 3, "sinks": ["trace=t.jsonl"]}, {"prompter": "grabcut"},
                    bundle="demo", prompter="sam", backend="onnxruntime", precision="bf16",
                    sessions="kept")  # fmt: skip
    which, options = said.fill(BundleOptions(), SegmenterOptions())
    assert (which.bundle, options.backend, options.precision) == ("demo", "onnxruntime", "bf16")
    which, options = said.fill(BundleOptions(bundle="mine"), SegmenterOptions(precision="fp32"))
    assert (which.bundle, options.precision) == ("mine", "fp32")
    which, _ = said.fill(BundleOptions(checkpoint=Path("a.pth")), SegmenterOptions())
    assert which.bundle is None
    assert [said.of_segmenter(i) for i in (0, 1)] == [{"policy": "fifo", "capacity": 3}, {}]
    assert [said.sinks(i) for i in (0, 1)] == [["trace=t.jsonl"], []]
    assert [said.prompter(i) for i in (0, 1)] == ["sam", "grabcut"]
    assert said.sessions == Path("kept")


@pytest.mark.parametrize("name", ["bundle", "backend", "precision"])
def test_one_server_has_one_of_each(name: str) -> None:
    values = {"bundle": "demo", "backend": "openvino", "precision": "bf16"}
    with pytest.raises(OptionError, match=f"differ in their {name}.*\n.*\n.*ermu fleet"):
        settings({name: values[name]}, {})


def test_without_a_file_nothing_is_said() -> None:
    said = FileSettings.of(None)
    assert said.of_segmenter(3) == {} and said.sinks(3) == [] and said.sessions is None
    assert said.prompter(3) is None
    assert said.fill(BundleOptions(bundle="b"), SegmenterOptions())[0].bundle == "b"


def test_what_a_run_does_not_heed_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "streams.yaml"
    file.write_text("policy: fifo\nstreams: [{name: a, source: x, decode: cpu, sinks: [objects=o.jsonl]}]")
    SourceOptions(config=file).warn_of_the_rest()
    (told,) = caplog.messages
    assert "policy, sinks is for ermu serve" in told
    file.write_text("streams: [{name: a, source: x, stale_after: 3}]")
    SourceOptions(config=file).warn_of_the_rest()
    assert len(caplog.messages) == 1
