"""Change of the score on earlier domains, as a share of the score just after learning."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known, reference

TITLE = "Relative drift of the score"
INPUT = "score"
UNIT = "share"
LOWER_IS_BETTER = False
NEEDS_BASE_ROW = False
ORACLE_KEY = "rel_drift_excl_last"


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean relative change of the score on every domain but the last, from just learned.

    ::

        D = 1 / (T − 1) · Σ_{j < T−1} (R[T, j] − R[j+1, j]) / R[j+1, j]

    matrix   (T + 1, T)   higher is better; row 0 before training, row p after phase p
    returns  share   < 0 forgot; −0.02 is a fall by 2 % of the score, not by 2 points
    raises   InsufficientEvidence   fewer than 2 domains
             ValueError   wrong shape, or a cell it needs is missing;
                          a score just after learning is not above 0
    source   the CRMA posts, loss drift, on the score
    choices  the last domain is left out; a share and not a percentage, with the sign of the score,
             so the opposite sign to drift on the loss
    """
    score = evaluations(TITLE, matrix, least=2)
    last = score.shape[1]
    prior = np.arange(last - 1)
    own = reference(TITLE, score, prior + 1, prior)
    return float(np.mean((known(TITLE, score, last, prior) - own) / own))
