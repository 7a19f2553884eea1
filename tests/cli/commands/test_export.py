"""`ermu export` and `ermu inspect` as a user starts them."""

from __future__ import annotations

from ermu.runtime.bundle.bundle import Bundle
from tests.cli.commands.test_run import ermu


def test_export_is_quiet_and_inspect_shows_it(tiny_checkpoint, tmp_path):
    done = ermu(
        "export", "--checkpoint", tiny_checkpoint, "--out", tmp_path / "b", "--size", "65x97", "--gap", 3
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "largest difference to torch" in done.stdout and len(done.stdout.splitlines()) == 1
    assert Bundle.load(tmp_path / "b").manifest.input.size == (65, 97)
    shown = ermu("inspect", tmp_path / "b")
    assert shown.returncode == 0
    for fact in (
        "tiny",
        "--policy ermu --capacity 9 --gap 3",
        "65x97",
        "propagate",
        "T x h x w x 64",
        "licence",
    ):
        assert fact in shown.stdout


def test_errors(tiny_checkpoint, synthetic_checkpoint, tmp_path):
    for arguments, expected in (
        (("--checkpoint", tmp_path / "none.pth", "--network", "aott"), "There is no checkpoint"),
        (("--checkpoint", synthetic_checkpoint("aott"), "--network", "zoo_aott"), "--network aott fits"),
        (("--checkpoint", tiny_checkpoint, "--policy", "lru"), "Unknown eviction policy 'lru'"),
        (("--checkpoint", synthetic_checkpoint("aott"), "--network", "deaott"), "--network aott fits"),
        (("--checkpoint", tiny_checkpoint, "--size", "large"), "HEIGHTxWIDTH, for example 353x641"),
    ):
        done = ermu("export", *arguments, "--out", tmp_path / "b")
        assert done.returncode == 1
        assert expected in done.stderr and "Traceback" not in done.stderr
        assert list(tmp_path.iterdir()) == []
