"""What to follow in a command's sources: what is given on the command line, or what they know themselves."""

from __future__ import annotations

from collections.abc import Sequence

from ermu.cli.options import PromptOptions
from ermu.errors import PromptError, counted
from ermu.runtime.hints import Hints, parse_box, parse_point
from ermu.runtime.images.labels import read_label_map
from ermu.runtime.images.prompter import Box, Point, Prompter
from ermu.runtime.prompts import PromptFolder, Prompts
from ermu.runtime.sources.base import Source
from ermu.types import LabelMap

Prompt = LabelMap | Prompts


def read_prompts(given: PromptOptions, sources: int, prompter: Prompter | None = None) -> list[Prompt]:
    """A prompt a source as the command line gives them; empty where it gives none.

    Args:
        given: On the command line.
        sources: How many there are.
        prompter: Turns boxes and points into masks; None, as `Hints` has it.

    Raises:
        PromptError: one cannot be read, or they do not go with the sources.
    """
    hints: list[Box | Point] = [*map(parse_box, given.box or []), *map(parse_point, given.point or [])]
    if hints and (given.prompt or sources > 1):
        raise PromptError(
            "--box and --point say what to follow in one source.",
            expected="one --source, and no --prompt beside them",
        )
    if hints:
        return [Hints(hints, prompter)]
    if given.prompt and len(given.prompt) != sources:
        raise PromptError(
            f"{counted(sources, 'source')} and {counted(len(given.prompt), 'prompt')} are given.",
            expected="one --prompt a --source",
        )
    return [PromptFolder(path) if path.is_dir() else read_label_map(path) for path in given.prompt or []]


def prompts_for(sources: Sequence[Source], given: Sequence[Prompt], *, page: bool) -> list[Prompt | None]:
    """A prompt for every source: those given, else what the sources know; None where it will be drawn.

    Args:
        sources: Opened.
        given: As `read_prompts` has them.
        page: Whether there is a page to draw on.

    Raises:
        PromptError: nothing says what to follow in a source.
    """
    if given:
        return list(given)
    own = [source.first_label() for source in sources]
    missing = next((s.description for s, label in zip(sources, own, strict=True) if label is None), None)
    if missing is not None and not page:
        raise PromptError(
            f"Nothing says which objects to follow in {missing}.",
            fix="pass --prompt LABEL.png or --box x0,y0,x1,y1, or --page to draw in the browser",
        )
    return list(own)
