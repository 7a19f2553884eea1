"""The tour of README and docs/start.md on a machine with nothing: a Debian root, the wheel, a mere user.

Every command is run as the pages show it; what stands in for a camera or a published checkpoint is said here.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic

import cv2

from ermu.runtime.images.labels import write_label_map
from ermu.scenes.catalogue import demo_scene
from ermu.scenes.source import SceneSource
from tests.deploy.roots import debian, inside
from tests.installs.commands import README, commands
from tests.installs.environments import wheel
from tests.support.import_graph import ROOT

START = ROOT / "docs" / "start.md"
RELEASES = {(3, 11): "bookworm", (3, 13): "trixie"}  # by their Python, which the wheel must be for
FRAMES = 60
# Of a checkout, whose environment is the suite's: `make test` makes it wherever the suite runs.
NOT_OF_THE_WHEEL = ("make demo", "make test", "make docs")
CAMERA = "python -m tests.support.servers.rtsp_server --port 8554 --sizes 640x360"
INSTEAD = {
    "--source 0": "--source scene:8,swing",
    "rtsp://user:password@camera/stream": "rtsp://127.0.0.1:8554/live",
    "rtsp://camera/stream": "rtsp://127.0.0.1:8554/live",
    "VideoCapture(0)": "VideoCapture('video.mp4')",
}
# Waits for the page, draws a box on it and waits until what is in it is followed.
DRAW = """
import json, time, urllib.request as web
def ask(path, **box):
    body = json.dumps(box).encode() if box else None
    asked = web.Request("http://127.0.0.1:8000" + path, body, {"Content-Type": "application/json"})
    return json.load(web.urlopen(asked, timeout=10))
until = time.monotonic() + 120
def wait(what):
    while True:
        try:
            if what(): return
        except OSError: pass
        assert time.monotonic() < until
        time.sleep(0.1)
wait(lambda: ask("/api/streams")["streams"][0]["frames"] > 3)
assert b"<html" in web.urlopen("http://127.0.0.1:8000/").read().lower()
ask("/api/streams/0/objects", box=[100, 100, 400, 300])
wait(lambda: ask("/api/streams/0/objects")["objects"][0]["state"] == "visible")
"""


@dataclass
class Tour:
    """A machine that the pages are tried on.

    Attributes:
        root: Its file system.
        taken: Seconds that each command took.
    """

    root: Path
    taken: dict[str, float] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.root / "home" / "stranger"

    def type(self, command: str, *, beside: str = "", said: str | None = None) -> str:
        """What a command printed, typed by the user in their home; it must end well.

        Args:
            command: What is typed, in the environment of the first one.
            beside: See `inside`.
            said: What it is called among those that are timed; None: not timed.
        """
        typed = f"if [ -f ermu/bin/activate ]; then . ermu/bin/activate; fi; {command}"
        environment = {"HOME": "/home/stranger", "LANG": "C.UTF-8", "PIP_FIND_LINKS": "/wheels"}
        began = monotonic()
        done = inside(
            self.root, typed, environment=environment, folder="/home/stranger", user="1000", beside=beside
        )
        if said is not None:
            self.taken[said] = monotonic() - began
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, f"{command}\n{done.stderr}"
        return done.stdout

    def show(self, command: str) -> str:
        """`type` for a command of a page, with what stands in for what is not here."""
        typed = command
        for shown, instead in INSTEAD.items():
            typed = typed.replace(shown, instead)
        if (cpu := "--index-url https://download.pytorch.org/whl/cpu") in typed and _torch():
            typed = typed.replace(f"torch {cpu}", f"torch=={_torch()[0].name.split('-')[1]}")
        if not command.startswith("ermu serve"):
            return self.type(typed, said=command)
        ends = f"{typed} & server=$!; python -c {shlex.quote(DRAW)}; kill -TERM $server; wait $server"
        camera = f"cd {shlex.quote(str(ROOT))} && {sys.executable} -m {CAMERA.partition(' -m ')[2]}"
        return self.type(ends, beside=camera, said=command)

    def seconds(self) -> str:
        return "\n".join(f"{seconds:7.1f} s  {command}" for command, seconds in self.taken.items())


def machine(roots: Path) -> Tour:
    """Debian with its Python and a user; the wheel lies in a folder that pip looks into."""
    tour = Tour(debian(RELEASES[sys.version_info[:2]], roots, "stranger"))
    prepared = (
        "apt-get -q update"
        " && apt-get -q install -y --no-install-recommends ca-certificates python3 python3-venv"
        " && useradd --uid 1000 --create-home stranger && mkdir /wheels"
    )
    done = inside(tour.root, prepared, environment={"DEBIAN_FRONTEND": "noninteractive"})
    assert done.returncode == 0, done.stdout + done.stderr
    for built in (wheel(), *_torch()):
        shutil.copy(built, tour.root / "wheels")
    _video(tour.home)
    return tour


def _video(folder: Path) -> None:
    """A user's video, drawn, and the label map of its first frame."""
    scene = SceneSource(replace(demo_scene(), frames=FRAMES))
    size = demo_scene().size_hw[::-1]
    writer = cv2.VideoWriter(str(folder / "video.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25, size)
    for frame in scene:
        writer.write(frame.image)
    writer.release()
    write_label_map(folder / "first_frame.png", scene.label(0))
    for path in folder.iterdir():
        os.chown(path, 1000, 1000)


def _torch() -> list[Path]:
    """The CPU build of torch, where pip finds one on this machine; else it comes from its index."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.find-links"], capture_output=True, text=True
    )
    folders = {*os.environ.get("PIP_FIND_LINKS", "").split(), *listed.stdout.split()}
    python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    found = {each for folder in folders for each in Path(folder).glob(f"torch-*+cpu-{python}-*.whl")}
    return sorted(found)[-1:]


def shown() -> list[str]:
    """The commands of the tour in the order in which somebody meets them: first the tour, then the README."""
    met = dict.fromkeys([*commands(START), *commands(README)])
    return [command for command in met if command not in NOT_OF_THE_WHEEL]


def programs() -> dict[str, str]:
    """The pages' programs in Python, cut short where they run for ever."""
    found = {}
    for page in (START, README):
        (code,) = re.findall(r"```python\n(import cv2, ermu.*?)```", page.read_text("utf-8"), re.DOTALL)
        for camera, file in INSTEAD.items():
            code = code.replace(camera, file)
        if page == README:
            code = code.replace("while True:", "for _ in range(10):")
        found[f"In Python, {page.relative_to(ROOT)}"] = code
    return found
