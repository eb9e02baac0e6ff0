import pytest

from classay.claims.document import parse
from classay.claims.finding import honest
from classay.claims.forensics import debit, grim, grimmer
from classay.claims.verdict import Verdict

SCALE = {"minimum": "1", "maximum": "7", "integers": True}
BINARY = {"minimum": "0", "maximum": "1", "integers": True}


def judge(module, **claim):
    found = list(module.check(parse(honest({"id": "a", "statistic": "mean"} | claim), "x")))
    return found[0] if found else None


# 28 answers: 145/28 = 5.1786 and 146/28 = 5.2143, so 5.19 is no mean of them
def test_grim_by_hand():
    finding = judge(grim, value="5.19", n={"items": 28}, scale=SCALE)
    assert finding.verdict is Verdict.INCONSISTENT
    assert finding.arithmetic == (
        "no whole number divided by 28 is printed as 5.19; the nearest are "
        "145/28 = 5.17857 or 146/28 = 5.21429"
    )
    assert judge(grim, value="5.18", n={"items": 28}, scale=SCALE).verdict is Verdict.CONSISTENT
    # 5.2143 truncated is 5.21
    assert judge(grim, value="5.21", n={"items": 28}, scale=SCALE).verdict is Verdict.CONSISTENT


def test_grim_says_where_it_has_no_power():
    finding = judge(grim, value="5.19", n={"items": 10**6}, scale=SCALE)
    assert finding.verdict is Verdict.CONSISTENT
    assert "nothing is excluded" in finding.arithmetic


# 113 marks of three raters on twelve answers: 113/36 = 3.139, which is no twelfth
def test_grim_counts_every_rater():
    n = {"items": 12, "raters": 3}
    assert judge(grim, value="3.14", n=n, scale=SCALE).verdict is Verdict.CONSISTENT
    finding = judge(grim, value="3.10", n=n, scale=SCALE)
    assert finding.verdict is Verdict.INCONSISTENT
    assert "divided by 12 or 36" in finding.arithmetic


def test_a_spread_over_seeds_is_not_one_of_answers():
    n = {"items": 50, "seeds": 3}
    for module in (grimmer, debit):
        spread = {"value": "0.02"}
        assert judge(module, value="0.64", n=n, scale=BINARY, spread=spread) is None


def test_grim_is_silent_without_whole_numbers():
    assert judge(grim, value="5.19", n={"items": 28}) is None


# 31 of 37 is 83.784 %
@pytest.mark.parametrize(
    ("value", "unit", "verdict"),
    [
        ("83.8", "percent", Verdict.CONSISTENT),
        ("83.7", "percent", Verdict.CONSISTENT),  # truncated
        ("0.84", "fraction", Verdict.CONSISTENT),
        ("83.6", "percent", Verdict.INCONSISTENT),
        ("0.85", "fraction", Verdict.INCONSISTENT),
    ],
)
def test_a_share_is_its_count_divided(value, unit, verdict):
    count = {"successes": 31, "trials": 37}
    assert judge(grim, value=value, unit=unit, count=count).verdict is verdict


# five answers 1, 2, 3, 4, 5: mean 3, sum of squares 55, s² = (55 − 45)/4 = 2.5, s = 1.581;
# sums of squares have the parity of the sum 15: 53 gives s = 1.414, 57 gives 1.732, and 56 nothing
@pytest.mark.parametrize(
    ("sd", "verdict"),
    [
        ("1.58", Verdict.CONSISTENT),
        ("1.41", Verdict.CONSISTENT),
        ("1.73", Verdict.CONSISTENT),
        ("1.66", Verdict.INCONSISTENT),
    ],
)
def test_grimmer_by_hand(sd, verdict):
    spread = {"value": sd, "said_to_be": "sample_sd"}
    finding = judge(grimmer, value="3.00", n={"items": 5}, scale=SCALE, spread=spread)
    assert finding.verdict is verdict
    if verdict is Verdict.INCONSISTENT:
        assert "with the sum 15, 1.58114, 1.73205" in finding.possible


def test_grimmer_leaves_what_grim_refused():
    spread = {"value": "1.0", "said_to_be": "sample_sd"}
    assert judge(grimmer, value="5.19", n={"items": 28}, scale=SCALE, spread=spread) is None


# 3 of 10: p = 0.3, s = √(10/9 · 0.21) = 0.483, σ = 0.458, standard error 0.153
@pytest.mark.parametrize(
    ("sd", "reading"),
    [("0.483", "sample sd"), ("0.458", "population sd"), ("0.153", "standard error")],
)
def test_debit_by_hand(sd, reading):
    finding = judge(debit, value="0.3", n={"items": 10}, scale=BINARY, spread={"value": sd})
    assert (finding.verdict, finding.reading) == (Verdict.CONSISTENT, reading)


def test_debit_names_what_the_spread_would_be():
    finding = judge(debit, value="0.3", n={"items": 10}, scale=BINARY, spread={"value": "0.40"})
    assert finding.verdict is Verdict.INCONSISTENT
    assert "sample sd 0.483046 for 3 of 10" in finding.arithmetic


def test_debit_in_percent():
    spread = {"value": "48.3", "said_to_be": "sample_sd"}
    scale = {"integers": True}
    finding = judge(debit, value="30", unit="percent", n={"items": 10}, scale=scale, spread=spread)
    assert finding.verdict is Verdict.CONSISTENT
    assert "48.3046 for 3 of 10" in finding.arithmetic


@pytest.mark.parametrize(("value", "unit"), [("100.0", "percent"), ("1.00", "fraction")])
def test_debit_where_every_answer_is_right(value, unit):
    claim = {"value": value, "unit": unit, "n": {"items": 1000}, "scale": {"integers": True}}
    assert judge(debit, spread={"value": "0.0"}, **claim).verdict is Verdict.CONSISTENT
    # one wrong of a thousand has √(1000/999 · 0.999 · 0.001) = 3.2 %, and a half-width of 0.2 %
    assert judge(debit, spread={"value": "50"}, **claim).verdict is Verdict.INCONSISTENT


def test_a_billion_answers_are_not_gone_through():
    claim = {"value": "0.9", "unit": "fraction", "spread": {"value": "0.3"}, "n": {"items": 10**9}}
    assert judge(debit, scale=BINARY, **claim) is None
    marks = claim | {"unit": None, "value": "4.0"}
    assert judge(grimmer, scale=SCALE, **marks).verdict is Verdict.CONSISTENT
    count = {"successes": 1, "trials": 10**12}
    finding = judge(grim, value="90.0", unit="percent", count=count)
    assert finding.possible.startswith("89")


def test_percent_is_percent_however_a_text_writes_it():
    for unit in ("%", "Percent", "per cent", "percent"):
        # 5 of 7 is 71.43 %
        assert judge(
            grim, value="71.43", unit=unit, count={"successes": 5, "trials": 7}
        ).verdict is (Verdict.CONSISTENT)
        assert judge(
            grim, value="71.5", unit=unit, count={"successes": 5, "trials": 7}
        ).verdict is (Verdict.INCONSISTENT)
