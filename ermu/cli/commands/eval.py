"""`ermu eval`: accuracy of a bundle, a baseline, or label maps that exist, on a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ermu.cli.options import (
    BUNDLE_HELP,
    BackendName,
    Capacity,
    Device,
    IdentityChannels,
    LongEdge,
    Policy,
    Precision,
    listed,
)
from ermu.registries import BASELINES, DATASETS

if TYPE_CHECKING:
    from ermu.evaluation.datasets import Dataset
    from ermu.evaluation.prediction.settings import RunSettings
    from ermu.evaluation.runner import Spread
    from ermu.evaluation.scores import Report
    from ermu.runtime.bundle.bundle import Bundle


def evaluate(
    bundle: Annotated[
        str | None,
        typer.Option(help=BUNDLE_HELP),
    ] = None,
    dataset: Annotated[str, typer.Option(help=f"{listed(DATASETS.names())}.")] = "scenes",
    root: Annotated[
        Path | None,
        typer.Option(help="The dataset's folder; scenes needs none."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Part of it; default: val or valid (policy for scenes with --compare-policies)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for label maps and tables."),
    ] = None,
    policy: Policy = None,
    compare_policies: Annotated[bool, typer.Option("--compare-policies", help="Run every policy.")] = False,
    baseline: Annotated[
        str | None,
        typer.Option(help=f"Run a baseline too, or alone: {listed(BASELINES.names())}."),
    ] = None,
    capacity: Capacity = None,
    gap: Annotated[
        int | None,
        typer.Option(min=1, help="Frames between memory appends; default: the bundle's rule."),
    ] = None,
    long_edge: LongEdge = None,
    identities: IdentityChannels = "present",
    scales: Annotated[
        str,
        typer.Option(help="Sizes at which every frame is seen, with commas: 1.0,1.3; their mean decides."),
    ] = "1.0",
    flip: Annotated[bool, typer.Option("--flip", help="See every frame mirrored as well.")] = False,
    precision: Precision = None,
    backend: BackendName = "auto",
    device: Device = "cpu",
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="CPU threads a worker; default: all cores, shared between the workers."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    fleet: Annotated[
        str | None,
        typer.Option(help="Spread sequences over a Ray cluster instead: local, or HOST:PORT of its head."),
    ] = None,
    sequence: Annotated[
        list[str] | None,
        typer.Option(help="Only this sequence; may be repeated."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on in --out; finished sequences are kept.")
    ] = False,
    score_only: Annotated[
        bool, typer.Option("--score-only", help="Score the label maps in --results.")
    ] = False,
    results: Annotated[
        Path | None,
        typer.Option(help="With --score-only: label maps as SEQUENCE/FRAME.png."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="With --score-only: replace tables that exist.")
    ] = False,
    submission: Annotated[
        Path | None,
        typer.Option(help="Pack the label maps into this zip file, as the dataset's server takes them."),
    ] = None,
    plots: Annotated[
        bool, typer.Option("--plots", help="Plot J over time into OUT/_plots (needs matplotlib).")
    ] = False,
) -> None:
    """Measure accuracy: J, J_tr, F, recall and decay on public datasets, your own folders or drawn scenes."""
    from ermu.runtime.opencv import need_opencv

    need_opencv()
    from ermu.cli.result_folders import check_evaluation, check_tables
    from ermu.cli.sizes import parse_scales
    from ermu.errors import DatasetError, SinkError
    from ermu.evaluation.datasets import open_dataset
    from ermu.evaluation.prediction.settings import RunSettings

    if submission is not None:
        _check_submission(submission, alone=not compare_policies and (bundle is None or baseline is None))
    chosen = open_dataset(
        dataset, root, split or ("policy" if compare_policies and dataset == "scenes" else None)
    )
    chosen = chosen.only(sequence) if sequence else chosen
    if score_only:
        if results is None:
            raise SinkError("--score-only needs label maps.", fix="give their folder with --results DIR")
        check_tables(out or results, chosen.split, overwrite=overwrite)
        reports, folder = _score(chosen, results, out or results), out or results
    else:
        if out is None:
            raise SinkError("There is nowhere to write results.", fix="give a folder with --out DIR")
        check_evaluation(root, bundle, out, resume=resume)
        if compare_policies and bundle is None:
            raise DatasetError("--compare-policies compares a bundle's runs.", fix="give --bundle BUNDLE")
        settings = None
        if bundle is not None or baseline is None:
            cores = threads or (1 if fleet is not None else _share_of_cores(workers))
            settings = RunSettings(
                bundle=bundle,
                policy=policy or _usual_policy(_loaded(bundle, long_edge)),
                capacity=capacity,
                gap=gap,
                long_edge=long_edge,
                identities=identities,
                scales=parse_scales(scales),
                flip=flip,
                backend=backend,
                precision=precision,
                device=device,
                threads=cores,
            )
        spread = _spread(fleet, threads, workers) if fleet is not None else None
        given = (chosen, settings, baseline, out, workers, resume, compare_policies)
        reports, folder = _run(*given, spread=spread), out
    _show(reports, folder, chosen, plots)
    if submission is not None:
        _submit(chosen, results if score_only and results else folder, submission)
    if any(report.failures for report in reports.values()):
        raise typer.Exit(1)


def _usual_policy(bundle: Bundle | None) -> str:
    """The bundle's own policy; a baseline has no use for one."""
    return "none" if bundle is None else bundle.manifest.memory.policy


