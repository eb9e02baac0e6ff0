"""Change of the score since learning, averaged over all domains, the last one's 0 included."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.metrics._matrix import evaluations, known

TITLE = "Backward transfer, over T"
INPUT = "score"
UNIT = "points"
LOWER_IS_BETTER = False
NEEDS_BASE_ROW = False
ORACLE_KEY = "BWT_divT"


def compute(matrix: NDArray[np.float64]) -> float:
    """Mean change of the score on every domain from just learned to the end, last included.

    ::

        BWT = 1 / T · Σ_{j < T} (R[T, j] − R[j+1, j])

    matrix   (T + 1, T)   higher is better; row 0 before training, row p after phase p
    returns  points   < 0 forgot; (T − 1) / T of backward_transfer
    raises   InsufficientEvidence   fewer than 2 domains
             ValueError   wrong shape, or a cell it needs is missing
    source   the GEM code; TRACE (Wang et al. 2023); SEEKR, SAPT and GainLoRA
    choices  divided by T although the last term is 0 by definition, which flatters short streams;
             kept because printed numbers use it
    """
    score = evaluations(TITLE, matrix, least=2)
    last = score.shape[1]
    domains = np.arange(last)
    change = known(TITLE, score, last, domains) - known(TITLE, score, domains + 1, domains)
    return float(np.mean(change))
