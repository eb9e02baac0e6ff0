"""Between which values does a success rate plausibly lie?"""

from __future__ import annotations

from operator import index
from typing import NamedTuple

from scipy import stats

from classay.errors import InsufficientEvidence


class Proportion(NamedTuple):
    """A success rate and its interval, with the counts it came from."""

    estimate: float
    low: float
    high: float
    level: float
    successes: int
    trials: int
    assumption: str


def proportion(successes: int, trials: int, level: float = 0.95) -> Proportion:
    """Wilson's score interval for the success rate of independent trials.

    ::

        {π : |k/n − π| ≤ z_{(1+level)/2} · √(π (1 − π) / n)}

    successes   k, of the n trials
    trials      n; the same item asked twice is one trial, not two
    level       confidence, between 0 and 1
    returns  Proportion   shares; low is exactly 0 at k = 0 and high exactly 1 at k = n
    raises   InsufficientEvidence   no trial
             ValueError   k outside 0 … n, or a level outside (0, 1)
             TypeError   a count that is not an integer
    source   Wilson 1927, by scipy.stats.binomtest
    choices  not Wald, whose interval for 18 of 18 is [1, 1]; no continuity correction
    """
    k, n = index(successes), index(trials)
    if not 0 < level < 1:
        raise ValueError(
            f"a proportion got the level {level}; it needs one between 0 and 1.\n"
            f"  Write 95 % as 0.95."
        )
    if n == 0:
        raise InsufficientEvidence("a proportion", have=0, need=1)
    if not 0 <= k <= n:
        raise ValueError(
            f"a proportion got {k} successes in {n} trials; it needs 0 ≤ successes ≤ trials.\n"
            f"  Check that both counts are of the same items."
        )
    low, high = stats.binomtest(k, n).proportion_ci(confidence_level=level, method="wilson")
    return Proportion(k / n, float(low), float(high), level, k, n, "trials are independent")
