"""Mean over phases of the mean score on the domains learned so far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known

TITLE = "Average incremental accuracy"
INPUT = "score"
UNIT = "points"
LOWER_IS_BETTER = False
NEEDS_BASE_ROW = False
ORACLE_KEY = "AvgIncremental_macro"


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean over phases of the mean score on every domain learned by then.

    ::

        A = 1 / T · Σ_{p = 1..T} 1 / p · Σ_{j < p} R[p, j]

    matrix   (T + 1, T)   higher is better; row 0 before training, row p after phase p
    returns  points   in the unit of the matrix
    raises   ValueError   wrong shape, or a cell it needs is missing
    source   Rebuffi et al. 2017 (iCaRL); printed as Avg by PyCIL, InfLoRA and SD-LoRA
    choices  macro within a phase; each phase weighs the same, so early domains count more than in
             accuracy_diaz_rodriguez; row 0 and the cells before a domain is learned may be nan
    """
    score = evaluations(TITLE, matrix, least=1)
    phases = range(1, score.shape[1] + 1)
    return float(np.mean([known(TITLE, score, p, np.arange(p)).mean() for p in phases]))
