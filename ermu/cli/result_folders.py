"""Folders that commands go on in, or replace: whether what lies there is theirs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ermu.cli.paths import Paths
from ermu.errors import OptionError, SinkError


def check_evaluation(root: Path | None, bundle: str | None, out: Path, *, resume: bool) -> None:
    """Refuses a folder for an evaluation in which something else would be written over.

    Args:
        root: The dataset's folder.
        bundle: As of `ermu eval`.
        out: For label maps and tables.
        resume: Whether an earlier evaluation there is gone on with.

    Raises:
        OptionError: it lies where the dataset or the bundle does.
        SinkError: it is not empty and holds no evaluation to go on with.
    """
    from ermu.evaluation.runner import is_result

    folders = [out, *(out.iterdir() if out.is_dir() else ())]
    if resume and any(is_result(folder) for folder in folders):
        return
    paths = Paths(option="--resume to go on with an evaluation")
    paths.reads("the dataset", root, whole=True)
    if bundle is not None:
        paths.reads_bundle(bundle)
    paths.writes("the label maps", out, folder=True)
    paths.check()


def check_tables(out: Path, split: str, *, overwrite: bool) -> None:
    """Refuses to score into tables that exist; those of an evaluation of ours are written anew.

    Raises:
        SinkError: one does, and may not be overwritten.
    """
    from ermu.evaluation.runner import is_result

    paths = Paths(overwrite=overwrite or is_result(out))
    for table in ("global_results", "per-sequence_results"):
        paths.writes("the table", out / f"{table}-{split}.csv")
    paths.check()


def check_training(config: Path, starts: Sequence[Path | None], out: Path) -> None:
    """Refuses a folder for a training in which something else would be written over.

    Args:
        config: The training's description.
        starts: The weights that it starts from.
        out: For checkpoint, weights, log and curve.

    Raises:
        OptionError: an input would be written over.
        SinkError: files with a training's names are there, and no training has left them.
    """
    from ermu.training.log import COLUMNS

    log = out / "log.csv"
    began = log.is_file() and log.read_text("utf-8", "replace").startswith(",".join(COLUMNS))
    paths = Paths(overwrite=began, option="another --out")
    paths.reads("the description", config)
    for start in starts:
        paths.reads("the starting weights", start)
    for name in ("checkpoint.pth", "weights.pth", "log.csv", "curve.png"):
        paths.writes(f"the training's {name}", out / name)
    paths.check()


def check_export(checkpoint: Path, out: Path) -> None:
    """Refuses to put a bundle in the place of a folder that holds its checkpoint.

    Raises:
        OptionError: it does.
    """
    place = checkpoint.resolve()
    if out.resolve() in (place, *place.parents) and out.is_dir():
        raise OptionError(
            f"The checkpoint {checkpoint} {'is' if out.resolve() == place else 'lies in'} {out}, "
            "which the bundle would replace.",
            fix="choose another --out",
        )


def check_demo(out: Path) -> None:
    """Refuses a folder for the demo's files that holds others of the same names.

    Raises:
        SinkError: it does.
    """
    from ermu.runtime.images.label_folder import is_own, refuse_others

    labels = out / "labels"
    if any(is_own(path) for path in labels.glob("*.png")):
        refuse_others(labels)
        return
    theirs = [name for name in ("labels", "overlay.mp4", "trace.jsonl") if (out / name).exists()]
    if theirs:
        raise SinkError(
            f"{out / theirs[0]} was not written by `ermu demo`, and will not be overwritten.",
            fix="choose another --out",
        )
