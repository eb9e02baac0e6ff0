"""How small can an exact permutation p become with this many runs?"""

from __future__ import annotations

from math import comb

from classay.errors import InsufficientEvidence


def exact_p_floor(runs: int, *, paired: bool) -> float:
    """Smallest two-sided exact p that any data of this size can give.

    ::

        paired     2 / 2ⁿ          the sign of each difference can be turned
        unpaired   2 / C(2n, n)    each split of the 2n runs into two groups of n

    runs     n, seeds of each method
    paired   whether both methods ran the same seeds
    returns  probability   1 at n = 1, where no data can speak
    raises   InsufficientEvidence   no run at all
    source   Fisher 1935 (both tests); counting, no distribution is assumed
    choices  two-sided; no ties, with ties the floor of the data at hand is higher still
    """
    if runs < 1:
        raise InsufficientEvidence("an exact p", have=runs, need=1)
    return 2 / (2**runs if paired else comb(2 * runs, runs))
