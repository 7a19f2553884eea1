"""The schema of a streams file: each bad field is refused by its place; what is left out is inherited."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("yaml", reason="streams files need the extra `serve`")

from ermu.errors import OptionError
from ermu.runtime.config.schema import Resources
from ermu.runtime.config.streams_file import read_streams_file

STREAM = "{name: a, source: x}"
BAD = [
    ("bundel: demo", r"bundel: there is no such field"),
    ("bundle: 7", r"bundle: .*needs quotation marks"),
    ("policy: lru", r"policy: .*there is no policy 'lru'"),
    ("backend: caffe", r"backend: .*there is no backend 'caffe'"),
    ("precision: 16", r"precision: "),
    ("capacity: 1", r"capacity: input should be greater than or equal to 2"),
    ("prompter: ''", r"prompter: string should have at least 1"),
    ("gap: 0", r"gap: input should be greater than or equal to 1"),
    ("sessions: 7", r"sessions: "),
    ("fleet: {adress: local}", r"fleet\.adress: there is no such field"),
    ("fleet: {address: auto}", r"fleet\.address: .*never 'auto'"),
    ("fleet: {address: 'head'}", r"fleet\.address: .*HOST:PORT"),
    ("fleet: {worker: {cpus: -1}}", r"fleet\.worker\.cpus: input should be greater"),
    ("fleet: {worker: {gpus: .inf}}", r"fleet\.worker\.gpus: input should be a finite"),
    ("fleet: {worker: {memory: 1}}", r"fleet\.worker\.memory: there is no such field"),
    ("fleet: {stream: {cpus: much}}", r"fleet\.stream\.cpus: "),
    ("fleet: {most_workers: 0}", r"fleet\.most_workers: "),
    ("fleet: {worker_host: 1}", r"fleet\.worker_host: "),
    ("fleet: {snapshot_seconds: 0}", r"fleet\.snapshot_seconds: "),
    ("fleet: {lost_seconds: 0}", r"fleet\.lost_seconds: "),
    ("fleet: {settle_seconds: -1}", r"fleet\.settle_seconds: "),
    ("fleet: {place_seconds: 0}", r"fleet\.place_seconds: "),
    ("fleet: {tries: 0}", r"fleet\.tries: "),
]
BAD_STREAMS = [
    ("policy: lru", r"streams\.a\.policy: "),
    ("backend: caffe", r"streams\.a\.backend: "),
    ("capacity: 1", r"streams\.a\.capacity: "),
    ("gap: 0", r"streams\.a\.gap: "),
    ("cpus: -0.5", r"streams\.a\.cpus: "),
    ("gpus: -1", r"streams\.a\.gpus: "),
    ("sinks: objects", r"streams\.a\.sinks: "),
    ("prompt: 3", r"streams\.a\.prompt: "),
    ("session: 3", r"streams\.a\.session: "),
    ("prompter: 3", r"streams\.a\.prompter: "),
    ("bundle: 3", r"streams\.a\.bundle: "),
]


def read(tmp_path: Path, text: str):
    path = tmp_path / "fleet.yaml"
    path.write_text(text)
    return read_streams_file(path)


@pytest.mark.parametrize(("line", "problem"), BAD)
def test_each_bad_field_is_refused_by_its_place(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.raises(OptionError, match=problem):
        read(tmp_path, f"streams: [{STREAM}]\n{line}\n")


@pytest.mark.parametrize(("field", "problem"), BAD_STREAMS)
def test_each_bad_field_of_a_stream_is_refused_by_its_place(tmp_path: Path, field: str, problem: str) -> None:
    with pytest.raises(OptionError, match=problem):
        read(tmp_path, f"streams: [{{name: a, source: x, {field}}}]\n")


def test_a_stream_inherits_what_it_does_not_say(tmp_path: Path) -> None:
    file = read(
        tmp_path,
        """
        bundle: demo
        policy: ermu
        capacity: 9
        fleet: {worker: {cpus: 2}, stream: {cpus: 0.5, gpus: 0.1}}
        streams:
          - {name: a, source: x}
          - {name: b, source: y, bundle: other, policy: fifo, cpus: 2}
        """,
    )
    a, b = map(file.resolved, file.streams)
    assert (a.bundle, a.policy, a.capacity, a.cpus, a.gpus) == ("demo", "ermu", 9, 0.5, 0.1)
    assert (b.bundle, b.policy, b.capacity, b.cpus, b.gpus) == ("other", "fifo", 9, 2, 0.1)
    assert file.fleet.worker == Resources(cpus=2)


def test_no_password_is_told(tmp_path: Path) -> None:
    text = "streams: [{name: a, source: 'rtsp://me:hunter2@c', user: hunter2, password: hunter2}]"
    (tmp_path / "fleet.yaml").write_text(text)
    (tmp_path / "fleet.yaml").chmod(0o600)
    assert "hunter2" not in repr(read_streams_file(tmp_path / "fleet.yaml"))
