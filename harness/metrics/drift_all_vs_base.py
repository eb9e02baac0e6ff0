"""Drift of every domain, against the loss before any training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known, reference

TITLE = "Drift, all domains, vs base model"
INPUT = "loss"
UNIT = "%"
LOWER_IS_BETTER = True
NEEDS_BASE_ROW = True


def per_domain(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Percentage change of the loss on each domain since before any training.

    ::

        d_j = 100 · (L[T, j] − L[0, j]) / L[0, j],   j < T

    matrix   (T + 1, T)   nats per token; row 0 before training, row p after phase p
    returns  (T,) percent   the last domain's is what it learned, it had no time to forget
    raises   InsufficientEvidence   fewer than 2 domains
             ValueError   wrong shape; a cell it needs is missing; a reference is not above 0
    source   TRACE (Wang et al. 2023), R_T − R_0, relative and on the loss
    """
    loss = evaluations(TITLE, matrix, least=2)
    last = loss.shape[1]
    domains = np.arange(last)
    base = reference(TITLE, loss, 0, domains)
    drift: NDArray[np.float64] = 100 * (known(TITLE, loss, last, domains) - base) / base
    return drift


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean percentage change of the loss on every domain since before training.

    ::

        D = 1 / T · Σ_{j < T} d_j

    matrix   (T + 1, T)   nats per token; row 0 before training, row p after phase p
    returns  percent      > 0 worse than the base model, < 0 better
    raises   as ``per_domain``
    source   TRACE (Wang et al. 2023), R_T − R_0, relative and on the loss
    choices  the last domain is in and its term is learning, not forgetting, so this is mostly a
             statement about learning; the reference is the base model
    """
    return float(np.mean(per_domain(matrix)))
