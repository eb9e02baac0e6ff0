"""The router that looks at nothing and draws a domain: what a choice must beat to be one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.routers import Evidence

TITLE = "Uniform"
NEEDS = "nothing, and it looks at nothing: every question goes to a domain that is drawn"


def choose(evidence: Evidence) -> NDArray[np.intp]:
    """A learned domain for each item, all with equal probability.

    ::

        P(k) = 1/T

    source   the definition
    choices  one draw an item, from a stream of the cell's seed that nothing else draws from; it has
             no score, and so is never sure
    """
    items, domains = evidence.nats.shape
    return np.asarray(evidence.generator.integers(domains, size=items), np.intp)