def _loaded(bundle: str | None, long_edge: int | None) -> Bundle | None:
    """The bundle, where there is one; says what is asked of it to no effect."""
    from ermu.cli.bundles import warn_of_long_edge
    from ermu.runtime.bundle.bundle import Bundle

    if bundle is None:
        return None
    loaded = Bundle.load(bundle)
    warn_of_long_edge(loaded, long_edge)
    return loaded


def _check_submission(path: Path, *, alone: bool) -> None:
    from ermu.errors import OptionError
    from ermu.evaluation.submission import check_submission

    if not alone:
        raise OptionError("--submission packs one run's label maps.", fix="compare in a run of its own")
    check_submission(path)


def _submit(dataset: Dataset, results: Path, path: Path) -> None:
    from ermu.evaluation.submission import write_submission

    typer.echo(f"{write_submission(dataset, results, path)} files packed into {path}")


def _share_of_cores(workers: int) -> int | None:
    from ermu.devices.processors import usable_processors

    return max(1, usable_processors() // workers) if workers > 1 else None


def _spread(address: str, threads: int | None, workers: int) -> Spread:
    from ermu.errors import OptionError
    from ermu.fleet.offline import RayTasks

    if workers > 1:
        raise OptionError("--workers are this machine's processes.", fix="leave it out beside --fleet")
    return RayTasks(address, threads or 1)


def _run(
    dataset: Dataset,
    settings: RunSettings | None,
    baseline: str | None,
    out: Path,
    workers: int,
    resume: bool,
    policies: bool,
    spread: Spread | None = None,
) -> dict[str, Report]:
    from dataclasses import replace

    from ermu.evaluation.comparison.runs import compared_settings, planned_runs, write_comparison
    from ermu.evaluation.display import SequenceProgress

    compared = compared_settings(settings, baseline, policies=policies)
    reports = {}
    for run in planned_runs(dataset, compared, out, workers=workers, resume=resume):
        with SequenceProgress(run.settings.name, len(dataset.sequences)) as progress:
            reports[run.settings.name] = replace(run, spread=spread).execute(progress.done)
    if len(reports) > 1:
        write_comparison(reports, out / "comparison.csv")
    return reports


def _score(dataset: Dataset, results: Path, out: Path) -> dict[str, Report]:
    from ermu.evaluation.display import SequenceProgress
    from ermu.evaluation.runner import score_only

    with SequenceProgress("score", len(dataset.sequences)) as progress:
        return {"results": score_only(dataset, results, out, progress.done)}


def _show(reports: dict[str, Report], out: Path, dataset: Dataset, plots: bool) -> None:
    from ermu.evaluation.display import print_comparison, print_report

    for name, report in reports.items():
        print_report(name, report, dataset)
        if plots:
            from ermu.evaluation.plots import plot_report
            from ermu.runtime.sinks.base import make_folder

            place = out / name if len(reports) > 1 else out
            plot_report(report, make_folder(place / "_plots"))
    if len(reports) > 1:
        print_comparison(reports)
    typer.echo(f"Written to {out}")
