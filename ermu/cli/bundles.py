"""Which bundle a command runs: one that exists, or a checkpoint's, exported into the cache when it is new."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ermu.cli.options import BUNDLE_HELP
from ermu.errors import OptionError

if TYPE_CHECKING:
    from rich.console import Console

    from ermu.cli.options import SegmenterOptions
    from ermu.cli.paths import Paths
    from ermu.runtime.bundle.bundle import Bundle
    from ermu.runtime.streams.work.lanes import Lanes
    from ermu.runtime.streams.work.recovery import Recovery

logger = logging.getLogger("ermu.bundles")

_USUAL_FRAMES = ((1080, 1920), (360, 640), (480, 640))  # engines are optimised for what cameras send


@dataclass(frozen=True)
class BundleOptions:
    """`--bundle`, or `--checkpoint` in its place."""

    bundle: Annotated[str | None, typer.Option(help=BUNDLE_HELP)] = None
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="A checkpoint instead, exported into the user's cache when it is new (needs torch, once)."
        ),
    ] = None
    network: Annotated[str | None, typer.Option(help="Refuse the checkpoint unless it is this network.")] = (
        None
    )

    def tell(self, paths: Paths) -> None:
        """Tells `paths` what is read.

        Raises:
            OptionError: neither or both of them are given, or what does not go with them.
        """
        if (self.bundle is None) == (self.checkpoint is None):
            raise OptionError(
                "There is nothing to run." if self.bundle is None else "There are a bundle and a checkpoint.",
                expected="--bundle BUNDLE or --checkpoint FILE.pth",
            )
        if self.bundle is not None and self.network is not None:
            raise OptionError("A bundle knows its network.", fix="leave --network out")
        paths.reads("the checkpoint", self.checkpoint)
        if self.bundle is not None:
            paths.reads_bundle(self.bundle)

    def load(self, console: Console, options: SegmenterOptions) -> Bundle:
        """The bundle, with what it takes to run fast on the chosen device.

        Raises:
            ErmuError: as `Bundle.load`, `cached_bundle` and `build_engines`.
        """
        from ermu.runtime.bundle.bundle import Bundle

        if self.checkpoint is None:
            return Bundle.load(str(self.bundle))
        from ermu.cli.printing import plain, progress
        from ermu.export.caching.cached_bundle import cached_bundle

        with progress(console) as show:
            bundle = cached_bundle(self.checkpoint, network=self.network, progress=show)
            bundle = _with_engines(bundle, options, show)
        plain(console, f"{bundle.manifest.network.name} -> {bundle.path}")
        return bundle


def open_lanes(
    console: Console,
    bundle: Bundle,
    options: SegmenterOptions,
    streams: int,
    lanes: int | None,
    recovery: Recovery,
) -> Lanes:
    """Opens what runs a bundle, and prints what was taken and why.

    Args:
        console: Of the terminal.
        bundle: At its own precision.
        options: As asked for.
        streams: How many there will be.
        lanes: As asked for; None, as many as is usual for so many streams.
        recovery: Of the device, with whoever else works on it.
    """
    from ermu.cli.printing import plain
    from ermu.devices.names import parse_device
    from ermu.runtime.backends.choosing import reasons_for
    from ermu.runtime.streams.work.lanes import Lanes, usual_lanes

    warn_of_long_edge(bundle, options.long_edge)
    usual = usual_lanes(streams, device=options.device, threads=options.threads)
    count = min(lanes or usual, streams)
    opened = Lanes(bundle, count, recovery=recovery, **options.keywords())
    backend, device = opened.backend, str(parse_device(options.device))
    why = "; ".join(reasons_for(bundle, options.backend, options.precision, device, threads=opened.threads))
    beside = f", {count} lanes side by side" if count > 1 else ""
    plain(console, f"backend   {backend.name}, {backend.bundle.manifest.precision}, {device} ({why}){beside}")
    return opened


def warn_of_long_edge(bundle: Bundle, long_edge: int | None) -> None:
    """Says so where a long edge was asked for and the bundle has one size."""
    from ermu.runtime.files import shown

    given = bundle.manifest.input
    if given.size is not None and long_edge not in (None, given.long_edge):
        height, width = given.size
        logger.warning(
            "--long-edge %d has no effect: %s takes %dx%d only.", long_edge, shown(bundle.path), width, height
        )


def _with_engines(bundle: Bundle, options: SegmenterOptions, show: Any) -> Bundle:
    """The bundle with engines, where TensorRT is to run it and is here."""
    from ermu.devices.names import parse_device
    from ermu.devices.tensorrt_module import MODULES
    from ermu.registries import BACKENDS
    from ermu.runtime.backends.choosing import AUTO
    from ermu.runtime.bundle.bundle import Bundle

    if not parse_device(options.device).on_gpu:
        return bundle
    wanted = [name for name in MODULES if options.backend in (AUTO, name)]
    here = [name for name in wanted if not BACKENDS.get(name).misfits(None, options.device)]
    if not here:
        return bundle
    from ermu.export.engines.building import build_engines
    from ermu.export.precision.conversion import add_precision
    from ermu.runtime.bundle.sizes import SizeLimits

    given = bundle.manifest.input
    limits = SizeLimits(options.long_edge or given.long_edge)
    usual = {bundle.manifest.network.grid.network_size(hw, limits) for hw in _USUAL_FRAMES}
    sizes = [] if given.size else sorted(usual)
    precision = options.precision or bundle.manifest.precision
    precision = "fp16" if precision == AUTO else precision
    add_precision(bundle, precision, progress=show)
    build_engines(bundle.path, module=here[0], precision=precision, sizes=sizes, progress=show)
    return Bundle.load(bundle.path)
