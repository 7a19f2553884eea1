"""Accuracy that can be seen: datasets, the measures of VOST and DAVIS, and the loop that fills their tables.

Example:
    >>> from ermu.evaluation import Run, RunSettings, open_dataset
    >>> dataset = open_dataset("scenes")
    >>> report = Run(dataset, RunSettings(baseline="flow"), Path("out")).execute()   # doctest: +SKIP
    >>> report.figures["J_last-Mean"]                                                # doctest: +SKIP
"""

from __future__ import annotations

from ermu.evaluation.datasets import DATASETS, Dataset, open_dataset
from ermu.evaluation.predictors import RunSettings
from ermu.evaluation.runner import Run
from ermu.evaluation.scores import Report, SequenceScores

__all__ = ["DATASETS", "Dataset", "Report", "Run", "RunSettings", "SequenceScores", "open_dataset"]
