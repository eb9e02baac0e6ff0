import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from classay.errors import InsufficientEvidence
from classay.statistics.t_interval import Interval, t_interval


def test_by_hand():
    # mean 2, s = 1, n = 3, t(2) = 4.3027 (any table): 2 ± 4.3027 / √3 = 2 ± 2.4841
    ours = t_interval([1.0, 2.0, 3.0])
    assert ours[:3] == pytest.approx((2.0, -0.4841, 4.4841), abs=5e-5)
    assert ours[3:] == (0.95, 3, "values are a random sample from a normal distribution")


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("runs", [2, 3, 8, 40])
def test_matches_two_other_implementations(level, runs):
    x = np.random.default_rng(runs).normal(40, 5, runs)
    x.setflags(write=False)
    ours = t_interval(x, level)
    reference = stats.ttest_1samp(x, 0.0).confidence_interval(level)
    assert (ours.low, ours.high) == pytest.approx((reference.low, reference.high), rel=1e-9)
    reference = DescrStatsW(x).tconfint_mean(alpha=1 - level)
    assert (ours.low, ours.high) == pytest.approx(reference, rel=1e-9)


@pytest.mark.parametrize("runs", [2, 3, 5])
def test_coverage_is_what_it_says(runs):
    draws = np.random.default_rng(0).normal(1, 2, (1500, runs))
    hits = [t.low <= 1.0 <= t.high for t in map(t_interval, draws)]
    assert np.mean(hits) == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / 1500))


def test_moves_and_stretches_with_the_data():
    x = np.array([38.1, 41.8, 49.0])
    moved, ours = t_interval(7 - 2 * x), t_interval(x)
    assert moved[:3] == pytest.approx((7 - 2 * ours.estimate, 7 - 2 * ours.high, 7 - 2 * ours.low))


def test_a_higher_level_is_wider():
    widths = [t.high - t.low for t in (t_interval([1.0, 2.0, 4.0], lv) for lv in (0.5, 0.9, 0.99))]
    assert widths == sorted(widths)


def test_identical_runs_have_no_width_and_it_says_what_that_is_worth():
    ours = t_interval([0.1, 0.1, 0.1])
    assert ours == Interval(0.1, 0.1, 0.1, 0.95, 3, ours.assumption)
    assert "says nothing about other seeds" in ours.assumption


def test_runs_that_nearly_agree_are_not_called_identical():
    ours = t_interval([1.0, 1.0, 1.0 + 1e-15])
    assert ours.low < ours.high
    assert "normal" in ours.assumption


@pytest.mark.parametrize("values", [[], [1.0]])
def test_fewer_than_two_runs_are_not_estimable(values):
    with pytest.raises(InsufficientEvidence, match=rf"t interval.*at least 2.*found {len(values)}"):
        t_interval(values)


@pytest.mark.parametrize("values", [[1.0, np.nan, 2.0], [1.0, np.inf], [[1.0, 2.0]], 3.0])
def test_what_is_not_one_number_per_run_is_refused(values):
    with pytest.raises(ValueError, match=r"(?s)needs one number per run.*never fill it in"):
        t_interval(values)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, np.nan])
def test_a_level_in_per_cent_is_refused(level):
    with pytest.raises(ValueError, match=r"(?s)between 0 and 1.*0\.95"):
        t_interval([1.0, 2.0], level)
