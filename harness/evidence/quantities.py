"""The quantities in which two lots of cells are compared: one number a cell each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classay import registry
from classay.study import Floats, Study

LOSS_AT_THE_END = "Loss at the end"


class Quantity(NamedTuple):
    """One number a cell, (n,); nan where a cell does not have it."""

    title: str
    unit: str
    lower_is_better: bool
    values: Floats


def quantities(study: Study, losses: Floats, accuracies: Floats) -> list[Quantity]:
    """What is read off some cells.

    losses      (n, T + 1, T) in nats per token, row 0 before training
    accuracies  (n, T + 1, T), shares; nan where there are no probes
    returns     the suite's retention metric, the mean loss over domains at the end, the mean gain
                over the base just after learning, and the mean accuracy at the end
    """
    metric = registry.load("metric", study.suite.statistics.retention)
    gain = losses[:, 0] - np.diagonal(losses[:, 1:], axis1=1, axis2=2)
    retention = np.array([float(metric.compute(table)) for table in losses])
    return [
        Quantity(metric.TITLE, metric.UNIT, metric.LOWER_IS_BETTER, retention),
        Quantity(LOSS_AT_THE_END, "nats/token", True, losses[:, -1].mean(axis=1)),
        Quantity("Gain over the base just after learning", "nats/token", False, gain.mean(axis=1)),
        Quantity("Accuracy at the end", "share", False, accuracies[:, -1].mean(axis=1)),
    ]
