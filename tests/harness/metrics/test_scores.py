"""Every score metric, on one matrix worked by hand, and the identities between them."""

import numpy as np
import pytest

from classay.errors import InsufficientEvidence
from classay.metrics import (
    accuracy_after_learning,
    accuracy_diaz_rodriguez,
    average_accuracy,
    average_incremental_accuracy,
    backward_transfer,
    backward_transfer_diaz_rodriguez,
    backward_transfer_libcontinual,
    backward_transfer_over_t,
    forgetting_any_phase,
    forgetting_chaudhry,
    forgetting_first_minus_last,
    forgetting_inclusive,
    forward_transfer,
    forward_transfer_constant,
    forward_transfer_continuum,
    forward_transfer_over_t,
    forward_transfer_without_base,
    learning_gain_score,
    relative_drift_score,
    score_change_vs_base,
)

# rows: before training, after phase 1, 2, 3; columns: domains in stream order
SCORE = np.array(
    [
        [10.0, 20.0, 30.0],
        [80.0, 26.0, 33.0],
        [84.0, 50.0, 42.0],
        [60.0, 55.0, 90.0],
    ]
)


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (average_accuracy, 205 / 3),  # 60 + 55 + 90
        (accuracy_after_learning, 220 / 3),  # 80 + 50 + 90
        (average_incremental_accuracy, (80 + 67 + 205 / 3) / 3),  # (84 + 50) / 2 = 67
        (accuracy_diaz_rodriguez, 419 / 6),  # 80 + 84 + 50 + 60 + 55 + 90
        (backward_transfer, -7.5),  # 60 - 80 = -20; 55 - 50 = 5
        (backward_transfer_over_t, -5.0),
        (backward_transfer_diaz_rodriguez, -11 / 3),  # 84 - 80 = 4; -20; 5
        (forgetting_chaudhry, 9.5),  # 84 - 60 = 24; 50 - 55 = -5
        (forgetting_inclusive, 12.0),  # 24; 0
        (forgetting_any_phase, 9.5),  # as forgetting_chaudhry: 26 before it was learned is below 50
        (forgetting_first_minus_last, 7.5),
        (relative_drift_score, -0.075),  # -20 / 80 = -0.25; 5 / 50 = 0.1
        (forward_transfer, 9.0),  # 26 - 20 = 6; 42 - 30 = 12
        (forward_transfer_over_t, 6.0),  # 0; 6; 12
        (forward_transfer_without_base, 34.0),  # 26; 42
        (forward_transfer_continuum, 199 / 3),  # 84 + 60 + 55
        (forward_transfer_constant, 220 / 3 - 50.94),  # 80 + 50 + 90
        (backward_transfer_libcontinual, -20 / 3),  # only 60 - 80, over three
        (learning_gain_score, 160 / 3),  # 70 + 30 + 60
        (score_change_vs_base, 145 / 3),  # 50 + 35 + 60
    ],
)
def test_by_hand(metric, value):
    assert metric.compute(SCORE) == pytest.approx(value)


def streams():
    rng = np.random.default_rng(6)
    return [rng.uniform(10, 95, (t + 1, t)) for t in (2, 3, 7, 12) for _ in range(20)]


def test_first_minus_last_is_backward_transfer_turned_around():
    for score in streams():
        assert forgetting_first_minus_last.compute(score) == -backward_transfer.compute(score)


def test_dividing_by_t_dilutes():
    for score in streams():
        domains = score.shape[1]
        diluted = backward_transfer.compute(score) * (domains - 1) / domains
        assert backward_transfer_over_t.compute(score) == pytest.approx(diluted)


def test_backward_transfer_is_what_accuracy_lost_since_learning():
    for score in streams():
        lost = accuracy_after_learning.compute(score) - average_accuracy.compute(score)
        assert backward_transfer_over_t.compute(score) == pytest.approx(-lost)


def test_forgetting_follows_from_two_means_where_every_best_is_on_the_diagonal():
    for values in streams():
        score, domains = values.copy(), values.shape[1]
        score[np.arange(1, domains + 1), np.arange(domains)] = 99.0
        lost = accuracy_after_learning.compute(score) - average_accuracy.compute(score)
        expected = domains / (domains - 1) * lost
        assert forgetting_chaudhry.compute(score) == pytest.approx(expected)
        assert forgetting_inclusive.compute(score) == pytest.approx(expected)
        assert forgetting_any_phase.compute(score) == pytest.approx(expected)
        assert forgetting_first_minus_last.compute(score) == pytest.approx(expected)


def test_order_between_the_three_meanings_of_forgetting():
    for score in streams():
        first_minus_last = forgetting_first_minus_last.compute(score)
        excluding, including = (
            forgetting_chaudhry.compute(score),
            forgetting_inclusive.compute(score),
        )
        assert first_minus_last <= excluding + 1e-9
        assert excluding <= including + 1e-9
        assert including >= 0
        assert excluding <= forgetting_any_phase.compute(score) + 1e-9


def test_on_two_domains_the_two_backward_transfers_agree():
    score = SCORE[:3, :2]
    ours = backward_transfer_diaz_rodriguez.compute(score)
    assert ours == pytest.approx(backward_transfer.compute(score))


@pytest.mark.parametrize("metric", [forgetting_chaudhry, forgetting_inclusive])
def test_a_score_from_before_the_domain_was_learned_is_not_its_best(metric):
    lucky = SCORE.copy()
    lucky[:2, 1] = 99.0
    assert metric.compute(lucky) == metric.compute(SCORE)


def test_the_formula_as_printed_counts_a_fall_from_before_the_domain_was_learned():
    lucky = SCORE.copy()
    lucky[1, 1] = 99.0
    lucky[0, 0] = 99.0  # the model before any training is no phase
    assert forgetting_any_phase.compute(lucky) == 34.0  # 84 - 60 = 24; 99 - 55 = 44


def test_it_is_not_computable_where_a_log_holds_no_such_cell():
    short = SCORE.copy()
    short[1, 1] = np.nan
    with pytest.raises(ValueError, match=r"after phase 1 on domain 2 is missing"):
        forgetting_any_phase.compute(short)


def test_everything_that_means_forgetting_is_exactly_zero_when_nothing_moves():
    still = np.full((4, 3), 71.3)
    for metric in (
        backward_transfer,
        backward_transfer_over_t,
        backward_transfer_diaz_rodriguez,
        forgetting_chaudhry,
        forgetting_inclusive,
        forgetting_any_phase,
        forgetting_first_minus_last,
        relative_drift_score,
        forward_transfer,
    ):
        assert metric.compute(still) == 0.0


def test_points_scale_with_the_unit_and_the_share_does_not():
    fraction = SCORE / 100
    assert backward_transfer.compute(fraction) == pytest.approx(-0.075)
    assert relative_drift_score.compute(fraction) == pytest.approx(-0.075)
    assert relative_drift_score.compute(SCORE) == pytest.approx(-0.075)


def test_a_constant_in_percent_is_not_taken_from_fractions():
    with pytest.raises(ValueError, match=r"(?s)its constant is in percent.*It needs percent"):
        forward_transfer_constant.compute(SCORE / 100)


def test_of_two_domains_nothing_is_left_of_what_libcontinual_sums():
    with pytest.raises(InsufficientEvidence, match="at least 3 domains, found 2"):
        backward_transfer_libcontinual.compute(SCORE[:3, :2])


def test_change_against_the_base_is_learning_and_backward_transfer_together():
    for score in streams():
        parts = learning_gain_score.compute(score) + backward_transfer_over_t.compute(score)
        assert score_change_vs_base.compute(score) == pytest.approx(parts)
