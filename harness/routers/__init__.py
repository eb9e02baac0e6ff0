"""Who decides which adapter answers, one router a file.

A router has ``TITLE``, ``NEEDS`` (what it is told that a question does not hold) and
``choose(evidence) -> (items,)``, the index of the domain whose adapter answers each item.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Evidence(NamedTuple):
    """What a router may look at, for the hold-out items or the probes of one domain.

    own        index of the domain that the items are from
    nats       (items, T) nats per token of each item under the adapter of each domain; nan where it
               has no token to score
    features   (items, d) of the base alone, of unit length; nan where it has no token
    centroids  (T, d) of the training text of each domain, of unit length
    choices    the item is the whole text of a hold-out item, and of a probe the prompt alone
    """

    own: int
    nats: NDArray[np.float64]
    features: NDArray[np.float64]
    centroids: NDArray[np.float64]
