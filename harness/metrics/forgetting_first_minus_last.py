"""Fall of the score on earlier domains since each was learned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known

TITLE = "Forgetting, first minus last"
INPUT = "score"
UNIT = "points"
LOWER_IS_BETTER = True
NEEDS_BASE_ROW = False


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean fall of the score on every domain but the last, from just learned to the end.

    ::

        F = 1 / (T − 1) · Σ_{j < T−1} (R[j+1, j] − R[T, j])

    matrix   (T + 1, T)   higher is better; row 0 before training, row p after phase p
    returns  points   > 0 forgot; −backward_transfer exactly
    raises   InsufficientEvidence   fewer than 2 domains
             ValueError   wrong shape, or a cell it needs is missing
    source   Avalanche (its forgetting metrics)
    choices  the reference is the score just after learning and not the best one, so the name
             forgetting means two things in the literature
    """
    score = evaluations(TITLE, matrix, least=2)
    last = score.shape[1]
    prior = np.arange(last - 1)
    fall = known(TITLE, score, prior + 1, prior) - known(TITLE, score, last, prior)
    return float(np.mean(fall))
