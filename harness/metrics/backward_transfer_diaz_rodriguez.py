"""Change of the score since learning, averaged over every later phase."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known

TITLE = "Backward transfer (Díaz-Rodríguez)"
INPUT = "score"
UNIT = "points"
LOWER_IS_BETTER = False
NEEDS_BASE_ROW = False
ORACLE_KEY = "BWT_DiazRodriguez"


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean change of the score since learning over every pair of a domain and a later phase.

    ::

        BWT = 2 / (T (T − 1)) · Σ_{p = 2..T} Σ_{j < p−1} (R[p, j] − R[j+1, j])

    matrix   (T + 1, T)   higher is better; row 0 before training, row p after phase p
    returns  points   < 0 forgot on the way or at the end
    raises   InsufficientEvidence   fewer than 2 domains
             ValueError   wrong shape, or a cell it needs is missing
    source   Díaz-Rodríguez et al. 2018 (BWT); Continuum
    choices  every later phase counts, not only the final one; row 0 and
             the cells before a domain is learned may be nan
    """
    score = evaluations(TITLE, matrix, least=2)
    phases, domains = np.tril_indices(score.shape[1], -1)
    later = known(TITLE, score, phases + 1, domains)
    return float(np.mean(later - known(TITLE, score, domains + 1, domains)))
