"""By how much do two methods differ on the same seeds?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from classay.errors import InsufficientEvidence
from classay.statistics.exact_p_floor import exact_p_floor
from classay.statistics.t_interval import IDENTICAL, t_interval

# 2^16 sign patterns take a moment; past this every pattern can no longer be counted
MOST_PAIRS = 16
# of the mean of |a| + |b|: as far as the order of sums can move a mean of differences. scipy's own
# tolerance is a part of the observed mean, which is none where the differences cancel
TIE = 1e-12
EQUAL = "all differences are equal, so the interval has no width and says nothing about other seeds"


class PairedDifference(NamedTuple):
    """The mean of A − B over seeds, its interval, and the exact p beside its floor.

    ``p_exact`` is None where there are too many pairs to count every pattern of signs.
    """

    estimate: float
    low: float
    high: float
    level: float
    runs: int
    assumption: str
    p_exact: float | None
    p_floor: float


def paired_difference(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> PairedDifference:
    """Mean per-seed difference A − B, with a paired t interval and the exact sign-flip p.

    ::

        d = a − b,   d̄ ± t_{n−1, (1+level)/2} · s_d / √n
        p = #{signs ∈ {−1, 1}ⁿ : as far out as d̄ in either tail} / 2ⁿ,   p ≥ 2 / 2ⁿ

    a, b     (n,)   one number per seed, same seeds in the same order, same unit
    level    confidence of the interval, between 0 and 1
    returns  PairedDifference   in the unit of a and b; ``assumption`` is the interval's
    raises   InsufficientEvidence   fewer than 2 seeds
             ValueError   the two are not paired one to one
    source   Student 1908; Fisher 1935, by scipy.stats.permutation_test
    choices  exact or not at all: no p is drawn at random; two-sided; the statistic is the mean;
             means within 1e-12 of the mean |a| + |b| of each other are ties, and as far out
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(
            f"a paired difference got {first.shape} and {second.shape} values; it needs one of "
            f"each per seed.\n  Keep the seeds that both methods finished, in the same order."
        )
    if first.size < 2:
        raise InsufficientEvidence("a paired difference", have=first.size, need=2)
    differences = first - second
    interval = t_interval(differences, level)
    if interval.assumption == IDENTICAL:
        interval = interval._replace(assumption=EQUAL)
    tie = TIE * float(np.mean(np.abs(first) + np.abs(second)))
    return PairedDifference(
        *interval,
        p_exact=_sign_flip(differences, tie) if differences.size <= MOST_PAIRS else None,
        p_floor=exact_p_floor(differences.size, paired=True),
    )


def _sign_flip(differences: NDArray[np.float64], tie: float) -> float:
    def mean(x: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        return np.asarray(np.mean(x, axis=axis))

    result = stats.permutation_test(
        (differences,),
        mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,  # every pattern of signs, none drawn at random
        batch=4096,
    )
    return float(np.mean(np.abs(result.null_distribution) >= abs(result.statistic) - tie))
