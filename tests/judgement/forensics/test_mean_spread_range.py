import numpy as np
import pytest

from classay.claims.document import parse
from classay.claims.finding import honest
from classay.claims.forensics import _runs
from classay.claims.forensics.mean_spread_range import check
from classay.claims.printed import Box
from classay.claims.verdict import Verdict

pytestmark = pytest.mark.torchless


def judge(mean, spread, low, high, n=3, said="undeclared"):
    claim = {
        "id": "a",
        "statistic": "mean",
        "value": mean,
        "n": {"seeds": n},
        "spread": {"value": spread, "said_to_be": said} if spread else None,
        "range": {"low": low, "high": high},
    }
    (finding,) = check(parse(honest(claim), "x"))
    return finding


# third run 3·1.95 − 1.47 − 2.71 = 1.67; s² = 1.24²/4 + (1.67 − 2.09)²/3 = 0.3844 + 0.0588 = 0.4432,
# s = 0.6657; over the rounding box 0.658 to 0.674
def test_frozen_as_printed_is_inconsistent():
    finding = judge("+1.95", "0.64", "+1.47", "+2.71")
    assert finding.verdict is Verdict.INCONSISTENT
    assert "the third run is 3·1.95 − 1.47 − 2.71 = 1.67" in finding.arithmetic
    assert "sample sd 0.658 to 0.674" in finding.arithmetic
    assert "population sd 0.537 to 0.550" in finding.possible


# third run −0.12; s² = 0.33²/4 + 0.075²/3 = 0.0291, s = 0.1706
def test_crma_as_printed_is_a_sample_sd():
    finding = judge("-0.17", "0.17", "-0.36", "-0.03")
    assert (finding.verdict, finding.reading) == (Verdict.CONSISTENT, "sample sd")
    assert len(finding.others) == 3


def test_naive_as_printed_is_a_sample_sd():
    assert judge("+42.96", "5.5", "+38.1", "+49.0").reading == "sample sd"


# two runs 1 and 3: mean 2, s = √2 = 1.414, σ = 1
def test_two_runs_by_hand():
    assert judge("2.00", "1.41", "1.00", "3.00", n=2).reading == "sample sd"
    population = judge("2.00", "1.00", "1.00", "3.00", n=2)
    assert population.reading == "population sd or standard error"  # at n = 2 they are one number
    assert judge("2.10", None, "1.00", "3.00", n=2).verdict is Verdict.INCONSISTENT


# 0, 0, 0, 0, 10: mean 2, s² = (4·4 + 64)/4 = 20, the largest for this mean and these ends
def test_five_runs_cannot_spread_beyond_their_ends():
    assert judge("2.00", "4.47", "0.00", "10.00", n=5).verdict is Verdict.CONSISTENT
    assert judge("1.90", "4.47", "0.00", "10.00", n=5).verdict is Verdict.INCONSISTENT


def test_the_mean_of_three_cannot_be_next_to_an_end():
    finding = judge("1.1", None, "1.0", "4.0")
    assert finding.verdict is Verdict.INCONSISTENT
    assert "cannot have the mean 1.1, because each end is itself one of the runs" in (
        finding.arithmetic
    )


def test_a_spread_under_its_wrong_name_is_inconsistent():
    finding = judge("-0.17", "0.17", "-0.36", "-0.03", said="standard_error")
    assert finding.verdict is Verdict.INCONSISTENT
    assert "it is said to be a standard error" in finding.arithmetic
    assert any("sample sd" in other for other in finding.others)


def test_a_range_and_a_spread_without_a_mean():
    claim = {"id": "a", "n": {"seeds": 3}, "range": {"low": "0.0", "high": "2.0"}}
    # R/s of three runs is between √3 and 2, so s is between 1 and 1.155
    for spread, verdict in (("1.1", Verdict.CONSISTENT), ("2.0", Verdict.INCONSISTENT)):
        said = {"value": spread, "said_to_be": "sample_sd"}
        (finding,) = check(parse(honest(claim | {"spread": said}), "x"))
        assert finding.verdict is verdict


