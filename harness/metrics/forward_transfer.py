"""What earlier domains taught about a domain before it was trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known

TITLE = "Forward transfer"
INPUT = "score"
UNIT = "points"
LOWER_IS_BETTER = False
NEEDS_BASE_ROW = True


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean gain over the base model on every domain but the first, just before its own phase.

    ::

        FWT = 1 / (T − 1) · Σ_{0 < j < T} (R[j, j] − R[0, j])

    matrix   (T + 1, T)   higher is better; row 0 before training, row p after phase p
    returns  points   > 0 earlier domains helped, < 0 they hurt
    raises   InsufficientEvidence   fewer than 2 domains
             ValueError   wrong shape, or a cell it needs is missing
    source   Lopez-Paz & Ranzato 2017 §2 (FWT), R[i−1, i] − b_i
    choices  b is row 0, the pretrained base model, where the paper takes a random initialisation;
             divided by T − 1, where the GEM code divides by T with a leading 0; Continuum omits b
    """
    score = evaluations(TITLE, matrix, least=2)
    later = np.arange(1, score.shape[1])
    return float(np.mean(known(TITLE, score, later, later) - known(TITLE, score, 0, later)))
