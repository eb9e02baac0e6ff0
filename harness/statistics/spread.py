"""How far apart are the runs?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from classay.errors import InsufficientEvidence


class Spread(NamedTuple):
    """The runs as they are; ``sample_sd`` is None for a single run, where it is undefined."""

    low: float
    high: float
    mean: float
    sample_sd: float | None
    runs: int


def spread(values: ArrayLike) -> Spread:
    """Range, mean and sample standard deviation over runs.

    ::

        s = √( Σ (x − x̄)² / (n − 1) )

    values   (n,)   one number per seed
    returns  Spread   in the unit of the values; a description, not an interval
    raises   InsufficientEvidence   no run
             ValueError   not one number per run
    source   any textbook; the divisor is what printed numbers differ in
    choices  divisor n − 1; the population SD (divisor n) is √(2/3) of it at n = 3
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not np.all(np.isfinite(x)):
        raise ValueError(
            f"a spread got values of shape {x.shape} with "
            f"{np.count_nonzero(~np.isfinite(x))} that are not finite; it needs one number per "
            f"run.\n  Leave a failed run out by name, and say so; never fill it in."
        )
    if x.size < 1:
        raise InsufficientEvidence("a spread", have=0, need=1)
    sd = float(x.std(ddof=1)) if x.size > 1 else None
    return Spread(float(x.min()), float(x.max()), float(x.mean()), sd, x.size)
