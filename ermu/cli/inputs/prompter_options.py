"""What turns clicks and boxes into masks: GrabCut, or a network of its own."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ermu.cli.options import SegmenterOptions
    from ermu.cli.paths import Paths
    from ermu.runtime.images.prompter import Prompter


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
        if self.prompter not in (None, "grabcut"):
            paths.reads_bundle(str(self.prompter))

    def opened(self, stack: ExitStack, options: SegmenterOptions) -> Prompter | None:
        """The prompter, on the device of the other network; None, the default.

        Args:
            stack: Closes it.
            options: As asked for.

        Raises:
            ErmuError: as `NetworkPrompter`.
        """
        if self.prompter is None:
            return None
        if self.prompter == "grabcut":
            from ermu.runtime.images.prompter import GrabCutPrompter

            return GrabCutPrompter()
        from ermu.runtime.streams.network_prompter import NetworkPrompter

        asked = NetworkPrompter(self.prompter, device=options.device, threads=options.threads)
        stack.callback(asked.close)
        return asked
