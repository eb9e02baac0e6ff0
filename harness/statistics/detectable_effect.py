"""How large must an effect be for this many seeds to show it?"""

from __future__ import annotations

from math import isclose

from classay.errors import InsufficientEvidence


def detectable_effect(runs: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest standardised paired effect that a t test on this many seeds shows reliably.

    ::

        d_z = |mean of A − B| / SD of A − B,   with   P(|t| > t_{n−1, 1−α/2} | d_z) = power

    runs     n, seeds that both methods ran
    power    probability of the test to show an effect of this size
    alpha    probability of the test to show one where there is none
    returns  standard deviations of the per-seed difference
    raises   InsufficientEvidence   fewer than 2 seeds
             ValueError   not 0 < alpha < power < 1
             ArithmeticError   the equation has no solution that statsmodels can find
    source   Cohen 1988 §2, by statsmodels TTestPower
    choices  two-sided; paired, so the unit is the SD of the differences and not that of the
             runs; normality is assumed
    """
    if runs < 2:
        raise InsufficientEvidence("a detectable effect", have=runs, need=2)
    if not 0 < alpha < power < 1:
        raise ValueError(
            f"a detectable effect got alpha {alpha} and power {power}; it needs "
            f"0 < alpha < power < 1.\n  Write 5 % as 0.05 and 80 % as 0.8."
        )
    from statsmodels.stats.power import TTestPower  # a second to import, for one question

    test = TTestPower()
    found = float(test.solve_power(effect_size=None, nobs=runs, alpha=alpha, power=power))
    # the solver stops a little early, and returns a number even when it gave up
    reached = float(test.power(found, runs, alpha))
    if not isclose(reached, power, abs_tol=1e-4):
        raise ArithmeticError(
            f"no effect found that {runs} runs show with power {power} at alpha {alpha}; the "
            f"nearest, {found:g}, has power {reached:g}.\n  Ask for a larger alpha or a "
            f"smaller power."
        )
    return found
