"""Mean loss over all domains at the end of the stream."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known

TITLE = "Final loss"
INPUT = "loss"
UNIT = "nats/token"
LOWER_IS_BETTER = True
NEEDS_BASE_ROW = False


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean loss over all domains after the last phase.

    ::

        F = 1 / T · Σ_{j < T} L[T, j]

    matrix   (T + 1, T)   nats per token; row 0 before training, row p after phase p
    returns  nats/token   one number for learning and retention together
    raises   ValueError   wrong shape, or a cell it needs is missing
    source   average accuracy of Lopez-Paz & Ranzato 2017 §2, on the loss
    choices  every domain weighs the same, however many tokens its hold-out set has
    """
    loss = evaluations(TITLE, matrix, least=1)
    domains = loss.shape[1]
    return float(np.mean(known(TITLE, loss, domains, np.arange(domains))))
