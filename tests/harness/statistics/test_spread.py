import numpy as np
import pytest

from classay.errors import InsufficientEvidence
from classay.statistics.spread import Spread, spread


def test_by_hand():
    # mean 3; squares 4 + 1 + 9 = 14; s = √(14 / 2)
    ours = spread([1.0, 2.0, 6.0])
    assert ours == pytest.approx((1.0, 6.0, 3.0, np.sqrt(7), 3))


def test_a_published_mean_and_sd_use_the_divisor_n_minus_1():
    # learning advantage of the CRMA paper: 1.46, 1.97, 2.54 printed as 1.99 ± 0.54
    ours = spread([1.46, 1.97, 2.54])
    assert (round(ours.mean, 2), round(ours.sample_sd, 2)) == (1.99, 0.54)


def test_at_three_runs_range_over_sd_lies_between_root_3_and_2():
    for x in np.random.default_rng(0).normal(size=(200, 3)):
        ours = spread(x)
        assert np.sqrt(3) - 1e-9 <= (ours.high - ours.low) / ours.sample_sd <= 2 + 1e-9


def test_order_does_not_matter_and_the_input_stays_as_it_is():
    x = np.array([3.0, 1.0, 2.0])
    x.setflags(write=False)
    assert spread(x) == pytest.approx(spread(x[::-1]))


def test_one_run_has_no_sd():
    assert spread([2.5]) == Spread(2.5, 2.5, 2.5, None, 1)


def test_identical_runs_have_an_sd_of_zero():
    assert spread([2.5, 2.5]).sample_sd == 0.0


def test_no_run_is_not_estimable():
    with pytest.raises(InsufficientEvidence, match=r"a spread needs at least 1.*found 0"):
        spread([])


@pytest.mark.parametrize("values", [[1.0, np.nan], [[1.0], [2.0]], 1.0])
def test_what_is_not_one_number_per_run_is_refused(values):
    with pytest.raises(ValueError, match=r"(?s)needs one number per run.*never fill it in"):
        spread(values)
