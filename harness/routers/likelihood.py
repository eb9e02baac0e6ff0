"""The router that asks every adapter and takes the one that finds the question least surprising."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classay.routers import Evidence

TITLE = "Likelihood"
NEEDS = "nothing but the question; it costs one forward pass an adapter"


def choose(evidence: Evidence) -> NDArray[np.intp]:
    """The domain whose adapter gives the item the fewest nats per token.

    ::

        argmin_k − log p_k(x) / |x|

    source   maximum likelihood over task adapters
    choices  the hold-out item that is scored is the item that is routed by, so the loss under this
             router is the least of all adapters' on each item: a lower bound of what a router could
             reach that sees only part of the text; a probe is routed by its prompt alone, without
             its choices; of equals the earlier domain, and so the first of all for an item without
             a token to score, which no adapter can find less surprising than another
    """
    nats = np.where(np.isnan(evidence.nats), np.inf, evidence.nats)
    least: NDArray[np.intp] = np.argmin(nats, axis=1)
    return least
