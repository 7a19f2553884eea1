"""`ermu eval` from its options to its tables and exit codes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ermu.cli.commands.eval import evaluate
from ermu.errors import DatasetError, ErmuError, OptionError, SinkError
from tests.evaluation.layouts import bars, vost, write_frames, write_labels

app = typer.Typer()
app.command()(evaluate)


def ermu_eval(*options: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(option) for option in options])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_a_baseline_alone_then_its_label_maps_scored_again(tmp_path: Path) -> None:
    root, out = vost(tmp_path / "VOST"), tmp_path / "out"
    code, output = ermu_eval("--dataset", "vost", "--root", root, "--out", out, "--baseline", "hold")
    assert code == 0 and "J-Mean 0.8000" in output and "J_last-Mean 0.6250" in output
    options = (
        "--dataset",
        "vost",
        "--root",
        root,
        "--score-only",
        "--results",
        out,
        "--out",
        tmp_path / "again",
    )
    code, _ = ermu_eval(*options)
    assert code == 0
    for table in ("global_results-val.csv", "per-sequence_results-val.csv"):
        assert (tmp_path / "again" / table).read_text() == (out / table).read_text()


def test_a_broken_sequence_gives_exit_code_one_and_the_table_of_the_rest(tmp_path: Path) -> None:
    root, out = vost(tmp_path / "VOST"), tmp_path / "out"
    (root / "Annotations" / "stay" / "frame00024.png").write_bytes(b"")
    code, output = ermu_eval("--dataset", "vost", "--root", root, "--out", out, "--baseline", "hold")
    assert code == 1 and "not scored, stay" in output
    assert "walk_2,0.766667,1.000000" in (out / "per-sequence_results-val.csv").read_text()


def test_brackets_in_names_are_printed(tmp_path: Path) -> None:
    for name in ("clip[final]", "a[_b]"):
        write_frames(tmp_path / "JPEGImages" / name, ["0", "1", "2"])
        write_labels(tmp_path / "Annotations" / name, dict.fromkeys(["0", "1", "2"], bars((8, 16))))
    (tmp_path / "Annotations" / "a[_b]" / "3.png").write_bytes(b"")
    options = ("--dataset", "folder", "--root", tmp_path, "--out", tmp_path / "out", "--baseline", "hold")
    code, output = ermu_eval(*options)
    assert code == 1 and "clip[final]" in output and "not scored, a[_b]" in output


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        (("--baseline", "flow"), SinkError, "--out"),
        (("--out", "x"), DatasetError, "--bundle"),
        (("--score-only",), SinkError, "--results"),
        (("--out", "x", "--compare-policies"), DatasetError, "--bundle"),
        (("--dataset", "vost", "--baseline", "flow", "--out", "x"), DatasetError, "--root"),
    ],
)
def test_what_is_missing_is_said(options: tuple[str, ...], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        ermu_eval(*options)


def test_policies_are_compared_in_one_table(tmp_path: Path, tiny_bundle: Path) -> None:
    """Nine frames appended one by one: the tiny bundle holds four, the policy none all nine."""
    root, out = vost(tmp_path / "VOST"), tmp_path / "out"
    options = [
        "--dataset",
        "vost",
        "--root",
        root,
        "--out",
        out,
        "--bundle",
        tiny_bundle,
        "--compare-policies",
    ]
    options += ["--gap", 1, "--threads", 1, "--baseline", "hold"]
    code, output = ermu_eval(*options)
    assert code == 0 and "Comparison" in output
    rows = [row.split(",") for row in (out / "comparison.csv").read_text().splitlines()]
    columns = ["Run", "J-Mean", "J_last-Mean", "J gained", "from", "to", "Memory frames", "ms a frame"]
    assert rows[0] == columns
    assert [row[0] for row in rows[1:]] == ["ermu", "fifo", "none", "rmem", "spread", "hold"]
    assert [row[6] for row in rows[1:]] == ["4", "4", "9", "4", "4", "1"]
    assert rows[6][1:3] == ["0.800000", "0.625000"]
    for run in ("ermu", "hold"):
        assert (out / run / "global_results-val.csv").is_file()
    code, output = ermu_eval(*options, "--resume")
    assert code == 0 and output.count("2 sequences were scored before") == 6


@pytest.mark.parametrize("resume", [(), ("--resume",)])
def test_a_dataset_is_never_written_into(tmp_path: Path, resume: tuple[str, ...]) -> None:
    root = vost(tmp_path / "VOST")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    for out in (root / "Annotations", root, tmp_path):
        with pytest.raises(ErmuError, match=r"not empty|a part of the dataset|over the dataset|among"):
            ermu_eval("--dataset", "vost", "--root", root, "--out", out, "--baseline", "hold", *resume)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_tables_are_written_over_only_when_asked(tmp_path: Path) -> None:
    root, out = vost(tmp_path / "VOST"), tmp_path / "out"
    dataset = ("--dataset", "vost", "--root", root)
    assert ermu_eval(*dataset, "--out", out, "--baseline", "hold")[0] == 0
    assert ermu_eval(*dataset, "--score-only", "--results", out)[0] == 0
    shutil.rmtree(out / "_scores")  # label maps of somebody else's, with tables of the same names
    table = out / "global_results-val.csv"
    table.write_text("mine")
    with pytest.raises(SinkError, match="exists already"):
        ermu_eval(*dataset, "--score-only", "--results", out)
    assert table.read_text() == "mine"
    assert ermu_eval(*dataset, "--score-only", "--results", out, "--overwrite")[0] == 0
    assert table.read_text() != "mine"


def test_names_of_sequences_are_printed_as_they_are(tmp_path: Path) -> None:
    """Rich would take `[bold]` for a style."""
    root, odd = vost(tmp_path / "VOST"), "stay[x][bold]"
    for folder in ("JPEGImages_10fps", "Annotations"):
        (root / folder / "stay").rename(root / folder / odd)
    (root / "ImageSets" / "val.txt").write_text(f"walk\n{odd}\n")
    options = ("--dataset", "vost", "--root", root, "--baseline", "hold")
    code, output = ermu_eval(*options, "--out", tmp_path / "whole")
    assert code == 0 and odd in output
    (root / "Annotations" / odd / "frame00024.png").write_bytes(b"")
    code, output = ermu_eval(*options, "--out", tmp_path / "broken")
    assert code == 1 and f"not scored, {odd}" in output


def test_views_are_part_of_what_resume_goes_by(tiny_bundle: Path, tmp_path: Path) -> None:
    write_frames(tmp_path / "data" / "JPEGImages" / "still", ["0", "1", "2"])
    write_labels(tmp_path / "data" / "Annotations" / "still", dict.fromkeys(["0", "1", "2"], bars((8, 16))))
    out = tmp_path / "out"
    options = ("--bundle", tiny_bundle, "--dataset", "folder", "--root", tmp_path / "data", "--out", out)
    code, output = ermu_eval(*options, "--flip", "--scales", "1.0,1.5", "--identities", "published")
    assert code == 0 and "J-Mean" in output
    same = ("--resume", "--flip", "--identities", "published")
    assert ermu_eval(*options, *same, "--scales", "1,1.5")[0] == 0
    with pytest.raises(SinkError, match="scales"):
        ermu_eval(*options, *same, "--scales", "1.0,1.3")
    with pytest.raises(OptionError, match="scales 'large'"):
        ermu_eval(*options, *same, "--scales", "large")
