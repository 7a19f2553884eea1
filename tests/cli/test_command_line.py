"""What holds for every command: versions, exit codes, text printed as it is, the log on stderr."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import ermu as package
from ermu.logs import JsonFormatter
from tests.cli.commands.test_run import ermu


def test_version():
    assert ermu("--version").stdout == f"ermu {package.__version__}\n"


def test_exit_codes(tmp_path):
    assert ermu("run", "--nonsense").returncode == 2
    assert ermu("--log-format", "xml", "inspect", tmp_path).returncode == 2
    done = ermu("inspect", tmp_path)
    assert done.returncode == 1
    assert done.stdout == "" and done.stderr.startswith("error: ")


def test_brackets_of_the_users_stay_brackets(tmp_path):
    """Rich would take `[bold]` for a style and `[/x]` for an error."""
    for name in ("clip[bold].mp4", "odd[/x]"):
        done = ermu("run", "--bundle", "demo", "--source", name, "--out", tmp_path / "out")
        assert done.returncode == 1
        assert f"'{name}'" in done.stderr
        assert "Traceback" not in done.stderr


def test_results_go_into_folders_with_brackets(tmp_path):
    out = tmp_path / "out[red][/x]"
    done = ermu("run", "--bundle", "demo", "--source", "scene:1", "--out", out, "--max-frames", 2)
    assert done.returncode == 0, done.stderr
    assert f"-> {out}" in done.stdout


def test_the_log_is_quiet_unless_asked(tmp_path):
    arguments = ("run", "--bundle", "demo", "--source", "scene:1", "--max-frames", 2)
    done = ermu(*arguments, "--out", tmp_path / "a")
    assert done.returncode == 0 and done.stderr == ""
    script = "import logging, ermu; logging.getLogger('ermu.x').warning('not seen')"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stderr == ""


def test_json_log_of_the_command(tmp_path):
    """`--verbose --log-format json` says what happens, an object a line on stderr."""
    script = (
        "import logging, sys\n"
        "from ermu.cli import main\n"
        "import ermu.demo\n"
        "def run_demo(*_, **__):\n"
        "    logger = logging.getLogger('ermu.sources')\n"
        "    logger.info('back', extra={'stream': 'yard'})\n"
        "    logger.debug('not asked for')\n"
        "ermu.demo.run_demo = run_demo\n"
        "sys.argv = ['ermu', *sys.argv[1:], 'demo']\n"
        "main()"
    )

    def logged(*options):
        command = [sys.executable, "-c", script, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return done.stderr.splitlines()

    assert logged() == []
    (line,) = logged("--verbose", "--log-format", "json")
    entry = json.loads(line)
    assert entry.pop("time").endswith("+00:00")
    assert entry == {"level": "info", "logger": "ermu.sources", "message": "back", "stream": "yard"}
    (line,) = logged("--verbose")
    assert line.endswith("INFO ermu.sources: stream yard: back")


def test_json_lines_hold_errors():
    try:
        raise ValueError("why")
    except ValueError:
        record = logging.LogRecord("ermu.x", logging.ERROR, "f.py", 1, "no %s", ("luck",), sys.exc_info())
    entry = json.loads(JsonFormatter().format(record))
    assert entry["message"] == "no luck" and "ValueError: why" in entry["exception"]
