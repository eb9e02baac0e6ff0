"""Which standard deviations n runs can have, given their mean, their least and their greatest."""

from __future__ import annotations

import math
from itertools import product

from scipy import optimize, stats

from classay.claims.forensics._boxes import SLACK, scale
from classay.claims.printed import Box

NODES = 10_000  # more ways to share n runs between two ends than this are bounded, not listed
LARGEST = 1e150  # of a run: the squares of larger ones are more than a double holds
KINDS = {
    "sample_sd": "sample sd",
    "population_sd": "population sd",
    "standard_error": "standard error",
    "t_half_width": "half-width of a 95 % t interval",
}


def means(n: int, low: Box, high: Box) -> Box:
    """The means that n runs can have: ((n − 1)·low + high) / n to (low + (n − 1)·high) / n.

    n          runs, at least 2
    low, high  of the least and of the greatest run
    """
    least = ((n - 1) * low.low + max(high.low, low.low)) / n
    return Box(least, (min(low.high, high.high) + (n - 1) * high.high) / n)


def sample_sds(n: int, mean: Box, low: Box, high: Box) -> Box | None:
    """The sample standard deviations that n runs can have.

    ::

        SS = (a − m)² + (b − m)² + Σ (xᵢ − m)²,   a ≤ xᵢ ≤ b,   Σ xᵢ = n·m − a − b
        s² = SS / (n − 1)

    n                runs, at least 2
    mean, low, high  every value that these may have
    returns  from the least to the greatest; None if no n runs have such a mean and such ends
    source   for n = 3: s² = R²/4 + d²/3, d the distance of the middle run from the midrange
    """
    if scale((low, high)) > LARGEST:
        return Box(0.0, math.inf)
    inside = means(n, low, high)
    # what means of doubles may lose is no contradiction
    slack = n * SLACK * scale((low, high))
    ends = (max(mean.low, inside.low), min(mean.high, inside.high))
    if ends[0] > ends[1] + slack or low.low > high.high:
        return None
    m = Box(min(ends), max(ends))
    if n == 2:
        return _two(m, low, high, slack)
    span = m.high - m.low
    found = [_least(n, x, low, high, slack) for x in (m.low, m.high)]
    if span > 0:
        best = optimize.minimize_scalar(
            lambda x: _least(n, x, low, high, slack),
            bounds=(m.low, m.high),
            method="bounded",
            options={"xatol": 1e-9 * span},
        )
        found.append(float(best.fun))
    least = min(found)
    if math.isinf(least):
        return None
    greatest = _greatest(n, m, low.low, high.high)
    return Box(math.sqrt(least / (n - 1)), math.sqrt(max(greatest, least) / (n - 1)))


def spread(kind: str, n: int, sd: Box) -> Box:
    """A box of sample standard deviations as another measure of spread.

    kind     one of ``KINDS``
    """
    factor = {
        "sample_sd": 1.0,
        "population_sd": math.sqrt((n - 1) / n),
        "standard_error": 1 / math.sqrt(n),
        "t_half_width": float(stats.t.ppf(0.975, n - 1)) / math.sqrt(n),
    }[kind]
    return Box(sd.low * factor, sd.high * factor)


def readings(said: str) -> tuple[str, ...]:
    """What a ± may be, given what the text says that it is."""
    if said == "undeclared":
        return tuple(KINDS)
    return ("sample_sd", "population_sd") if said == "sd" else (said,)


def greatest_sd(n: int, mean: Box, a: float, b: float) -> float | None:
    """The greatest sample standard deviation of n runs from a to b; None if none has such a mean.

    All runs but one at the ends; never more than Bhatia and Davis allow, and as much where
    n·(mean − a)/(b − a) is whole.
    """
    m = Box(max(mean.low, a), min(mean.high, b))
    if m.low > m.high:
        return None
    if b <= a:
        return 0.0
    first, last = math.ceil(n * (m.low - a) / (b - a)), math.floor(n * (m.high - a) / (b - a))
    if last - first > NODES:
        x = min(max((a + b) / 2, m.low), m.high)
        return math.sqrt(n / (n - 1) * (b - x) * (x - a))
    peaks = (a + (b - a) * k / n for k in range(max(first, 0), min(last, n) + 1))
    greatest = max(_at_most(n, x, a, b) for x in (*m, *peaks))
    return math.sqrt(greatest / (n - 1))


def _at_most(n: int, m: float, a: float, b: float) -> float:
    above = min(math.floor(n * (m - a) / (b - a) + 1e-12), n - 1)
    below = n - above - 1
    rest = min(max(n * m - above * b - below * a, a), b)
    return above * (b - m) ** 2 + below * (a - m) ** 2 + (rest - m) ** 2


def _two(m: Box, low: Box, high: Box, slack: float) -> Box | None:
    def near(x: float, box: Box) -> bool:
        return box.low - slack <= x <= box.high + slack

    ends = [
        (a, b)
        for a, b in (
            *product(low, high),
            *((2 * x - b, b) for x, b in product(m, high)),
            *((a, 2 * x - a) for x, a in product(m, low)),
        )
        if near(a, low) and near(b, high) and a <= b and near((a + b) / 2, m)
    ]
    widths = [(b - a) / math.sqrt(2) for a, b in ends]
    if low.high >= high.low:  # the two runs may be alike, which is no corner
        widths.append(0.0)
    return Box(min(widths), max(widths)) if widths else None


def _least(n: int, m: float, low: Box, high: Box, slack: float) -> float:
    """The least SS at this mean: the ends as near as they may be, the other runs all alike."""
    a, b = low.high, high.low
    if a > b:  # printed alike: they may be one value, and 0 is never too great
        return 0.0
    if n * m < (n - 1) * a + b:
        a = (n * m - b) / (n - 1)
        if a < low.low - slack:
            return math.inf
    elif n * m > a + (n - 1) * b:
        b = (n * m - a) / (n - 1)
        if b > high.high + slack:
            return math.inf
    rest = 2 * m - a - b
    return (a - m) ** 2 + (b - m) ** 2 + rest**2 / (n - 2)


def _greatest(n: int, m: Box, a: float, b: float) -> float:
    """The greatest SS at any of these means: all runs but one at the ends; all, where it peaks."""
    if b <= a:
        return 0.0
    first = max(math.ceil(n * (m.low - a) / (b - a)), 1)
    last = min(math.floor(n * (m.high - a) / (b - a)), n - 1)
    if last - first > NODES:
        x = min(max((a + b) / 2, m.low), m.high)
        return n * (b - x) * (x - a)  # Bhatia and Davis: never too small
    peaks = (a + (b - a) * k / n for k in range(first, last + 1))
    return max(_at_the_ends(n, x, a, b) for x in (*m, *peaks))


def _at_the_ends(n: int, m: float, a: float, b: float) -> float:
    if n * m <= (n - 1) * a + b:
        return n * (n - 1) * (m - a) ** 2
    if n * m >= a + (n - 1) * b:
        return n * (n - 1) * (b - m) ** 2
    above = math.floor((n * m - n * a) / (b - a))
    below = n - above - 1
    rest = min(max(n * m - above * b - below * a, a), b)
    return above * (b - m) ** 2 + below * (a - m) ** 2 + (rest - m) ** 2
