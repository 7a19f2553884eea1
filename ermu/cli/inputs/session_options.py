"""Sessions on the command line: what a run goes on from, and where it leaves what it remembers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ermu.errors import OptionError, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ermu.cli.options import PromptOptions, SegmenterOptions
    from ermu.cli.paths import Paths
    from ermu.runtime.session.session import Session
    from ermu.runtime.streams.pipeline import Pipeline


@dataclass(frozen=True)
class SessionOptions:
    """Sessions that a run goes on from, and that it leaves."""

    session: Annotated[
        list[Path] | None,
        typer.Option(help="Go on from a saved session, with its objects and memories; one a source."),
    ] = None
    prime: Annotated[
        list[Path] | None,
        typer.Option(help="Find a saved session's objects in another stream, without a mask; one a source."),
    ] = None
    save_session: Annotated[
        list[Path] | None,
        typer.Option(help="Save the session at the end, for --session; one a source."),
    ] = None

    def check(self, prompts: PromptOptions, sources: int) -> None:
        """Refuses what does not go together.

        Raises:
            OptionError: there are not as many as sources, or prompts beside them.
        """
        named = {"--session": self.session, "--prime": self.prime, "--save-session": self.save_session}
        for option, given in named.items():
            if given and len(given) != sources:
                raise OptionError(
                    f"{counted(sources, 'source')} and {len(given)} of {option} are given.",
                    expected=f"one {option} a --source",
                )
        if sum(map(bool, (self.session, self.prime, prompts.prompt or prompts.box or prompts.point))) > 1:
            raise OptionError(
                "There are a session and prompts beside it, or two kinds of session.",
                expected="--session or --prime, which have their objects, or --prompt, --box or --point",
            )

    def tell(self, paths: Paths) -> None:
        """Tells what is read and what is written; a session may go on in its own file."""
        own = {path.resolve() for path in self.session or []}
        for path in [*(self.session or []), *(self.prime or [])]:
            paths.reads("the session", path)
        for path in self.save_session or []:
            if path.resolve() not in own:
                paths.writes("the saved session", path)

    def read(self) -> list[Session]:
        """The sessions to begin with; raises `SessionError` where one cannot be read."""
        from ermu.runtime.session.session import Session

        return [Session.read(path) for path in self.session or self.prime or []]

    def begin(self, pipelines: Sequence[Pipeline], sessions: Sequence[Session]) -> None:
        """Has every stream begin with its session; raises as `Pipeline.resume_session` and `prime`."""
        for pipeline, session in zip(pipelines, sessions, strict=False):
            if self.prime:
                pipeline.prime(session)
            else:
                pipeline.resume_session(session)

    def save(self, pipelines: Sequence[Pipeline]) -> list[Path]:
        """Saves every stream that has segmented a frame; where.

        Raises:
            ErmuError: one cannot be saved; those before it are.
        """
        saved = []
        for pipeline, path in zip(pipelines, self.save_session or [], strict=False):
            if pipeline.latest is not None:
                pipeline.save(path)
                saved.append(path)
        return saved


def as_saved(options: SegmenterOptions, sessions: Sequence[Session]) -> SegmenterOptions:
    """The options with the sessions' precision, where none is asked for: they fit no other."""
    precisions = {session.head.precision for session in sessions}
    if options.precision is None and len(precisions) == 1:
        return replace(options, precision=precisions.pop())
    return options
