"""Mean score over all domains at the end of the stream."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known

TITLE = "Average accuracy"
INPUT = "score"
UNIT = "points"
LOWER_IS_BETTER = False
NEEDS_BASE_ROW = False
ORACLE_KEY = "AP_macro"


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean score over all domains after the last phase.

    ::

        A = 1 / T · Σ_{j < T} R[T, j]

    matrix   (T + 1, T)   higher is better; row 0 before training, row p after phase p
    returns  points   in the unit of the matrix
    raises   ValueError   wrong shape, or a cell it needs is missing
    source   Lopez-Paz & Ranzato 2017 §2 (ACC); also called AP and OP
    choices  macro: every domain weighs the same; the micro mean over pooled items needs the item
             counts and is another number
    """
    score = evaluations(TITLE, matrix, least=1)
    domains = score.shape[1]
    return float(np.mean(known(TITLE, score, domains, np.arange(domains))))
