"""Between which values does the mean over runs plausibly lie?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from classay.errors import InsufficientEvidence

NORMAL = "values are a random sample from a normal distribution"
IDENTICAL = (
    "all runs are identical, so the interval has no width and says nothing about other seeds"
)


class Interval(NamedTuple):
    """An estimate and the values the data do not rule out at ``level``, if ``assumption`` holds."""

    estimate: float
    low: float
    high: float
    level: float
    runs: int
    assumption: str


def t_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Student's t interval for the mean of independent runs.

    ::

        x̄ ± t_{n−1, (1+level)/2} · s / √n

    values   (n,)   one number per seed; same unit as the result
    level    confidence, between 0 and 1
    returns  Interval   without width where all values are equal, and it says so
    raises   InsufficientEvidence   fewer than 2 runs
             ValueError   not one number per run, or a level outside (0, 1)
    source   Student 1908; at n = 3 the factor is 4.30 / √3, so ± one SD understates it 2.5-fold
    choices  not the percentile bootstrap, which covers 66 % instead of 95 % at n = 3; not
             ttest_1samp, which warns of cancellation when runs nearly agree
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not np.all(np.isfinite(x)):
        raise ValueError(
            f"a t interval got values of shape {x.shape} with "
            f"{np.count_nonzero(~np.isfinite(x))} that are not finite; it needs one number per "
            f"run.\n  Leave a failed run out by name, and say so; never fill it in."
        )
    if not 0 < level < 1:
        raise ValueError(
            f"a t interval got the level {level}; it needs one between 0 and 1.\n"
            f"  Write 95 % as 0.95."
        )
    if x.size < 2:
        raise InsufficientEvidence("a t interval", have=x.size, need=2)
    if np.ptp(x) == 0:
        same = float(x[0])
        return Interval(same, same, same, level, x.size, IDENTICAL)
    mean = float(x.mean())
    low, high = stats.t.interval(level, x.size - 1, loc=mean, scale=stats.sem(x))
    return Interval(mean, float(low), float(high), level, x.size, NORMAL)