def test_one_run_has_no_spread_and_is_left_alone():
    claim = {"id": "a", "statistic": "mean", "value": "1", "n": {"seeds": 1}}
    assert not list(check(parse(honest(claim | {"range": {"low": "1", "high": "1"}}), "x")))


@pytest.mark.parametrize("n", [2, 3, 4, 7, 30])
def test_the_standard_deviation_of_real_runs_is_among_the_possible_ones(n):
    rng = np.random.default_rng(n)
    for _ in range(300):
        x = rng.normal(0, 1, n) if rng.integers(2) else rng.integers(0, 3, n).astype(float)
        w = float(rng.uniform(0, 0.1))
        boxes = [Box(float(v) - w, float(v) + w) for v in (x.mean(), x.min(), x.max())]
        found = _runs.sample_sds(n, *boxes)
        assert found is not None
        assert found.low - 1e-9 <= np.std(x, ddof=1) <= found.high + 1e-9


# with exact ends and mean, the extremes are reached: 4 runs from 0 to 6 with mean 3
# least: 0, 3, 3, 6 has s² = 18/3 = 6; greatest: 0, 0, 6, 6 has s² = 36/3 = 12
def test_the_possible_standard_deviations_are_no_wider_than_they_must_be():
    exact = [Box(x, x) for x in (3.0, 0.0, 6.0)]
    assert _runs.sample_sds(4, *exact) == pytest.approx((np.sqrt(6), np.sqrt(12)))


# −10.014 and 12.785: mean 1.3855, sd 22.799 / √2 = 16.12. As printed the sum is 2.7 to 2.9 and the
# ends from −10.5 to −9.5 and from 12.5 to 13.5, so the gap is at least 22 and the sd at least 15.6,
# or 14.8 with the ends rounded outward
def test_two_runs_whose_corners_do_not_come_out_even_in_doubles():
    finding = judge("1.4", "16.1", "-10", "13", n=2)
    assert (finding.verdict, finding.reading) == (Verdict.CONSISTENT, "sample sd")
    assert judge("-0.0042", None, "-0.08", "0.08", n=2).verdict is Verdict.CONSISTENT
    assert judge("1.4", "14.5", "-10", "13", n=2, said="sample_sd").verdict is Verdict.INCONSISTENT


@pytest.mark.parametrize("seed", range(4))
def test_no_two_honest_runs_are_called_inconsistent(seed):
    rng = np.random.default_rng(seed)
    for _ in range(1000):
        places = rng.integers(0, 4, 3)
        a, b = np.sort(rng.normal(0, 10 ** rng.uniform(-2, 2), 2))
        runs = ((a + b) / 2, (b - a) / 2**0.5, a, b)
        texts = (f"{x:.{place}f}" for x, place in zip(runs, places[[0, 1, 2, 2]], strict=True))
        assert judge(*texts, n=2).verdict is Verdict.CONSISTENT, (a, b, places)


def test_a_mean_outside_its_range_is_inconsistent_however_many_runs_there_were():
    outside = {"id": "a", "statistic": "mean", "value": "4.9", "range": {"low": "6", "high": "7"}}
    for more in ({}, {"n": {"seeds": 3}}):
        (finding,) = check(parse(honest(outside | more), "x"))
        assert finding.verdict is Verdict.INCONSISTENT
        assert "cannot have the mean 4.9" in finding.arithmetic
    for said in ({"qualifier": "about"}, {"qualifier": ">"}, {"value": "6.3"}, {"value": "5.5"}):
        assert [
            f for f in check(parse(honest(outside | said), "x")) if f.verdict != "consistent"
        ] == []


def test_runs_beyond_what_squares_can_hold_exclude_nothing():
    assert judge("1", "1e300", "-1e308", "1e308").verdict is Verdict.CONSISTENT
