"""A run over a dataset: sequence by sequence, in one process or several, able to go on after a kill."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from ermu.errors import BackendError, DatasetError, ErmuError, SinkError
from ermu.evaluation.datasets import Dataset
from ermu.evaluation.prediction.base import Predictor
from ermu.evaluation.prediction.opening import open_predictor
from ermu.evaluation.prediction.settings import RunSettings
from ermu.evaluation.results import score_results, write_tables
from ermu.evaluation.scores import Report, SequenceScorer, SequenceScores
from ermu.evaluation.sequences import VideoSequence
from ermu.runtime.files import replace_atomically, sha256_of
from ermu.runtime.images.labels import write_label_map
from ermu.runtime.sinks.base import make_folder, output_folder

Outcome = SequenceScores | str
Done = Callable[[str, Outcome], None]
Spread = Callable[["Run", list[VideoSequence]], Iterator[tuple[str, Outcome]]]

_SCORES = "_scores"


@dataclass(frozen=True)
class Run:
    """One set of settings over one dataset.

    Label maps go to `<out>/<sequence>/<frame>.png`, the tables to `<out>`, the scores of finished sequences
    to `<out>/_scores`.

    Attributes:
        dataset: What to run on.
        settings: What makes the label maps.
        out: Folder for the results.
        workers: Processes.
        resume: Go on in a folder that holds results of the same run: what has scores is not run again.
        spread: Hands sequences to processes elsewhere and yields in the order in which they finish; None,
            they are this machine's `workers`.
    """

    dataset: Dataset
    settings: RunSettings
    out: Path
    workers: int = 1
    resume: bool = False
    spread: Spread | None = None

    def execute(self, done: Done | None = None) -> Report:
        """Runs and scores every sequence, writes the tables.

        Args:
            done: Called with a sequence's name and its scores, or what was wrong with it, as soon as known.

        Returns:
            The report; sequences that broke are in its failures, the others are complete.

        Raises:
            SinkError: The folder holds other results, or cannot be written.
            BackendError: A worker process died.
            DatasetError: No sequence could be scored.
            ErmuError: The bundle cannot be loaded.
        """
        output_folder(self.out, overwrite=self.resume and is_result(self.out))
        self._claim_settings()
        earlier = self._earlier()
        waiting = [sequence for sequence in self.dataset.sequences if sequence.name not in earlier]
        outcomes: dict[str, Outcome] = {}
        for name, outcome in self._outcomes(waiting):
            outcomes[name] = outcome
            if done is not None:
                done(name, outcome)
        report = _report(self.dataset, {**earlier, **outcomes}, resumed=len(earlier))
        write_tables(report, self.out, self.dataset.split)
        return report

    def _claim_settings(self) -> None:
        """Leaves a note of what is run, or checks that the note there says the same."""
        note = make_folder(self.out / _SCORES) / "run.json"
        own = {"dataset": self.dataset.name, "split": self.dataset.split, **self._identity()}
        wanted: dict[str, object] = json.loads(json.dumps(own))
        if not note.is_file():
            with replace_atomically(note) as temporary:
                temporary.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
            return
        found = json.loads(note.read_text(encoding="utf-8"))
        differing = sorted(key for key in wanted if found.get(key) != wanted[key])
        if differing:
            raise SinkError(
                f"{self.out} holds results of another run: "
                + ", ".join(f"{key} {found.get(key)!r}" for key in differing),
                expected=", ".join(f"{key} {wanted[key]!r}" for key in differing),
                fix="choose another --out, or repeat the settings of the run to resume",
            )

    def _identity(self) -> dict[str, object]:
        """The settings that results depend on; a bundle counts by its manifest, wherever it lies."""
        identity = asdict(self.settings)
        del identity["threads"]
        if self.settings.bundle is not None:
            manifest = Path(self.settings.bundle) / "manifest.json"
            identity["bundle"] = sha256_of(manifest) if manifest.is_file() else self.settings.bundle
        return identity

    def _earlier(self) -> dict[str, Outcome]:
        paths = {sequence.name: self._score_path(sequence.name) for sequence in self.dataset.sequences}
        return {name: SequenceScores.load(path) for name, path in paths.items() if path.is_file()}

    def _score_path(self, name: str) -> Path:
        return self.out / _SCORES / f"{name}.json"

    def _outcomes(self, sequences: list[VideoSequence]) -> Iterator[tuple[str, Outcome]]:
        if not sequences:
            return
        if self.spread is not None:
            yield from self.spread(replace(self, spread=None), sequences)
            return
        predictor = open_predictor(self.settings)
        if self.workers <= 1:
            for sequence in sequences:
                yield sequence.name, self._attempt(sequence, predictor)
            return
        del predictor  # opened so that a bundle that cannot serve is refused here, not in every worker
        yield from self._spread(sequences)

    def _spread(self, sequences: list[VideoSequence]) -> Iterator[tuple[str, Outcome]]:
        """Hands sequences to worker processes; yields in the order in which they finish."""
        count = min(self.workers, len(sequences))
        pool = ProcessPoolExecutor(count, get_context("spawn"), _open_worker, (self.settings,))
        try:
            futures = {pool.submit(work, self, sequence): sequence.name for sequence in sequences}
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise BackendError(
                "A worker process died, most often for want of memory.",
                fix="run again with --resume and fewer --workers; finished sequences are kept",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)

    def _attempt(self, sequence: VideoSequence, predictor: Predictor) -> Outcome:
        try:
            scores = run_sequence(sequence, predictor, self.out, boundary=self.dataset.boundary)
            scores.save(self._score_path(sequence.name))
        except SinkError:
            raise
        except ErmuError as error:
            return str(error)
        except Exception as error:  # hours of other sequences must not be lost to one
            return f"{type(error).__name__}: {error}"
        return scores


_predictor: tuple[RunSettings, Predictor] | None = None


def _open_worker(settings: RunSettings) -> None:
    """Opens a worker process's predictor, once for all its sequences."""
    global _predictor
    if _predictor is None or _predictor[0] != settings:
        _predictor = settings, open_predictor(settings)


