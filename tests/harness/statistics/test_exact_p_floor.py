from itertools import combinations, product

import pytest

from classay.errors import InsufficientEvidence
from classay.statistics.exact_p_floor import exact_p_floor


@pytest.mark.parametrize(
    ("runs", "floor"), [(1, 1.0), (2, 0.5), (3, 0.25), (5, 0.0625), (6, 1 / 32)]
)
def test_paired_by_hand(runs, floor):
    assert exact_p_floor(runs, paired=True) == floor


@pytest.mark.parametrize(
    ("runs", "floor"), [(1, 1.0), (2, 2 / 6), (3, 0.1), (4, 2 / 70), (5, 2 / 252)]
)
def test_unpaired_by_hand(runs, floor):
    assert exact_p_floor(runs, paired=False) == floor


@pytest.mark.parametrize("runs", [1, 2, 3, 4, 5])
def test_it_is_the_count_of_the_two_most_extreme_arrangements(runs):
    signs = [sum(s) for s in product((-1, 1), repeat=runs)]
    extreme = sum(abs(s) == runs for s in signs)
    assert exact_p_floor(runs, paired=True) == extreme / len(signs)
    splits = [set(c) for c in combinations(range(2 * runs), runs)]
    apart = sum(max(s) == runs - 1 or min(s) == runs for s in splits)
    assert exact_p_floor(runs, paired=False) == apart / len(splits)


def test_it_falls_with_every_run():
    for paired in (True, False):
        floors = [exact_p_floor(n, paired=paired) for n in range(1, 30)]
        assert floors == sorted(floors, reverse=True)


def test_no_run_has_no_p():
    with pytest.raises(InsufficientEvidence, match=r"an exact p needs at least 1.*found 0"):
        exact_p_floor(0, paired=True)
