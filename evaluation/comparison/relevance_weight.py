"""How much relevance should weigh in a network's ERMU, tried on clips that no comparison uses.

    python -m ermu.evaluation.comparison.relevance_weight --out DIR [--bundle demo] [--weights 4,1,0.1,0.01,0]

Every weight runs over the split `tuning` of the dataset `scenes`, and so do FIFO and RMem; the table is as of
`ermu eval --compare-policies`. `ermu export --relevance-weight` puts the one that is chosen into a bundle.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from ermu.evaluation.comparison.runs import write_comparison
from ermu.evaluation.datasets import Dataset, open_dataset
from ermu.evaluation.display import SequenceProgress, print_comparison
from ermu.evaluation.prediction.settings import RunSettings
from ermu.evaluation.runner import Run
from ermu.evaluation.scores import Report
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.sinks.base import make_folder

WEIGHTS = (4.0, 1.0, 0.4, 0.1, 0.04, 0.01, 0.0)  # the first is published
OTHERS = ("fifo", "rmem")


def with_weight(bundle: Bundle, weight: float, folder: Path) -> Path:
    """Copies a bundle into a new folder, where its ERMU weighs relevance otherwise.

    Args:
        bundle: Of a network whose objects share memories; stays as it is.
        weight: The constant a (`docs/spec/ermu.md`).
        folder: Replaced where there is one.

    Raises:
        BundleError: its objects have a memory each: such a bundle has no constants.
    """
    manifest = bundle.group_manifest
    score = manifest.score.model_copy(update={"relevance_weight": weight})
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bundle.path, folder)
    (folder / "manifest.json").write_text(manifest.model_copy(update={"score": score}).to_json())
    return folder


def compare_weights(
    dataset: Dataset, bundle: Bundle, weights: tuple[float, ...], out: Path, *, threads: int | None = None
) -> dict[str, Report]:
    """Runs every weight and the other policies over the same clips, and writes `comparison.csv`.

    Args:
        dataset: The clips.
        bundle: Whose capacity and gap hold for every run.
        weights: The first is what the others' gains are measured from.
        out: Folder for the results; finished clips of an earlier call are not run again.
        threads: CPU threads; None for all cores.

    Returns:
        The reports by name: `a=` and the weight, or the policy's.
    """
    make_folder(out)
    settings = {
        f"a={weight:g}": RunSettings(
            bundle=str(with_weight(bundle, weight, out / "bundles" / f"{weight:g}")), threads=threads
        )
        for weight in weights
    }
    others = {name: RunSettings(str(bundle.path), policy=name, threads=threads) for name in OTHERS}
    reports = {}
    for name, each in {**settings, **others}.items():
        with SequenceProgress(name, len(dataset.sequences)) as progress:
            reports[name] = Run(dataset, each, out / name, resume=True).execute(progress.done)
    write_comparison(reports, out / "comparison.csv")
    return reports


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bundle", default="demo")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", default=",".join(f"{weight:g}" for weight in WEIGHTS))
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    dataset = open_dataset("scenes", split="tuning")
    dataset = replace(dataset, sequences=dataset.sequences[: options.clips])
    weights = tuple(float(weight) for weight in options.weights.split(","))
    bundle = Bundle.load(options.bundle)
    print_comparison(compare_weights(dataset, bundle, weights, options.out, threads=options.threads))


if __name__ == "__main__":
    main()
