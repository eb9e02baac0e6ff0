"""Fall of the score on earlier domains from the best of any phase before the final one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known

TITLE = "Forgetting, from the best of any phase"
INPUT = "score"
UNIT = "points"
LOWER_IS_BETTER = True
NEEDS_BASE_ROW = False


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean fall of the score on every domain but the last, from its best of any earlier phase.

    ::

        F = 1 / (T − 1) · Σ_{j < T−1} (max_{0 < p < T} R[p, j] − R[T, j])

    matrix   (T + 1, T)   higher is better; row 0 before training, row p after phase p
    returns  points   > 0 forgot; ≥ forgetting_chaudhry on the same matrix
    raises   InsufficientEvidence   fewer than 2 domains
             ValueError   wrong shape, or a cell it needs is missing
    source   Chaudhry et al. 2018 eq. 3, as printed: l from 1 to k − 1
    choices  the maximum takes in the phases before the domain was learned, so that a fall from what
             an earlier domain happened to teach counts; not the model before any training; a log
             without those cells has no such number, and none is filled in
    """
    score = evaluations(TITLE, matrix, least=2)
    last = score.shape[1]
    prior = np.arange(last - 1)
    before = known(TITLE, score, np.arange(1, last)[:, None], prior)
    return float(np.mean(before.max(axis=0) - known(TITLE, score, last, prior)))
