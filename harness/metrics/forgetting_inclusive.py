"""Fall of the score on earlier domains from the best, the final phase included."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known

TITLE = "Forgetting, final phase included"
INPUT = "score"
UNIT = "points"
LOWER_IS_BETTER = True
NEEDS_BASE_ROW = False
ORACLE_KEY = "F_max_incl_final"


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean fall of the score on every domain but the last, from its best, the end included.

    ::

        F = 1 / (T − 1) · Σ_{j < T−1} (max_{j < p ≤ T} R[p, j] − R[T, j])

    matrix   (T + 1, T)   higher is better; row 0 before training, row p after phase p
    returns  points   ≥ 0; ≥ forgetting_chaudhry on the same matrix
    raises   InsufficientEvidence   fewer than 2 domains
             ValueError   wrong shape, or a cell it needs is missing
    source   the code of PyCIL, PILOT, SD-LoRA and Mammoth
    choices  the maximum includes the final phase, so an improvement counts as 0 and cannot offset
             forgetting elsewhere; it starts where the domain is learned
    """
    score = evaluations(TITLE, matrix, least=2)
    last = score.shape[1]
    prior = np.arange(last - 1)
    best = [known(TITLE, score, np.arange(j + 1, last + 1), j).max() for j in prior]
    return float(np.mean(best - known(TITLE, score, last, prior)))
