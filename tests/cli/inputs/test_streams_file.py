"""A streams file: what it gives, what it refuses, and that nothing of its passwords is told."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("yaml", reason="streams files need the extra `serve`")

from ermu.cli.inputs.source_options import SourceOptions
from ermu.errors import OptionError


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    file = path / "streams.yaml"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_streams_with_their_options_and_the_command_lines_for_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YARD_PASSWORD", "p@ss: #1")
    file = written(
        tmp_path,
        """
        streams:
          - name: yard
            source: rtsp://camera.local/stream
            user: admin
            password: ${YARD_PASSWORD}
            rtsp_transport: udp
            stale_after: 5
          - name: gate
            source: http://10.0.0.9/video?token=${YARD_PASSWORD}&x=$${NOT_ME}
            loop: true
        """,
        0o644,  # its passwords are the environment's
    )
    yard, gate = SourceOptions(config=file, stale_after=2.0, decode="cuda:1").chosen()
    assert (yard.name, yard.where) == ("yard", "rtsp://camera.local/stream")
    assert (yard.user, yard.password) == ("admin", "p@ss: #1")
    assert (yard.rtsp_transport, yard.stale_after, yard.decode, yard.loop) == ("udp", 5.0, "cuda:1", False)
    assert gate.where == "http://10.0.0.9/video?token=p@ss: #1&x=${NOT_ME}"
    assert (gate.user, gate.rtsp_transport, gate.stale_after, gate.loop) == (None, "auto", 2.0, True)
    assert "p@ss" not in repr([yard, gate])
    source = yard.opened()
    assert source.description == "rtsp://***@camera.local/stream"


SECRETS = (
    "- {name: a, source: 'rtsp://cam/1', user: admin, password: hunter2}",
    "- {name: a, source: 'rtsp://admin:hunter2@cam/1'}",
    "- {name: a, source: 'http://cam/1?token=hunter2'}",
    "- {name: a, source: 'rtsp://cam/1', user: admin, password: 'hunter2${HOME}'}",
)
NO_SECRETS = (
    "- {name: a, source: 'rtsp://cam/1', user: admin, password: '${HOME}'}",
    "- {name: a, source: 'rtsp://admin:${HOME}@cam/1?channel=2'}",
    "- {name: a, source: 'rtsp://cam/1'}",
)


@pytest.mark.parametrize("entry", SECRETS)
def test_passwords_that_everybody_can_read_are_refused(tmp_path: Path, entry: str) -> None:
    for mode in (0o644, 0o602, 0o604):
        with pytest.raises(OptionError, match="everybody on this machine may read") as refused:
            SourceOptions(config=written(tmp_path, f"streams:\n{entry}\n", mode)).chosen()
        assert "hunter2" not in str(refused.value) and "chmod 600" in str(refused.value.fix)
    for mode in (0o600, 0o640):
        assert len(SourceOptions(config=written(tmp_path, f"streams:\n{entry}\n", mode)).chosen()) == 1


@pytest.mark.parametrize("entry", NO_SECRETS)
def test_a_file_without_passwords_may_be_read(tmp_path: Path, entry: str) -> None:
    assert SourceOptions(config=written(tmp_path, f"streams:\n{entry}\n", 0o644)).chosen()[0].name == "a"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("streams: [{name: a, source: x, pasword: hunter2}]", r"streams\.a\.pasword: there is no such field"),
        ("streams: [{name: a, source: x, password: 4711}]", r"password: .*needs quotation marks"),
        ("streams: [{name: a, source: x, rtsp_transport: quic}]", r"rtsp_transport: input should be 'auto'"),
        ("streams: [{name: a, source: x, stale_after: 0}]", "stale_after: input should be greater than 0"),
        ("streams: [{name: a}]", r"streams\.a\.source: it is missing"),
        (
            "streams: [{name: a, sorce: x}]",
            r"source: it is missing; streams\.a\.sorce: there is no such field",
        ),
        ("streams: []", "streams: list should have at least 1 item"),
        ("- rtsp://admin:hunter2@cam", "the file: it has no fields"),
        ("", "the file: "),
        ("streams: [{name: a, source: x, password: 'hunter2}]", "it is no YAML from line 1"),
        ("streams: [{name: a, source: x, password: *hunter2}]", "it is no YAML from line 1"),
        ("streams:\n- name: a\n  source: x\n  source: y\n", "'source' is there twice, again in line 4"),
        ("streams: [{name: a, source: x, password: '${NOT_SET_AT_ALL}'}]", "variable 'NOT_SET_AT_ALL'"),
        ("streams: [{name: a, source: x, password: '${}'}]", "variable ''"),
        ("streams: [{name: 'a b', source: x}]", "cannot be called 'a b'"),
        ("streams: [{name: a, source: x}, {name: a, source: y}]", "cannot be called 'a'"),
        ("streams: [{name: a, source: x, decode: gpu}]", "gpu"),
    ],
)
def test_what_is_no_streams_file(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(OptionError, match=problem) as refused:
        SourceOptions(config=written(tmp_path, text)).chosen()
    assert "hunter2" not in str(refused.value)


def test_files_that_cannot_be_read_and_sources_beside_one(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot be read"):
        SourceOptions(config=tmp_path / "none.yaml").chosen()
    (tmp_path / "latin.yaml").write_bytes(b"streams: \xe9")
    with pytest.raises(OptionError, match="no UTF-8"):
        SourceOptions(config=tmp_path / "latin.yaml").chosen()
    with pytest.raises(OptionError, match="sources beside it"):
        SourceOptions(source=["0"], config=tmp_path / "none.yaml").chosen()
    with pytest.raises(OptionError, match="nothing to read"):
        SourceOptions().chosen()


def test_a_password_on_the_command_line_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    (choice,) = SourceOptions(source=["rtsp://admin:hunter2@cam/1"], name=["yard"]).chosen()
    assert (choice.name, choice.where) == ("yard", "rtsp://admin:hunter2@cam/1")
    assert "--config" in caplog.text and "hunter2" not in caplog.text
    caplog.clear()
    SourceOptions(source=["rtsp://cam/1", "0"]).chosen()
    assert not caplog.records
