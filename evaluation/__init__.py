"""Accuracy that can be seen: datasets, the measures of VOST and DAVIS, and the loop that fills their tables.

Example:
    >>> from ermu.evaluation import Run, RunSettings, open_dataset
    >>> dataset = open_dataset("scenes")
    >>> report = Run(dataset, RunSettings(baseline="flow"), Path("out")).execute()   # doctest: +SKIP
    >>> report.figures["J_last-Mean"]                                                # doctest: +SKIP
"""

from __future__ import annotations

from .datasets import DATASETS, Dataset, open_dataset
from .predictors import RunSettings
from .runner import Run
from .scores import Report, SequenceScores

__all__ = ["DATASETS", "Dataset", "Report", "Run", "RunSettings", "SequenceScores", "open_dataset"]
