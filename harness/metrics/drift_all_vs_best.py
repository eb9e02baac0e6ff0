"""Drift of every domain, against its lowest loss before the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known, reference

TITLE = "Drift, all domains, vs best seen"
INPUT = "loss"
UNIT = "%"
LOWER_IS_BETTER = True
NEEDS_BASE_ROW = True


def per_domain(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Percentage rise of the loss on each domain above its lowest before the end.

    ::

        d_j = 100 · (L[T, j] − m_j) / m_j,   m_j = min_{p < T} L[p, j],   j < T

    matrix   (T + 1, T)   nats per token; row 0 before training, row p after phase p
    returns  (T,) percent   the last domain's is what it learned, as its lowest is from before that
    raises   InsufficientEvidence   fewer than 2 domains
             ValueError   wrong shape; a cell it needs is missing; a reference is not above 0
    source   Chaudhry et al. 2018 (forgetting), relative and on the loss
    """
    loss = evaluations(TITLE, matrix, least=2)
    last = loss.shape[1]
    domains = np.arange(last)
    best = reference(TITLE, loss, np.arange(last)[:, None], domains).min(axis=0)
    drift: NDArray[np.float64] = 100 * (known(TITLE, loss, last, domains) - best) / best
    return drift


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean percentage rise of the loss on every domain above its lowest before the end.

    ::

        D = 1 / T · Σ_{j < T} d_j

    matrix   (T + 1, T)   nats per token; row 0 before training, row p after phase p
    returns  percent      > 0 ends above the lowest seen, on the mean
    raises   as ``per_domain``
    source   Chaudhry et al. 2018 (forgetting), relative and on the loss
    choices  the last domain is in although every row before the final one is from before it was
             learned: its term is learning, usually far below 0, and can hide forgetting elsewhere
    """
    return float(np.mean(per_domain(matrix)))
