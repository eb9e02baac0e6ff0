"""Size of the drift of every domain but the last, without its sign."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known, reference

TITLE = "Absolute drift, prior domains, vs just learned"
INPUT = "loss"
UNIT = "%"
LOWER_IS_BETTER = True
NEEDS_BASE_ROW = False


def per_domain(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Size of the percentage change of the loss on each earlier domain since it was learned.

    ::

        d_j = 100 · |L[T, j] − L[j+1, j]| / L[j+1, j],   j < T − 1

    matrix   (T + 1, T)   nats per token; row 0 before training, row p after phase p
    returns  (T,) percent   nan for the last domain, which this convention leaves out
    raises   InsufficientEvidence   fewer than 2 domains
             ValueError   wrong shape; a cell it needs is missing; a reference is not above 0
    source   the CRMA posts, loss drift, without its sign
    """
    loss = evaluations(TITLE, matrix, least=2)
    last = loss.shape[1]
    prior = np.arange(last - 1)
    own = reference(TITLE, loss, prior + 1, prior)
    drift = np.full(last, np.nan)
    drift[prior] = np.abs(100 * (known(TITLE, loss, last, prior) - own) / own)
    return drift


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean size of the percentage change of the loss on every domain but the last.

    ::

        D = 1 / (T − 1) · Σ_{j < T−1} d_j

    matrix   (T + 1, T)   nats per token; row 0 before training, row p after phase p
    returns  percent      ≥ 0; 0 only where nothing moved
    raises   as ``per_domain``
    source   the CRMA posts, loss drift, without its sign
    choices  sizes, so one domain's gain cannot cancel another's loss; an improvement counts as
             movement; read it beside the signed mean, never instead of it
    """
    return float(np.nanmean(per_domain(matrix)))
