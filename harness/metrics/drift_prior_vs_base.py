"""Drift of every domain but the last, against the loss before any training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known, reference

TITLE = "Drift, prior domains, vs base model"
INPUT = "loss"
UNIT = "%"
LOWER_IS_BETTER = True
NEEDS_BASE_ROW = True


def per_domain(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Percentage change of the loss on each earlier domain since before any training.

    ::

        d_j = 100 · (L[T, j] − L[0, j]) / L[0, j],   j < T − 1

    matrix   (T + 1, T)   nats per token; row 0 before training, row p after phase p
    returns  (T,) percent   nan for the last domain, which this convention leaves out
    raises   InsufficientEvidence   fewer than 2 domains
             ValueError   wrong shape; a cell it needs is missing; a reference is not above 0
    source   TRACE (Wang et al. 2023), R_T − R_0, relative and on the loss
    """
    loss = evaluations(TITLE, matrix, least=2)
    last = loss.shape[1]
    prior = np.arange(last - 1)
    base = reference(TITLE, loss, 0, prior)
    drift = np.full(last, np.nan)
    drift[prior] = 100 * (known(TITLE, loss, last, prior) - base) / base
    return drift


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean percentage change of the loss on every domain but the last, since before training.

    ::

        D = 1 / (T − 1) · Σ_{j < T−1} d_j

    matrix   (T + 1, T)   nats per token; row 0 before training, row p after phase p
    returns  percent      > 0 worse than the base model, < 0 better
    raises   as ``per_domain``
    source   TRACE (Wang et al. 2023), R_T − R_0, relative and on the loss
    choices  the reference is the base model, so what was learned and what was forgotten since are
             one number: a method can forget most of what it learned and still be below 0
    """
    return float(np.nanmean(per_domain(matrix)))
