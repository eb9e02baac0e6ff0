"""No router, and no adapter: what the base answers that has learned nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.routers import BASE, Evidence

TITLE = "Base alone"
NEEDS = "nothing, and it chooses nothing: the base answers without any adapter or mechanism"
USES_BASE_ALONE = True


def choose(evidence: Evidence) -> NDArray[np.intp]:
    """The base alone, for every item.

    source   the definition; its losses and answers are those before training, to the bit
    """
    return np.full(len(evidence.nats), BASE, dtype=np.intp)
