"""Groups of options: a dataclass in a command's signature is an option a field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from ermu.cli.option_groups import with_option_groups
from ermu.cli.options import SegmenterOptions, SinkOptions


@dataclass(frozen=True)
class Size:
    """Two options."""

    width: Annotated[int, typer.Option(min=1)] = 3
    height: int = 2


def test_fields_are_options():
    app, seen = typer.Typer(), []

    @app.command()
    @with_option_groups
    def draw(name: str, twice: bool = False, *, size: Size) -> None:
        """Draws."""
        seen.append((name, twice, size))

    assert CliRunner().invoke(app, ["a", "--width", "7", "--twice"]).exit_code == 0
    assert seen == [("a", True, Size(7, 2))]
    assert CliRunner().invoke(app, ["a", "--width", "0"]).exit_code == 2
    shown = CliRunner().invoke(app, ["--help"]).output
    assert "Draws." in shown and "--height" in shown and "--size" not in shown


def test_segmenter_options_are_the_segmenters():
    import inspect

    from ermu.runtime.segmenter import Segmenter

    theirs = inspect.signature(Segmenter).parameters
    assert {name: theirs[name].default for name in SegmenterOptions().keywords()} == (
        SegmenterOptions().keywords()
    )
    assert set(theirs) - {"bundle"} == set(SegmenterOptions().keywords())


def test_short_ways_to_sinks_are_sinks():
    from pathlib import Path

    options = SinkOptions(["mine=a=b"], overlay=Path("o.mp4"), window=True)
    assert options.wanted() == ["overlay=o.mp4", "window", "mine=a=b"]
