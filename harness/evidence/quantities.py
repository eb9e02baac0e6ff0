"""The quantities in which two lots of cells are compared: one number a cell each."""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

import numpy as np

from classay import registry
from classay.study import Floats, Study

LOSS_AT_THE_END = "Loss at the end"
GAIN = "Gain over the base just after learning"
ACCURACY = "Accuracy at the end"
DIGITS = {"%": 2, "nats/token": 3, "points": 1, "share": 3}  # printed of a number in each unit


class Quantity(NamedTuple):
    """One number a cell, (n,); nan where a cell does not have it.

    at_the_end   what was measured after the last phase enters it
    """

    title: str
    unit: str
    lower_is_better: bool
    values: Floats
    at_the_end: bool = True


def quantities(study: Study, losses: Floats, accuracies: Floats) -> list[Quantity]:
    """What is read off some cells.

    losses      (n, T + 1, T) in nats per token, row 0 before training
    accuracies  (n, T + 1, T), shares; nan where there are no probes
    returns     the suite's retention metric, the mean loss over domains at the end, the mean gain
                over the base just after learning, and the mean accuracy at the end; nan where the
                metric is not computable, as where a loss that it divides by is 0
    """
    metric = registry.load("metric", study.suite.statistics.retention)
    gain = losses[:, 0] - np.diagonal(losses[:, 1:], axis1=1, axis2=2)
    retention = np.array([_value(metric, table) for table in losses])
    return [
        Quantity(metric.TITLE, metric.UNIT, metric.LOWER_IS_BETTER, retention),
        Quantity(LOSS_AT_THE_END, "nats/token", True, losses[:, -1].mean(axis=1)),
        Quantity(GAIN, "nats/token", False, gain.mean(axis=1), at_the_end=False),
        Quantity(ACCURACY, "share", False, accuracies[:, -1].mean(axis=1)),
    ]


def _value(metric: ModuleType, table: Floats) -> float:
    try:
        return float(metric.compute(table))
    except ValueError:
        return float("nan")
