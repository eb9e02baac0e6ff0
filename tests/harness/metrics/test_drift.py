"""Every convention of drift, on one loss matrix worked by hand."""

import numpy as np
import pytest

from classay.metrics import (
    drift_all_vs_base,
    drift_all_vs_best,
    drift_all_vs_own,
    drift_prior_absolute,
    drift_prior_vs_base,
    drift_prior_vs_best,
    drift_prior_vs_own,
    drift_worst,
)

# rows: before training, after phase 1, 2, 3; columns: domains in stream order
LOSS = np.array(
    [
        [4.0, 4.0, 5.0],
        [2.0, 3.0, 4.0],
        [1.6, 1.0, 2.5],
        [2.4, 0.9, 2.0],
    ]
)
ALL = [
    drift_all_vs_base,
    drift_all_vs_best,
    drift_all_vs_own,
    drift_prior_absolute,
    drift_prior_vs_base,
    drift_prior_vs_best,
    drift_prior_vs_own,
    drift_worst,
]
NAN = np.nan


@pytest.mark.parametrize(
    ("metric", "terms", "value"),
    [
        # (2.4 - 2.0) / 2.0 = 20 %; (0.9 - 1.0) / 1.0 = -10 %; the last is left out
        (drift_prior_vs_own, [20, -10, NAN], 5),
        # the same and (2.0 - 2.0) / 2.0 = 0 %: 10 / 3
        (drift_all_vs_own, [20, -10, 0], 10 / 3),
        # (2.4 - 4) / 4 = -40 %; (0.9 - 4) / 4 = -77.5 %
        (drift_prior_vs_base, [-40, -77.5, NAN], -58.75),
        # and (2 - 5) / 5 = -60 %: -177.5 / 3
        (drift_all_vs_base, [-40, -77.5, -60], -177.5 / 3),
        # lowest before the end 1.6 and 1.0: (2.4 - 1.6) / 1.6 = 50 %; -10 %
        (drift_prior_vs_best, [50, -10, NAN], 20),
        # the last domain's lowest before the end is 2.5: (2.0 - 2.5) / 2.5 = -20 %
        (drift_all_vs_best, [50, -10, -20], 20 / 3),
        (drift_prior_absolute, [20, 10, NAN], 15),
        (drift_worst, [20, -10, NAN], 20),
    ],
)
def test_by_hand(metric, terms, value):
    assert metric.per_domain(LOSS) == pytest.approx(np.array(terms), nan_ok=True)
    assert metric.compute(LOSS) == pytest.approx(value)


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("scale", [0.1, 7.0])
def test_does_not_depend_on_the_unit_of_loss(metric, scale):
    assert metric.compute(scale * LOSS) == pytest.approx(metric.compute(LOSS))


@pytest.mark.parametrize("metric", ALL)
def test_exactly_zero_when_nothing_ever_moves(metric):
    assert metric.compute(np.full((4, 3), 1.7)) == 0.0


@pytest.mark.parametrize(
    "metric", [drift_prior_vs_own, drift_all_vs_own, drift_prior_absolute, drift_worst]
)
def test_exactly_zero_when_nothing_moves_after_it_was_learned(metric):
    frozen = LOSS.copy()
    frozen[2:, 0] = frozen[1, 0]
    frozen[3, 1] = frozen[2, 1]
    assert metric.compute(frozen) == 0.0


def streams():
    rng = np.random.default_rng(5)
    return [rng.uniform(0.5, 5, (t + 1, t)) for t in (2, 3, 7, 12) for _ in range(20)]


def test_the_last_domain_dilutes_by_one_over_t():
    for loss in streams():
        domains = loss.shape[1]
        diluted = drift_prior_vs_own.compute(loss) * (domains - 1) / domains
        assert drift_all_vs_own.compute(loss) == pytest.approx(diluted)
        assert drift_all_vs_own.per_domain(loss)[-1] == 0.0


@pytest.mark.parametrize(
    ("prior", "everything"),
    [
        (drift_prior_vs_own, drift_all_vs_own),
        (drift_prior_vs_base, drift_all_vs_base),
        (drift_prior_vs_best, drift_all_vs_best),
    ],
)
def test_the_earlier_domains_have_the_same_terms_with_and_without_the_last(prior, everything):
    for loss in streams():
        ours = prior.per_domain(loss)[:-1]
        assert ours == pytest.approx(everything.per_domain(loss)[:-1], rel=1e-12)


def test_order_between_conventions():
    for loss in streams():
        own = drift_prior_vs_own.compute(loss)
        assert own <= drift_worst.compute(loss) + 1e-9
        assert abs(own) <= drift_prior_absolute.compute(loss) + 1e-9
        # the best seen is never above the loss just after learning, nor above the base model's
        assert own <= drift_prior_vs_best.compute(loss) + 1e-9
        assert drift_prior_vs_base.compute(loss) <= drift_prior_vs_best.compute(loss) + 1e-9


def test_the_best_seen_may_lie_before_the_domain_was_learned():
    loss = LOSS.copy()
    loss[1, 1] = 0.5  # domain 2 was at its lowest after phase 1: (0.9 - 0.5) / 0.5 = 80 %
    assert drift_prior_vs_best.per_domain(loss)[1] == pytest.approx(80)


def test_the_worst_is_negative_when_all_improved_and_the_last_does_not_hide_it():
    loss = LOSS.copy()
    loss[3, 0] = 1.9
    assert drift_worst.compute(loss) == pytest.approx(-5)


def test_the_message_says_found_needed_and_what_to_do():
    hole = LOSS.copy()
    hole[2, 1] = np.nan
    with pytest.raises(
        ValueError,
        match=r"(?s)vs just learned is not computable: after phase 2 on domain 2 is missing "
        r"\(row 2, column 1\).*needs a number there\. Evaluate that checkpoint",
    ):
        drift_prior_vs_own.compute(hole)
