"""`ermu build`: a bundle gets graphs in another precision, and engines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ermu.cli.options import listed
from ermu.cli.sizes import parse_size
from ermu.devices.tensorrt_module import MODULES, RTX
from ermu.errors import DependencyError

if TYPE_CHECKING:
    from rich.console import Console

    from ermu.runtime.bundle.built import Comparison


def build(
    bundle: Annotated[
        str,
        typer.Option(
            help="A bundle folder, demo, or an address; what is built is added to it, or to a copy "
            "where it is not yours."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for a copy to build in; default: none, for a package's bundle the user's cache."
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help=f"Build engines with {listed(list(MODULES))}; default: only the precision's graphs."
        ),
    ] = None,
    precision: Annotated[str, typer.Option(help="fp32, fp16 or int8.")] = "fp32",
    size: Annotated[
        list[str] | None,
        typer.Option(
            help="Network input HxW, such as 353x641 (352x640 for Swin); repeat it for more. "
            "Not for bundles of fixed size."
        ),
    ] = None,
    max_memory: Annotated[
        int | None,
        typer.Option(min=2, help="Most memory frames; default: the bundle's capacity."),
    ] = None,
    max_objects: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Most objects that run at once; fewer need less GPU memory, more take turns. Default: 50.",
        ),
    ] = None,
    sm: Annotated[
        str | None,
        typer.Option(
            help="Compute capabilities for tensorrt-rtx, such as 86,89,120; default: one portable engine."
        ),
    ] = None,
    workspace_mb: Annotated[
        int | None,
        typer.Option(min=1, help="Device memory that one layer may use."),
    ] = None,
    timing_cache: Annotated[
        Path | None,
        typer.Option(help="File that keeps kernel timings between builds (tensorrt)."),
    ] = None,
    clip: Annotated[
        str | None,
        typer.Option(help="Video to compare precisions on, and to calibrate int8 with; default: procedural."),
    ] = None,
    prompt: Annotated[
        Path | None,
        typer.Option(help="Label map of the clip's first frame."),
    ] = None,
) -> None:
    """Build a bundle's engines, its graphs converted to the precision first, and measured."""

    from ermu.cli.printing import WorkConsole, plain, progress
    from ermu.runtime.bundle.bundle import Bundle
    from ermu.runtime.opencv import need_opencv

    need_opencv()
    console = WorkConsole()
    try:
        from ermu.export.caching.derived_bundle import bundle_to_build_in
        from ermu.export.engines.building import build_engines
        from ermu.export.precision.clip import given_clip
        from ermu.export.precision.conversion import add_precision, check_buildable
    except ModuleNotFoundError as error:
        raise DependencyError(error.name or "onnx", "Building a bundle", "build") from error
    check_buildable(precision)
    whole = Bundle.load(bundle)
    _check_paths(whole.path, clip, prompt, timing_cache)
    target = bundle_to_build_in(whole, out)
    chosen = given_clip(clip, prompt)
    with progress(console, "build") as show:
        loaded = add_precision(target, precision, clip=chosen, progress=show)
        report = None
        if engine is not None:
            report = build_engines(
                target.path,  # as it is now, with what has been converted
                module=engine,
                precision=precision,
                sizes=[parse_size(s) for s in size or []],
                max_memory=max_memory,
                max_objects=max_objects,
                targets=[f"sm{number.strip()}" for number in sm.split(",")] if sm else [],
                workspace_mb=workspace_mb,
                timing_cache=timing_cache,
                progress=show,
            )
    if precision in loaded.manifest.variants:
        _print_comparison(console, precision, loaded.manifest.variants[precision].comparison)
    if report:
        for info in report.built:
            what = f"{info.size_bytes / 1e6:.1f} MB in {info.build_seconds:.1f} s"
            said = f"; {report.logs[info.file]}" if info.module == RTX else ""
            plain(console, f"{info.file}: {what}{said}")
        console.print(f"{len(report.built)} engines built, {len(report.kept)} were up to date")
    if target.path != whole.path:
        plain(console, f"built in {target.path}: pass --bundle {target.path}")
    if engine is None:
        plain(console, f"what is fastest here, for --backend auto: ermu tune {target.path}")


def _check_paths(bundle: Path, clip: str | None, prompt: Path | None, timing_cache: Path | None) -> None:
    """Refuses a timing cache that is something else; one of an earlier build is read and written anew."""
    from ermu.cli.paths import Paths

    paths = Paths(overwrite=True)
    paths.reads_bundle(bundle)
    paths.reads("the clip", clip)
    paths.reads("the prompt", prompt)
    paths.writes("the timing cache", timing_cache)
    paths.check()


def _print_comparison(console: Console, precision: str, found: Comparison) -> None:
    from ermu.cli.printing import plain
    from ermu.runtime.tuning.choosing import LEAST_AGREEMENT

    plain(
        console,
        f"{precision} against fp32 on {found.clip}, {found.frames} frames: "
        f"{found.pixel_agreement:.2%} of pixels agree, mean J of masks {found.jaccard:.4f}, "
        f"mean logit difference {found.logit_difference:.2g}, "
        f"{'the same' if found.same_evictions else 'other'} {found.evictions} evictions",
    )
    if found.pixel_agreement < LEAST_AGREEMENT:
        console.print(
            f"[bold red]warning:[/] {precision} changes {1 - found.pixel_agreement:.1%} of the pixels. "
            "Measure it on your own video (--clip, --prompt) before you rely on it, or stay with fp32.",
            highlight=False,
        )
