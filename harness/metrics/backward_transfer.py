"""Change of the score on earlier domains since each was learned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known

TITLE = "Backward transfer"
INPUT = "score"
UNIT = "points"
LOWER_IS_BETTER = False
NEEDS_BASE_ROW = False
ORACLE_KEY = "BWT_Tminus1"


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean change of the score on every domain but the last, from just learned to the end.

    ::

        BWT = 1 / (T − 1) · Σ_{j < T−1} (R[T, j] − R[j+1, j])

    matrix   (T + 1, T)   higher is better; row 0 before training, row p after phase p
    returns  points   < 0 forgot, > 0 later domains helped
    raises   InsufficientEvidence   fewer than 2 domains
             ValueError   wrong shape, or a cell it needs is missing
    source   Lopez-Paz & Ranzato 2017 §2 (BWT)
    choices  divided by T − 1, the domains that can change; backward_transfer_over_t divides by T
    """
    score = evaluations(TITLE, matrix, least=2)
    last = score.shape[1]
    prior = np.arange(last - 1)
    change = known(TITLE, score, last, prior) - known(TITLE, score, prior + 1, prior)
    return float(np.mean(change))
