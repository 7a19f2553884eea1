"""What commands print, wherever they do: brackets, closed pipes, poor terminals, no libGL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ermu import errors
from ermu.cli.printing import print_error
from ermu.errors import BackendError, DependencyError, DeviceLostError, ErmuError
from ermu.runtime.bundle.bundle import Bundle
from tests.cli.commands.test_run import ermu

ODD = "clip[final] [bold] [/b] pip install 'ermu[export]'"
POOR = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "COLUMNS": "80", "TERM": "dumb"}
OWN_WORDS = (DependencyError, DeviceLostError)
CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ErmuError) and kind not in OWN_WORDS
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_is_printed_as_it_is(kind: type[ErmuError], capsys: pytest.CaptureFixture[str]) -> None:
    print_error(kind(f"a {ODD}", expected=f"b {ODD}", fix=f"c {ODD}"))
    assert capsys.readouterr().err == f"error: a {ODD}\nexpected: b {ODD}\nfix: c {ODD}\n"


def test_the_extra_stays_in_the_command_that_installs_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(DependencyError("onnx", "[b]this[/b]", "export"))
    said = capsys.readouterr().err
    assert said.endswith("fix: pip install 'ermu[export]'\n") and "[b]this[/b] needs" in said


def test_what_came_of_a_reset_is_told_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(DeviceLostError(BackendError(f"a {ODD}")))
    assert f"resetting it did not help: a {ODD}\nfix: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--bundle", "{odd}", "--source", "x", "--out", "y"),
        ("serve", "--bundle", "demo", "--source", "{odd}"),
        ("bench", "--bundle", "{odd}"),
        ("eval", "--dataset", "vost", "--root", "{odd}", "--out", "y", "--baseline", "hold"),
        ("export", "--checkpoint", "{odd}", "--out", "y"),
        ("build", "--bundle", "{odd}"),
        ("train", "--config", "{odd}"),
        ("inspect", "{odd}"),
        ("doctor", "--bundle", "{odd}"),
        ("demo", "--source", "{odd}", "--out", "y"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_command_says_a_name_with_brackets(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    odd = "clip[final][/b].mp4"
    done = ermu(*(argument.format(odd=odd) for argument in arguments), cwd=tmp_path)
    assert done.returncode == 1
    assert odd in done.stdout + done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("--help",), ("doctor",), ("inspect", "demo")])
def test_into_a_closed_pipe(arguments: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "ermu", *arguments]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(write)
    assert done.stderr == ""


@pytest.mark.parametrize("arguments", [("--help",), ("doctor", "--json"), ("inspect", "demo")])
def test_onto_a_full_disk(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "ermu", *arguments]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("error: What is printed cannot be written: No space left on device.")
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_an_interrupt_while_it_is_starting() -> None:
    """At the first module that the entry point imports."""
    script = (
        "import signal, sys, ermu.__main__ as entry; "
        "signal.signal(2, signal.default_int_handler); "  # a shell's background jobs ignore it
        "stop = type('Stop', (), {'find_spec': lambda *_: signal.raise_signal(2)}); "
        "sys.meta_path.insert(0, stop); entry.main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_results_are_whole_though_nobody_reads_what_is_said(tiny_bundle: Path, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    scene = "scene:4,size=48x64,frames=4,objects=1"
    arguments = ["run", "--bundle", str(tiny_bundle), "--source", scene, "--out", str(tmp_path / "out")]
    command = [sys.executable, "-m", "ermu", *arguments]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(write)
    assert done.stderr == "" and len(list((tmp_path / "out" / "labels").iterdir())) == 4


@pytest.mark.parametrize("arguments", [("run", "--help"), ("doctor",), ("inspect", "demo")])
def test_on_a_poor_terminal(arguments: tuple[str, ...]) -> None:
    done = ermu(*arguments, env=POOR)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.isascii() and "\\u" not in done.stdout
    tables = [line for line in done.stdout.splitlines() if line.startswith(("|", "+"))]
    assert max(map(len, tables), default=0) <= 80


def test_names_beyond_the_terminals_letters(tiny_bundle: Path, tmp_path: Path) -> None:
    scene = "scene:4,size=48x64,frames=3,objects=1"
    out = tmp_path / "Ergebnis \N{LATIN SMALL LETTER U WITH DIAERESIS} \N{SNOWMAN}"
    done = ermu("run", "--bundle", tiny_bundle, "--source", scene, "--out", out, env=POOR)
    assert done.returncode == 0 and done.stderr == ""
    assert "\\xfc \\u2603" in done.stdout
    assert len(list((out / "labels").iterdir())) == 3
    done = ermu("inspect", out, env=POOR)
    assert done.returncode == 1 and "\\u2603" in done.stderr and "Traceback" not in done.stderr


@pytest.fixture
def broken_opencv(tmp_path: Path) -> dict[str, str]:
    """An environment whose OpenCV fails as opencv-python does in a container without libGL."""
    (tmp_path / "broken" / "cv2").mkdir(parents=True)
    said = "libGL.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "broken" / "cv2" / "__init__.py").write_text(f"raise ImportError({said!r})\n")
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(tmp_path / "broken"), *([before] if before else [])])}


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--bundle", "demo", "--source", "scene:1", "--out", "y"),
        ("serve", "--bundle", "demo", "--source", "scene:1"),
        ("bench",),
        ("eval", "--bundle", "demo", "--out", "y"),
        ("export", "--checkpoint", "x", "--out", "y"),
        ("build", "--bundle", "demo"),
        ("train", "--config", "x"),
        ("demo", "--out", "y"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_without_libgl(broken_opencv: dict[str, str], tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = ermu(*arguments, env=broken_opencv, cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 2
    for part in ("libGL.so.1", "apt install libgl1", "opencv-python-headless"):
        assert part in done.stderr


def test_doctor_and_inspect_without_libgl(broken_opencv: dict[str, str]) -> None:
    done = ermu("doctor", env=broken_opencv)
    assert done.returncode == 1 and done.stderr == ""
    assert "apt install libgl1" in done.stdout and "amiss: opencv" in done.stdout
    assert ermu("inspect", "demo", env=broken_opencv).returncode == 0


def test_in_python_without_libgl(broken_opencv: dict[str, str]) -> None:
    script = "import ermu\ntry: ermu.Segmenter\nexcept ermu.ErmuError as error: print(error.fix)"
    command, environment = [sys.executable, "-c", script], {**os.environ, **broken_opencv}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert "apt install libgl1" in done.stdout and done.stderr == ""


def test_inspect_as_json() -> None:
    found = json.loads(ermu("inspect", "demo", "--json").stdout)
    manifest = Bundle.load("demo").manifest
    assert found["manifest"] == json.loads(manifest.to_json()) and found["precisions"] == ["fp32"]
    assert found["backends"]["onnxruntime on cpu"] == []


def test_completion_of_commands_and_options() -> None:
    script = "import sys; sys.argv[0] = 'ermu'; from ermu.cli import main; main()"

    def completed(words: str, position: int) -> set[str]:
        asked = {"_ERMU_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(position)}
        command = [sys.executable, "-c", script]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **asked}, timeout=60
        )
        return set(done.stdout.split())

    assert {"run", "eval", "doctor"} <= completed("ermu ", 1)
    assert "--overwrite" in completed("ermu run --over", 2)


def test_onnxruntime_leaves_nothing_in_the_users_cache(tiny_bundle: Path, tmp_path: Path) -> None:
    """It writes an identifier of the device and a database unless it is told not to before it is imported."""
    home = tmp_path / "home"
    home.mkdir()
    places = {"HOME": home, "XDG_CACHE_HOME": home / "cache", "XDG_DATA_HOME": home / "data"}
    scene = "scene:4,size=48x64,frames=3,objects=1"
    arguments = ("run", "--bundle", tiny_bundle, "--source", scene, "--out", tmp_path / "out")
    done = ermu(*arguments, env={name: str(place) for name, place in places.items()}, cwd=home)
    assert done.returncode == 0, done.stderr
    assert not [path for path in home.rglob("*") if path.is_file()]
