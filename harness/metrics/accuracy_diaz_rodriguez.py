"""Mean score over every cell at and below the diagonal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known

TITLE = "Accuracy (Díaz-Rodríguez)"
INPUT = "score"
UNIT = "points"
LOWER_IS_BETTER = False
NEEDS_BASE_ROW = False
ORACLE_KEY = "A_DiazRodriguez"


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean score over every pair of a phase and a domain learned by then.

    ::

        A = 2 / (T (T + 1)) · Σ_{p = 1..T} Σ_{j < p} R[p, j]

    matrix   (T + 1, T)   higher is better; row 0 before training, row p after phase p
    returns  points   in the unit of the matrix
    raises   ValueError   wrong shape, or a cell it needs is missing
    source   Díaz-Rodríguez et al. 2018 (A); Continuum accuracy_A
    choices  every cell weighs the same, so late phases count more than in
             average_incremental_accuracy; row 0 and the cells before a domain is learned may be nan
    """
    score = evaluations(TITLE, matrix, least=1)
    phases, domains = np.tril_indices(score.shape[1])
    return float(np.mean(known(TITLE, score, phases + 1, domains)))
