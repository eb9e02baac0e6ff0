import pytest

from classay.claims.document import parse
from classay.claims.finding import honest
from classay.claims.forensics.bounds import check
from classay.claims.verdict import Verdict


def judge(mean, sd, n=3, said="sample_sd", **claim):
    base = {
        "id": "a",
        "statistic": "mean",
        "value": mean,
        "n": {"seeds": n},
        "spread": {"value": sd, "said_to_be": said},
    }
    found = list(check(parse(honest(base | claim), "x")))
    return found[0] if found else None


PERCENT = {"minimum": "0", "maximum": "100"}


# on 0 to 100, mean 75, n = 4: s² is at most 4/3 · 75 · 25 = 2500, and 0, 100, 100, 100 has s = 50
def test_bhatia_and_davis_by_hand():
    assert judge("75.0", "50.0", 4, scale=PERCENT).verdict is Verdict.CONSISTENT
    finding = judge("75.0", "50.4", 4, scale=PERCENT)
    assert finding.verdict is Verdict.INCONSISTENT
    assert "4 runs of at least 0 and at most 100 with the mean 75.0" in finding.arithmetic


# at the middle, Popoviciu: s² at most 4/3 · 50² , s at most 57.74
def test_popoviciu_at_the_middle():
    assert judge("50.0", "57.7", 4, scale=PERCENT).verdict is Verdict.CONSISTENT
    assert judge("50.0", "58.0", 4, scale=PERCENT).verdict is Verdict.INCONSISTENT


# three positive runs with mean 1: s is largest at 0, 0, 3, where s = √3
def test_every_run_positive_bounds_the_spread():
    assert judge("1.00", "1.72", sign="positive").verdict is Verdict.CONSISTENT
    assert judge("1.00", "1.80", sign="positive").verdict is Verdict.INCONSISTENT
    assert judge("-1.00", "1.80", sign="negative").verdict is Verdict.INCONSISTENT
    finding = judge("-0.5", "0.1", sign="positive")
    assert finding.verdict is Verdict.INCONSISTENT
    assert finding.arithmetic == "-0.5 is printed, and no value can be but at least 0"


# five runs up to 100 with mean 96: 100, 100, 100, 100, 80 has s = 8.94; Bhatia and Davis allow 21.9
def test_few_runs_cannot_spread_as_far_as_many():
    assert judge("96.0", "8.9", 5, scale=PERCENT).verdict is Verdict.CONSISTENT
    assert judge("96.0", "15.0", 5, scale=PERCENT).verdict is Verdict.INCONSISTENT


@pytest.mark.parametrize("claim", [{"value": "104.2"}, {"range": {"low": "1", "high": "101"}}])
def test_nothing_is_printed_beyond_the_scale(claim):
    raw = honest({"id": "a", "scale": PERCENT} | claim)
    (finding,) = check(parse(raw, "x"))
    assert finding.verdict is Verdict.INCONSISTENT
    assert "no value can be but at least 0 and at most 100" in finding.arithmetic


# Samuelson: 1.985 − 0.545 · 2/√3 = 1.356 > 0
def test_a_sign_that_follows_is_no_further_evidence():
    finding = judge("1.99", "0.54", sign="positive")
    assert finding.verdict is Verdict.CONSISTENT
    assert "no run can be beyond 1.356 (Samuelson)" in finding.arithmetic
    assert "(Samuelson)" not in judge("1.00", "1.00", sign="positive").arithmetic


def test_an_undeclared_spread_may_be_a_smaller_one():
    finding = judge("75.0", "30.0", 4, "undeclared", scale=PERCENT)
    assert "standard error" not in finding.reading
    assert any("standard error at most 25" in other for other in finding.others)


@pytest.mark.parametrize("claim", [{}, {"sign": "positive", "spread": None}])
def test_without_a_bound_or_a_spread_nothing_is_said(claim):
    assert judge("1.0", "9.0", **claim) is None


# 27 of 51 right answers are 52.94 %
def test_a_scale_of_right_and_wrong_bounds_a_share_in_percent():
    right = {"minimum": "0", "maximum": "1", "integers": True}
    share = {"n": 51, "unit": "percent", "scale": right}
    assert judge("52.94", "50.4", **share).verdict is Verdict.CONSISTENT
    assert judge("152.94", "50.4", **share).verdict is Verdict.INCONSISTENT
    assert judge("52.94", "52.4", **share).verdict is Verdict.INCONSISTENT
