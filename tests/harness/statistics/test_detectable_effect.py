import numpy as np
import pytest
from scipy import stats

from classay.errors import InsufficientEvidence
from classay.statistics.detectable_effect import detectable_effect


@pytest.mark.parametrize(("runs", "effect"), [(3, 3.26), (5, 1.68), (10, 1.00), (34, 0.50)])
def test_tabled_numbers(runs, effect):
    # 34 pairs for d_z = 0.5 at 80 % is the textbook sample size
    assert detectable_effect(runs) == pytest.approx(effect, abs=0.01)


def test_an_effect_of_that_size_is_shown_that_often():
    runs, draws = 5, 4000
    x = np.random.default_rng(0).normal(detectable_effect(runs), 1, (draws, runs))
    shown = np.mean(stats.ttest_1samp(x, 0, axis=1).pvalue < 0.05)
    assert shown == pytest.approx(0.8, abs=3 * np.sqrt(0.8 * 0.2 / draws))


def test_more_seeds_show_smaller_effects():
    effects = [detectable_effect(n) for n in range(2, 60)]
    assert effects == sorted(effects, reverse=True)


def test_more_power_or_less_alpha_costs_a_larger_effect():
    assert detectable_effect(6, power=0.95) > detectable_effect(6) > detectable_effect(6, power=0.5)
    assert detectable_effect(6, alpha=0.01) > detectable_effect(6) > detectable_effect(6, alpha=0.2)


@pytest.mark.parametrize("runs", [0, 1])
def test_fewer_than_two_seeds_show_nothing(runs):
    with pytest.raises(InsufficientEvidence, match=rf"detectable.*at least 2.*found {runs}"):
        detectable_effect(runs)


@pytest.mark.parametrize(("power", "alpha"), [(0.05, 0.05), (1.0, 0.05), (80, 5), (0.8, 0.0)])
def test_impossible_demands_are_refused(power, alpha):
    with pytest.raises(ValueError, match=r"(?s)0 < alpha < power < 1.*80 % as 0\.8"):
        detectable_effect(5, power=power, alpha=alpha)


def test_a_solver_that_gave_up_is_not_believed():
    with pytest.raises(ArithmeticError, match=r"(?s)no effect found that 3 runs.*larger alpha"):
        detectable_effect(3, power=0.999, alpha=1e-6)