def work(run: Run, sequence: VideoSequence) -> Outcome:
    """One sequence of a run, in a process that keeps its predictor for the next.

    Raises:
        SinkError: its label maps cannot be written.
        ErmuError: the bundle cannot be loaded here.
    """
    _open_worker(run.settings)
    assert _predictor is not None
    return run._attempt(sequence, _predictor[1])


def is_result(folder: Path) -> bool:
    """Whether a folder holds a run's results, which can be gone on with."""
    return (folder / _SCORES / "run.json").is_file()


def run_sequence(
    sequence: VideoSequence, predictor: Predictor, out: Path, *, boundary: bool = False
) -> SequenceScores:
    """Runs one sequence, writes `<out>/<sequence>/<frame>.png` and scores the annotated frames on the way.

    Raises:
        ErmuError: The sequence cannot be read, followed, scored or written.
    """
    begin = time.perf_counter()
    scorer = SequenceScorer(sequence, boundary)
    folder = make_folder(out / sequence.name)
    milliseconds, most = [], 0
    for prediction in predictor.predict(sequence):
        write_label_map(folder / f"{prediction.name}.png", prediction.label)
        scorer.add(prediction.name, prediction.label)
        milliseconds.append(prediction.ms)
        most = max(most, prediction.memory_frames)
    return scorer.scores(
        frames_run=len(milliseconds),
        seconds=time.perf_counter() - begin,
        ms_per_frame=sum(milliseconds) / max(len(milliseconds), 1),
        memory_frames=most,
    )


def score_only(dataset: Dataset, results: Path, out: Path, done: Done | None = None) -> Report:
    """Scores the label maps in a folder and writes the tables.

    Args:
        dataset: Gives the annotations.
        results: Holds `<sequence>/<frame>.png`.
        out: Folder for the tables.
        done: As for `Run.execute`.

    Raises:
        SinkError: There are no results, or the tables cannot be written.
        DatasetError: No sequence could be scored.
    """
    if not results.is_dir():
        raise SinkError(f"There is no folder {results}.", expected="label maps as <sequence>/<frame>.png")
    outcomes: dict[str, Outcome] = {}
    for sequence in dataset.sequences:
        try:
            outcomes[sequence.name] = score_results(sequence, results, boundary=dataset.boundary)
        except ErmuError as error:
            outcomes[sequence.name] = str(error)
        if done is not None:
            done(sequence.name, outcomes[sequence.name])
    report = _report(dataset, outcomes)
    if report.scores and not report.figures:
        raise DatasetError("There is nothing to score: " + "; ".join(report.remarks))
    write_tables(report, make_folder(out), dataset.split)
    return report


def _report(dataset: Dataset, outcomes: dict[str, Outcome], resumed: int = 0) -> Report:
    ordered = [(sequence.name, outcomes[sequence.name]) for sequence in dataset.sequences]
    scores = tuple(outcome for _, outcome in ordered if isinstance(outcome, SequenceScores))
    failures = {name: outcome for name, outcome in ordered if isinstance(outcome, str)}
    return Report(scores, failures, resumed)
