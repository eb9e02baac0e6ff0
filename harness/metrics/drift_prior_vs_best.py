"""Drift of every domain but the last, against its lowest loss before the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known, reference

TITLE = "Drift, prior domains, vs best seen"
INPUT = "loss"
UNIT = "%"
LOWER_IS_BETTER = True
NEEDS_BASE_ROW = True


def per_domain(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Percentage rise of the loss on each earlier domain above its lowest before the end.

    ::

        d_j = 100 · (L[T, j] − m_j) / m_j,   m_j = min_{p < T} L[p, j],   j < T − 1

    matrix   (T + 1, T)   nats per token; row 0 before training, row p after phase p
    returns  (T,) percent   nan for the last domain, which this convention leaves out
    raises   InsufficientEvidence   fewer than 2 domains
             ValueError   wrong shape; a cell it needs is missing; a reference is not above 0
    source   Chaudhry et al. 2018 (forgetting), relative and on the loss
    """
    loss = evaluations(TITLE, matrix, least=2)
    last = loss.shape[1]
    prior = np.arange(last - 1)
    best = reference(TITLE, loss, np.arange(last)[:, None], prior).min(axis=0)
    drift = np.full(last, np.nan)
    drift[prior] = 100 * (known(TITLE, loss, last, prior) - best) / best
    return drift


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean percentage rise of the loss on every domain but the last, above its lowest.

    ::

        D = 1 / (T − 1) · Σ_{j < T−1} d_j

    matrix   (T + 1, T)   nats per token; row 0 before training, row p after phase p
    returns  percent      ≥ drift_prior_vs_own on the same matrix
    raises   as ``per_domain``
    source   Chaudhry et al. 2018 (forgetting), relative and on the loss
    choices  the lowest is over every row before the final one, the base model's and those before
             the domain was learned included, as the paper's maximum is; the final row is out, so
             the number may be below 0
    """
    return float(np.nanmean(per_domain(matrix)))
