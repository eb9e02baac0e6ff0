"""Mean score on a domain just after it was learned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known

TITLE = "Accuracy just after learning"
INPUT = "score"
UNIT = "points"
LOWER_IS_BETTER = False
NEEDS_BASE_ROW = False
ORACLE_KEY = "LA_diag_mean"


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean over domains of the score just after the domain's own phase.

    ::

        LA = 1 / T · Σ_{j < T} R[j+1, j]

    matrix   (T + 1, T)   higher is better; row 0 before training, row p after phase p
    returns  points   in the unit of the matrix
    raises   ValueError   wrong shape, or a cell it needs is missing
    source   Riemer et al. 2019 (learning accuracy, the diagonal of the matrix)
    choices  includes the last domain, unlike the forgetting metrics; says nothing of retention
    """
    score = evaluations(TITLE, matrix, least=1)
    domains = np.arange(score.shape[1])
    return float(np.mean(known(TITLE, score, domains + 1, domains)))
