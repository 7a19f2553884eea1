"""A submission: label maps in a zip file as the dataset's server takes them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ermu.errors import DatasetError, SinkError
from ermu.evaluation.datasets import Dataset
from ermu.registries import DATASETS
from ermu.runtime.files import replace_atomically


def check_submission(path: Path) -> None:
    """Refuses a place where no submission can be written, before hours of work.

    Raises:
        SinkError: Something lies there, it is no zip file's name, or its folder is missing.
    """
    if path.suffix.lower() != ".zip":
        raise SinkError(f"A submission is a zip file, not {path.name}.", fix=f"--submission {path.stem}.zip")
    if path.exists():
        raise SinkError(f"{path} exists.", fix="choose another --submission, or delete it")
    if not path.parent.is_dir():
        raise SinkError(f"There is no folder {path.parent}.", fix="create it, or choose another --submission")


def write_submission(dataset: Dataset, results: Path, path: Path) -> int:
    """Packs the label maps of a dataset's sequences.

    Args:
        dataset: Names the frames that its server asks for.
        results: Holds `<sequence>/<frame>.png`.
        path: The zip file to write.

    Returns:
        How many files it holds.

    Raises:
        DatasetError: A label map is missing.
        SinkError: The file cannot be written.
    """
    layout = DATASETS.get(dataset.name)()
    check_submission(path)
    with (
        replace_atomically(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,  # PNGs are deflated already
    ):
        for sequence in dataset.sequences:
            for frame in sequence.submitted:
                result = results / sequence.name / f"{frame}.png"
                if not result.is_file():
                    raise DatasetError(
                        f"There is no {result}, so that the submission would be incomplete.",
                        fix="run the sequence to its end, or choose some with --sequence",
                    )
                for name, content in layout.packed(sequence, frame, result):
                    archive.writestr(name, content)
        return len(archive.namelist())
