"""Many videos, each by `ermu run` in a Ray task: what it writes is what `ermu run` writes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ermu.errors import PromptError, SinkError, SourceError
from ermu.fleet.cluster import Cluster, WorkerLostError
from ermu.runtime.files import replace_atomically, visible_files, visible_folders
from ermu.runtime.sinks.base import make_folder

_DONE = "_done"


@dataclass(frozen=True)
class Video:
    """One to segment.

    Attributes:
        name: Of its folder of results.
        source: A video, or a folder of images.
        prompt: Label map of its first frame, or a folder of them; None where nothing was found.
    """

    name: str
    source: Path
    prompt: Path | None


def videos_in(folder: Path, prompts: Path) -> list[Video]:
    """Every file and folder of a folder, with what is called like it among the prompts.

    Raises:
        SourceError: there is none, or two would have one name.
        PromptError: there is no folder of prompts.
    """
    if not prompts.is_dir():
        raise PromptError(f"There is no folder {prompts}.", expected="label maps called like the videos")
    found: dict[str, Video] = {}
    for path in [*visible_files(folder), *visible_folders(folder)] if folder.is_dir() else []:
        name = path.stem if path.is_file() else path.name
        if name in found:
            raise SourceError(f"{path} and {found[name].source} have one name.", fix="rename one of them")
        known = (prompts / f"{name}.png", prompts / name)
        found[name] = Video(name, path.resolve(), next((p.resolve() for p in known if p.exists()), None))
    if not found:
        raise SourceError(f"There is no video in {folder}.", expected="a folder of videos")
    return list(found.values())


@dataclass(frozen=True)
class VideoRun:
    """One set of options over many videos; results go to `<out>/<name>`, what is finished to `<out>/_done`.

    Attributes:
        options: Of `ermu run`, but for source, prompt and out.
        out: A folder that every node reaches.
        threads: Of each task.
    """

    options: Sequence[str]
    out: Path
    threads: int

    def waiting(self, videos: Sequence[Video], *, resume: bool) -> list[Video]:
        """Those that have no results yet.

        Raises:
            SinkError: there are results, and they are not to be gone on with, or are another run's.
        """
        done = self.out / _DONE
        if self.out.is_dir() and any(self.out.iterdir()) and not (resume and done.is_dir()):
            raise SinkError(f"{self.out} is not empty.", fix="choose another --out, or --resume this run")
        finished = set()
        for video in videos:
            mark = done / video.name
            if mark.is_file():
                finished.add(video.name)
                if mark.read_text("utf-8") != self._mark:
                    raise SinkError(f"{self.out} holds results of another run.", fix="choose another --out")
        return [video for video in videos if video.name not in finished]

    def execute(self, cluster: Cluster, videos: Sequence[Video]) -> Iterator[tuple[str, str | None]]:
        """Yields each video's name, with what was wrong with it, in the order in which they finish."""
        make_folder(self.out / _DONE)
        waiting = cluster.tasks(segment, self, videos, cpus=self.threads)
        while waiting:
            for asked in cluster.answered(list(waiting), seconds=1.0, some=True):
                video = waiting.pop(asked)
                try:
                    wrong: str | None = cluster.result(video.name, asked, seconds=60.0)
                except WorkerLostError as error:
                    wrong = error.problem
                if wrong is None:
                    with replace_atomically(self.out / _DONE / video.name) as temporary:
                        temporary.write_text(self._mark, encoding="utf-8")
                yield video.name, wrong

    @property
    def _mark(self) -> str:
        return " ".join(self.options)


def segment(run: VideoRun, video: Video) -> str | None:
    """One video, in a process of its own; returns what was wrong with it."""
    if video.prompt is None:
        return "Nothing among the prompts is called like it."
    command = [sys.executable, "-m", "ermu", "run", "--source", str(video.source), "--overwrite"]
    command += ["--prompt", str(video.prompt), "--out", str(run.out / video.name), *run.options]
    done = subprocess.run([*command, "--threads", str(run.threads)], capture_output=True, text=True)
    if done.returncode == 0:
        return None
    return done.stderr.strip() or f"ermu run ended with {done.returncode}."
