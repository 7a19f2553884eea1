"""What turns clicks and boxes into masks: GrabCut, or a network of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ermu.cli.options import SegmenterOptions
    from ermu.cli.paths import Paths
    from ermu.runtime.bundle.bundle import Bundle
    from ermu.runtime.streams.prompters import Prompters
    from ermu.runtime.streams.work.recovery import Recovery


@dataclass(frozen=True)
class PrompterOptions:
    """`--prompter`."""

    prompter: Annotated[
        str | None,
        typer.Option(
            help="A bundle of SAM 2 or EdgeTAM that turns clicks and boxes into masks; default: the network "
            "itself where it takes them, else grabcut.",
        ),
    ] = None

    def tell(self, paths: Paths) -> None:
        """Tells `paths` what is read."""
        tell_prompter(paths, self.prompter)

    def opening(self, bundle: Bundle, options: SegmenterOptions, recovery: Recovery) -> Prompters:
        """What opens prompters of streams that a bundle follows, on its device.

        Args:
            bundle: As loaded.
            options: As asked for.
            recovery: Of the device, with the streams that work on it.
        """
        from ermu.runtime.streams.prompters import Prompters

        return Prompters(bundle.manifest, device=options.device, threads=options.threads, recovery=recovery)


def tell_prompter(paths: Paths, prompter: str | None) -> None:
    """Tells `paths` what a prompter reads."""
    from ermu.runtime.streams.prompters import GRABCUT

    if prompter not in (None, GRABCUT):
        paths.reads_bundle(str(prompter))
