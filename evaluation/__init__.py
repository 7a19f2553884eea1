"""Accuracy that can be seen: datasets, the measures of VOST and DAVIS, and the loop that fills their tables.

Example:
    >>> from ermu.evaluation.datasets import open_dataset
    >>> from ermu.evaluation.prediction.settings import RunSettings
    >>> from ermu.evaluation.runner import Run
    >>> dataset = open_dataset("scenes")
    >>> report = Run(dataset, RunSettings(baseline="flow"), Path("out")).execute()   # doctest: +SKIP
    >>> report.figures["J_last-Mean"]                                                # doctest: +SKIP
"""
