import pytest
from scipy import stats

from classay.claims.document import parse
from classay.claims.finding import honest
from classay.claims.forensics import interval_name, mean_interval
from classay.claims.verdict import Verdict


def judge(k, n, low, high, name="undeclared", unit="percent", level=0.95):
    claim = {
        "id": "a",
        "unit": unit,
        "count": {"successes": k, "trials": n},
        "interval": {"low": low, "high": high, "name": name, "level": level},
    }
    (finding,) = interval_name.check(parse(honest(claim), "x"))
    return finding


# Wilson for 18 of 18: n/(n + z²) = 18/21.84 = 82.4 %; Clopper–Pearson: 0.025^(1/18) = 81.5 %
def test_eighteen_of_eighteen_is_not_wilson():
    finding = judge(18, 18, "81.5", "100", "wilson")
    assert finding.verdict is Verdict.INCONSISTENT
    assert "Wilson [82.412, 100]" in finding.arithmetic
    assert "the printed one is Clopper–Pearson" in finding.arithmetic
    assert judge(18, 18, "82.4", "100", "wilson").verdict is Verdict.CONSISTENT
    assert judge(18, 18, "81.5", "100").reading == "Clopper–Pearson"


@pytest.mark.parametrize(
    ("k", "low", "high"), [(98, "93.0", "99.5"), (98, "93.0", "99.4"), (38, "29.0", "47.8")]
)
def test_the_ablation_intervals_are_wilson_under_some_rule(k, low, high):
    assert judge(k, 100, low, high, "wilson").verdict is Verdict.CONSISTENT


def test_the_rule_that_was_needed_is_named():
    assert "rounded twice" in judge(98, 100, "93.0", "99.5", "wilson").arithmetic
    assert "rounded outward" in judge(38, 100, "29.0", "47.8", "wilson").arithmetic


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("wilson", "0.2365", "0.7635"),
        ("clopper_pearson", "0.1871", "0.8129"),
        ("jeffreys", "0.2235", "0.7765"),
        ("wald", "0.1901", "0.8099"),
        ("agresti_coull", "0.2366", "0.7634"),
        ("wilson_continuity", "0.2014", "0.7986"),
        ("wald_continuity", "0.1401", "0.8599"),
    ],
)
def test_five_of_ten_under_every_name(name, low, high):
    assert judge(5, 10, low, high, name, "fraction").verdict is Verdict.CONSISTENT


def test_wilson_is_exact_at_both_ends():
    for n in (1, 3, 18, 400):
        assert stats.binomtest(0, n).proportion_ci(method="wilson").low == 0
        assert stats.binomtest(n, n).proportion_ci(method="wilson").high == 1


def test_an_interval_of_no_listed_kind_is_not_checkable_when_it_has_no_name():
    assert judge(5, 10, "0.1", "0.2", unit="fraction").verdict is Verdict.NOT_CHECKABLE
    finding = judge(5, 10, "0.10", "0.20", "wilson", unit="fraction")
    assert finding.verdict is Verdict.INCONSISTENT
    assert "no listed interval is the printed one" in finding.arithmetic


def test_a_wald_end_beyond_one_may_be_cut_off():
    for high in ("104.6", "100.0"):
        assert judge(19, 20, "85.4", high, "wald").verdict is Verdict.CONSISTENT


def test_another_level_is_another_interval():
    assert judge(18, 18, "82.4", "100", "wilson", level=0.99).verdict is Verdict.INCONSISTENT


def mean(low, high, spread="1.0", said="sample_sd", value="10.0", n=4):
    claim = {
        "id": "a",
        "statistic": "mean",
        "value": value,
        "n": {"seeds": n},
        "spread": {"value": spread, "said_to_be": said},
        "interval": {"low": low, "high": high, "name": "t"},
    }
    (finding,) = mean_interval.check(parse(honest(claim), "x"))
    return finding


# t(3) = 3.182, so 10 ± 3.182 · 1/2 = 8.41 to 11.59; ± 1.96 · 1/2 would be 9.02 to 10.98
def test_a_t_interval_by_hand():
    assert mean("8.4", "11.6").verdict is Verdict.CONSISTENT
    finding = mean("9.0", "11.0")
    assert finding.verdict is Verdict.INCONSISTENT
    assert "[8.40878, 11.5912] if ± is the sample sd" in finding.arithmetic
    assert mean("9.0", "11.0", said="t_half_width").verdict is Verdict.CONSISTENT
    assert mean("6.8", "13.2", said="standard_error").verdict is Verdict.CONSISTENT


def test_a_mean_off_the_middle_of_its_interval_is_inconsistent():
    assert mean("8.0", "11.6", said="undeclared").verdict is Verdict.INCONSISTENT


@pytest.mark.parametrize(("k", "n"), [(5, 10), (60, 100), (38, 100)])
@pytest.mark.parametrize("name", ["wald", "agresti_coull"])
def test_uncut_intervals_are_those_of_statsmodels_where_nothing_is_cut(k, n, name):
    from statsmodels.stats.proportion import proportion_confint

    method = {"wald": "normal"}.get(name, name)
    expected = proportion_confint(k, n, method=method)
    assert interval_name._interval(name, k, n, 0.95)[0] == pytest.approx(expected)


# 0 of 400: z² / (400 + z²) = 3.8415 / 403.84 = 0.951 %, and no text has to say that it is percent
def test_ends_below_one_whose_unit_is_not_printed_may_be_shares_or_percent():
    assert judge(0, 400, "0.00", "0.95", "wilson", unit=None).verdict is Verdict.CONSISTENT
    assert judge(0, 400, "0.0000", "0.0095", "wilson", unit=None).verdict is Verdict.CONSISTENT
    assert judge(0, 400, "0.00", "0.85", "wilson", unit=None).verdict is Verdict.INCONSISTENT
    assert judge(0, 400, "0.00", "0.95", "wilson", unit="fraction").verdict is Verdict.INCONSISTENT


# sd 1, n = 3: t at 99 % is 9.925, and 9.925 / √3 = 5.73
@pytest.mark.parametrize("said", ["t_half_width", "undeclared"])
def test_a_spread_may_be_the_half_width_of_the_very_interval(said):
    claim = {
        "id": "a",
        "statistic": "mean",
        "n": {"seeds": 3},
        "value": "5.00",
        "spread": {"value": "5.73", "said_to_be": said},
        "interval": {"low": "-0.73", "high": "10.73", "name": "t", "level": 0.99},
    }
    (finding,) = mean_interval.check(parse(honest(claim), "x"))
    assert (finding.verdict, finding.reading) == (Verdict.CONSISTENT, "half-width of this interval")
