from math import sqrt

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from classay.errors import InsufficientEvidence
from classay.statistics.proportion import proportion


def test_by_hand():
    # k = 8 of n = 10, z = 1.96: centre (0.8 + z²/20) / (1 + z²/10) = 0.71674,
    # half z √(0.016 + z²/400) / (1 + z²/10) = 0.22659
    ours = proportion(8, 10)
    assert ours[:3] == pytest.approx((0.8, 0.49016, 0.94332), abs=2e-5)
    assert ours[3:] == (0.95, 8, 10, "trials are independent")


def test_eighteen_of_eighteen_shows_only_82_per_cent():
    ours = proportion(18, 18)
    assert ours.estimate == ours.high == 1.0
    assert round(ours.low, 3) == 0.824


@pytest.mark.parametrize(("k", "n"), [(0, 5), (1, 7), (35, 35), (98, 100), (500, 1319)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_matches_statsmodels(k, n, level):
    ours = proportion(k, n, level)
    reference = proportion_confint(k, n, alpha=1 - level, method="wilson")
    assert (ours.low, ours.high) == pytest.approx(reference, abs=1e-12)


def test_the_ends_solve_the_equation_that_defines_them():
    ours = proportion(7, 12)
    for end in (ours.low, ours.high):
        z = abs(7 / 12 - end) / sqrt(end * (1 - end) / 12)
        assert 2 * stats.norm.sf(z) == pytest.approx(0.05)


def test_exactly_zero_and_one_at_the_ends():
    for n in range(1, 200):
        assert proportion(0, n).low == 0.0
        assert proportion(n, n).high == 1.0


def test_failures_are_the_mirror_of_successes():
    ours, mirror = proportion(3, 11), proportion(8, 11)
    assert (ours.low, ours.high) == pytest.approx((1 - mirror.high, 1 - mirror.low))


def test_coverage_is_near_what_it_says():
    # Wilson's coverage oscillates around the level, so it is compared with its exact value:
    # the sum of the binomial probabilities of every k whose interval holds the true rate
    rate, n, draws = 0.3, 40, 4000
    holds = np.array([p.low <= rate <= p.high for p in (proportion(k, n) for k in range(n + 1))])
    exact = stats.binom.pmf(np.arange(n + 1), n, rate)[holds].sum()
    assert exact == pytest.approx(0.95, abs=0.02)
    hits = holds[np.random.default_rng(0).binomial(n, rate, draws)]
    assert np.mean(hits) == pytest.approx(exact, abs=3 * np.sqrt(exact * (1 - exact) / draws))


def test_counts_of_numpy_are_counts():
    assert proportion(np.int64(8), np.int64(10)) == proportion(8, 10)


def test_no_trial_has_no_rate():
    with pytest.raises(InsufficientEvidence, match=r"a proportion needs at least 1.*found 0"):
        proportion(0, 0)


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (1, -3)])
def test_impossible_counts_are_refused(k, n):
    with pytest.raises(ValueError, match=r"(?s)needs 0 ≤ successes ≤ trials.*same items"):
        proportion(k, n)


def test_a_count_that_is_no_integer_is_refused():
    with pytest.raises(TypeError, match="integer"):
        proportion(0.8, 10)


def test_a_level_in_per_cent_is_refused():
    with pytest.raises(ValueError, match=r"(?s)between 0 and 1.*0\.95"):
        proportion(8, 10, 95)
