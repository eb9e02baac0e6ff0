import numpy as np
import pytest

from classay.errors import InsufficientEvidence
from classay.statistics.disjoint_ranges import disjoint_ranges


def test_by_hand():
    # C(5, 2) = 10 orders of two and three runs, 2 of them separated
    ours = disjoint_ranges([5.0, 4.0], [1.0, 3.0, 2.0])
    assert ours[:5] == ((4.0, 1.0), (5.0, 3.0), True, 1.0, 0.2)
    assert "fact about the ranks" in ours.meaning


def test_an_overlap_is_a_negative_gap():
    ours = disjoint_ranges([1.0, 4.0], [3.0, 9.0])
    assert (ours.disjoint, ours.gap) == (False, -1.0)


def test_ranges_that_touch_are_not_disjoint():
    ours = disjoint_ranges([1.0, 2.0], [2.0, 3.0])
    assert (ours.disjoint, ours.gap) == (False, 0.0)


def test_ranges_that_only_the_last_bit_of_a_sum_separates_are_not_disjoint():
    one, other = sum((0.1, 0.2, 0.3)), sum((0.3, 0.2, 0.1))  # 0.6000000000000001 and 0.6
    assert one != other
    assert not disjoint_ranges([one] * 3, [other] * 3).disjoint
    assert disjoint_ranges([0.6001] * 3, [other] * 3).disjoint


def test_a_range_within_the_other_is_not_disjoint():
    assert not disjoint_ranges([1.0, 9.0], [4.0, 5.0]).disjoint


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 2), (3, 3), (2, 5)])
def test_the_probability_is_how_often_equal_methods_separate(n, m):
    draws = 3000
    x = np.random.default_rng(n + m).normal(size=(draws, n + m))
    results = [disjoint_ranges(row[:n], row[n:]) for row in x]
    p = results[0].probability
    margin = 3 * np.sqrt(p * (1 - p) / draws)
    assert np.mean([r.disjoint for r in results]) == pytest.approx(p, abs=margin)


def test_only_ranks_decide():
    a, b = np.array([1.0, 2.0, 5.0]), np.array([7.0, 6.0])
    a.setflags(write=False)
    ours, stretched = disjoint_ranges(a, b), disjoint_ranges(np.exp(a), np.exp(b))
    assert (ours.disjoint, ours.probability) == (stretched.disjoint, stretched.probability)
    swapped = disjoint_ranges(b, a)
    assert (swapped.gap, swapped.lows) == (ours.gap, ours.lows[::-1])


def test_a_method_without_a_run_has_no_range():
    with pytest.raises(InsufficientEvidence, match=r"disjoint ranges needs at least 1.*found 0"):
        disjoint_ranges([1.0], [])


@pytest.mark.parametrize("values", [[1.0, np.nan], [[1.0, 2.0]]])
def test_what_is_not_one_number_per_run_is_refused(values):
    with pytest.raises(ValueError, match=r"(?s)one number per run.*never fill it in"):
        disjoint_ranges([1.0], values)
