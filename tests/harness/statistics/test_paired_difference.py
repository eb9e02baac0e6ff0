import numpy as np
import pytest
from scipy import stats

from classay.errors import InsufficientEvidence
from classay.statistics.paired_difference import paired_difference


def test_by_hand():
    # differences 1, 2, 3: 2 ± 4.3027 / √3; all of one sign, so p = 2 of 8 patterns
    ours = paired_difference([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert ours[:3] == pytest.approx((2.0, -0.4841, 4.4841), abs=5e-5)
    assert (ours.runs, ours.p_exact, ours.p_floor) == (3, 0.25, 0.25)


def test_the_exact_p_by_hand_when_one_sign_differs():
    # differences 3, 2, -1: |sum| is at least 4 for 3+2-1, 3+2+1 and their negatives: 4 of 8
    ours = paired_difference([3.0, 2.0, -1.0], [0.0, 0.0, 0.0])
    assert (ours.p_exact, ours.p_floor) == (0.5, 0.25)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        # 1/80 three times up and three times down: every pattern is as far out as 0
        ([0.975, 0.8875, 0.6875, 0.825, 0.875, 0.1875], [0.9625, 0.9, 0.675, 0.8375, 0.8625, 0.2]),
        # 6 of 30 on both sides, summed in another order
        ([sum((0.1, 0.2, 0.3)) / 3] * 3, [sum((0.3, 0.2, 0.1)) / 3] * 3),
    ],
)
def test_differences_that_cancel_are_as_far_out_as_any(a, b):
    found = paired_difference(a, b)
    assert found.estimate == pytest.approx(0, abs=1e-15)
    assert found.p_exact == 1.0


def test_ties_that_only_the_last_bit_breaks_are_counted():
    # in twentieths 1 + 2 + 2 - 3 = 2: nearer to 0 is only 0 itself, 1 + 3 = 2 + 2 and its negative,
    # so 14 of the 16 patterns are as far out
    a, b = np.array([0.05, 0.1, 0.1, 0.0]), np.array([0.0, 0.0, 0.0, 0.15])
    assert paired_difference(a, b).p_exact == 14 / 16
    assert paired_difference(a + 0.7, b + 0.7).p_exact == 14 / 16


def test_equal_differences_are_not_called_identical_runs():
    found = paired_difference([1.0, 2.0, 3.0], [0.0, 1.0, 2.0])
    assert (found.low, found.high) == (1.0, 1.0)
    assert found.assumption.startswith("all differences are equal, so the interval has no width")


def pairs(runs):
    rng = np.random.default_rng(runs)
    a, b = rng.normal(2, 1, runs), rng.normal(1, 1, runs)
    a.setflags(write=False)
    b.setflags(write=False)
    return a, b


@pytest.mark.parametrize("runs", [2, 3, 8, 16])
def test_matches_scipy(runs):
    a, b = pairs(runs)
    ours = paired_difference(a, b, 0.9)
    reference = stats.ttest_rel(a, b).confidence_interval(0.9)
    assert (ours.low, ours.high) == pytest.approx((reference.low, reference.high))
    assert ours.estimate == pytest.approx(a.mean() - b.mean())


@pytest.mark.parametrize("runs", [2, 3, 6, 10])
def test_the_exact_p_counts_every_pattern_of_signs(runs):
    a, b = pairs(runs)
    signs = 1 - 2 * ((np.arange(2**runs)[:, None] >> np.arange(runs)) & 1)
    means = np.abs(signs @ (a - b))
    count = np.count_nonzero(means >= means[0] * (1 - 1e-12))
    assert paired_difference(a, b).p_exact == pytest.approx(count / 2**runs)


@pytest.mark.parametrize("runs", [2, 3, 5, 9])
def test_swapping_the_methods_turns_the_sign_and_keeps_the_p(runs):
    a, b = pairs(runs)
    one, other = paired_difference(a, b), paired_difference(b, a)
    assert other[:3] == pytest.approx((-one.estimate, -one.high, -one.low))
    assert other.p_exact == one.p_exact
    assert one.p_exact >= one.p_floor


def test_what_both_share_on_a_seed_cancels():
    a, b = pairs(5)
    shared = np.array([10.0, -4.0, 7.0, 0.0, 2.0])
    assert paired_difference(a + shared, b + shared)[:3] == pytest.approx(
        paired_difference(a, b)[:3]
    )


def test_the_same_bits_twice_whatever_the_global_seed():
    first = paired_difference(*pairs(8))
    np.random.seed(1)  # noqa: NPY002 - the point is that the global state does not matter
    assert paired_difference(*pairs(8)) == first


def test_equal_methods_differ_by_exactly_nothing():
    a, _ = pairs(4)
    ours = paired_difference(a, a)
    assert (ours.estimate, ours.low, ours.high, ours.p_exact) == (0.0, 0.0, 0.0, 1.0)
    assert "says nothing about other seeds" in ours.assumption


def test_too_many_patterns_to_count_give_no_p_rather_than_a_drawn_one():
    ours = paired_difference(*pairs(17))
    assert ours.p_exact is None
    assert ours.p_floor == 2 / 2**17


def test_one_seed_is_not_estimable():
    with pytest.raises(InsufficientEvidence, match=r"a paired difference.*at least 2.*found 1"):
        paired_difference([1.0], [2.0])


@pytest.mark.parametrize(("a", "b"), [([1.0, 2.0], [1.0]), ([[1.0, 2.0]], [[1.0, 2.0]])])
def test_what_is_not_paired_is_refused(a, b):
    with pytest.raises(ValueError, match=r"(?s)one of each per seed.*both methods finished"):
        paired_difference(a, b)


def test_a_missing_seed_is_refused():
    with pytest.raises(ValueError, match="never fill it in"):
        paired_difference([1.0, np.nan, 2.0], [1.0, 2.0, 3.0])
