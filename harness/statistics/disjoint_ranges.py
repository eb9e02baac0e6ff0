"""Do the runs of two methods overlap at all?"""

from __future__ import annotations

from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from classay.errors import InsufficientEvidence

TOUCH = 1e-12  # of the largest value: as far as the order of a sum can move it
MEANING = (
    "a fact about the ranks: were the runs of the two methods exchangeable, complete separation, "
    "either way round, would have the probability given; it says nothing about the size of a gap"
)


class DisjointRanges(NamedTuple):
    """The ranges of two methods over runs, A first, and how often chance alone separates them.

    ``gap`` is the distance between the ranges, or minus their overlap where they share values.
    """

    lows: tuple[float, float]
    highs: tuple[float, float]
    disjoint: bool
    gap: float
    probability: float
    meaning: str


def disjoint_ranges(a: ArrayLike, b: ArrayLike) -> DisjointRanges:
    """Whether every run of one method lies beyond every run of the other.

    ::

        gap = max(min b − max a, min a − max b),   disjoint = gap > 1e-12 · max |x|
        P(disjoint | exchangeable) = 2 / C(n + m, n)

    a        (n,)   one number per seed
    b        (m,)   one number per seed, same unit
    returns  DisjointRanges   lows, highs and gap in the unit of a and b
    raises   InsufficientEvidence   a method without a run
             ValueError   not one number per run
    source   counting: of the C(n + m, n) orders of the two methods, two are separated
    choices  ranges that touch, but for the last bits of a sum, are not disjoint; both directions
             count; not a paired statement
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    for x in (first, second):
        if x.ndim != 1 or not np.all(np.isfinite(x)):
            raise ValueError(
                f"disjoint ranges got values of shape {x.shape} with "
                f"{np.count_nonzero(~np.isfinite(x))} that are not finite; it needs one number "
                f"per run.\n  Leave a failed run out by name, and say so; never fill it in."
            )
        if x.size < 1:
            raise InsufficientEvidence("disjoint ranges", have=0, need=1)
    lows = float(first.min()), float(second.min())
    highs = float(first.max()), float(second.max())
    gap = max(lows[1] - highs[0], lows[0] - highs[1])
    apart = gap > TOUCH * max(map(abs, (*lows, *highs)))
    probability = 2 / comb(first.size + second.size, first.size)
    return DisjointRanges(lows, highs, apart, gap, probability, MEANING)
