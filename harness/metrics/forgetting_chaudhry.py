"""Fall of the score on earlier domains from the best before the final phase."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known

TITLE = "Forgetting (Chaudhry)"
INPUT = "score"
UNIT = "points"
LOWER_IS_BETTER = True
NEEDS_BASE_ROW = False
ORACLE_KEY = "F_max_excl_final"


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean fall of the score on every domain but the last, from its best before the final phase.

    ::

        F = 1 / (T − 1) · Σ_{j < T−1} (max_{j < p < T} R[p, j] − R[T, j])

    matrix   (T + 1, T)   higher is better; row 0 before training, row p after phase p
    returns  points   > 0 forgot; < 0 where the final phase is the best
    raises   InsufficientEvidence   fewer than 2 domains
             ValueError   wrong shape, or a cell it needs is missing
    source   Chaudhry et al. 2018 (F); Renate; Continuum
    choices  the maximum leaves the final phase out; it starts where the domain is learned, as in
             code that evaluates nothing earlier; the paper's own formula is forgetting_any_phase,
             which differs only where a domain scored higher before it was learned
    """
    score = evaluations(TITLE, matrix, least=2)
    last = score.shape[1]
    prior = np.arange(last - 1)
    best = [known(TITLE, score, np.arange(j + 1, last), j).max() for j in prior]
    return float(np.mean(best - known(TITLE, score, last, prior)))
