"""Drift of every domain, the last one's 0 included, against its loss just after learning."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known, reference

TITLE = "Drift, all domains, vs just learned"
INPUT = "loss"
UNIT = "%"
LOWER_IS_BETTER = True
NEEDS_BASE_ROW = False


def per_domain(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Percentage rise of the loss on each domain since it was learned.

    ::

        d_j = 100 · (L[T, j] − L[j+1, j]) / L[j+1, j],   j < T

    matrix   (T + 1, T)   nats per token; row 0 before training, row p after phase p
    returns  (T,) percent   0 by definition for the last domain
    raises   InsufficientEvidence   fewer than 2 domains
             ValueError   wrong shape; a cell it needs is missing; a reference is not above 0
    source   the CRMA posts, loss drift
    """
    loss = evaluations(TITLE, matrix, least=2)
    last = loss.shape[1]
    domains = np.arange(last)
    own = reference(TITLE, loss, domains + 1, domains)
    drift: NDArray[np.float64] = 100 * (known(TITLE, loss, last, domains) - own) / own
    return drift


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean percentage rise of the loss on every domain, the last one's 0 included.

    ::

        D = 1 / T · Σ_{j < T} d_j

    matrix   (T + 1, T)   nats per token; row 0 before training, row p after phase p
    returns  percent      > 0 forgot, < 0 kept improving
    raises   as ``per_domain``
    source   the division by T of TRACE (Wang et al. 2023) and of the GEM code, on the loss
    choices  the last domain's 0 is averaged in, which makes the number (T − 1) / T of
             drift_prior_vs_own; kept because printed numbers use it
    """
    return float(np.mean(per_domain(matrix)))
