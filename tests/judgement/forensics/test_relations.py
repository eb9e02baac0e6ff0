import pytest

from classay.claims.document import parse
from classay.claims.finding import honest
from classay.claims.forensics import advantage, averages, differences, effects
from classay.claims.verdict import Verdict

PERCENT = {"unit": "percent"}


def cells(values, **more):
    return [
        {"id": f"c{i}", "domain": f"d{i}", "value": v} | PERCENT | more
        for i, v in enumerate(values)
    ]


def averaged(values, printed, order=None, **more):
    target = {"id": "a", "value": printed, "arm": "arm"} | PERCENT | more
    target["relations"] = [{"kind": "average_of", "of": [f"c{i}" for i in range(len(values))]}]
    fact = {"states": order, "source": "text", "quote": "…"}
    arm = {"id": "arm", "method": "m", "facts": {"order": fact} if order else {}}
    (finding,) = averages.check(parse(honest(*cells(values), target, arms=[arm]), "x"))
    return finding


ORDER = ["d0", "d1", "d2", "d3", "d4"]
CRMA = ["-0.56", "-0.55", "+0.59", "-0.51", "+0.20"]


# (−0.56 − 0.55 + 0.59 − 0.51 + 0.20)/5 = −0.166; without the last −1.03/4 = −0.2575
def test_an_average_with_and_without_the_last_domain():
    finding = averaged(CRMA, "-0.17", ORDER)
    assert (finding.verdict, finding.reading) == (Verdict.CONSISTENT, "average of all 5")
    assert finding.beside == ("c0", "c1", "c2", "c3", "c4")
    assert averaged(CRMA, "-0.26", ORDER).reading == "average without d4, the last"
    finding = averaged(CRMA, "-0.21", ORDER)
    assert finding.verdict is Verdict.INCONSISTENT
    assert "average of all 5 -0.171 to -0.161" in finding.possible
    assert "average without d4, the last" in finding.possible


def test_where_the_order_is_not_stated_any_domain_may_be_the_last():
    # without d2: (−0.56 − 0.55 − 0.51 + 0.20)/4 = −0.355
    assert averaged(CRMA, "-0.36").reading == "average without d2"
    assert averaged(CRMA, "-0.36", ORDER).verdict is Verdict.INCONSISTENT


def test_an_average_weighted_by_items():
    raw = honest(
        {"id": "x", "value": "10"} | PERCENT | {"n": {"items": 10}},
        {"id": "y", "value": "40"} | PERCENT | {"n": {"items": 20}},
        {"id": "a", "value": "30", "relations": [{"kind": "average_of", "of": ["x", "y"]}]}
        | PERCENT,
    )
    (finding,) = averages.check(parse(raw, "x"))
    assert finding.reading == "average weighted by items"


@pytest.mark.parametrize("more", [{"unit": "GB"}, {"value": None}, {"qualifier": "about"}])
def test_an_average_of_what_cannot_be_held_together_is_not_checkable(more):
    assert averaged(CRMA, "-0.9", ORDER, **more).verdict is Verdict.NOT_CHECKABLE


def group(name, mean, sd, n=3, **more):
    spread = {"value": sd}
    base = {"id": name, "statistic": "mean", "value": mean, "n": {"seeds": n}, "spread": spread}
    return base | PERCENT | more


def differ(value, sd=None, said="undeclared"):
    target = {"id": "d", "value": value, "statistic": "mean", "n": {"seeds": 3}} | PERCENT
    target["relations"] = [{"kind": "difference_of", "of": ["x", "y"]}]
    spread = {"said_to_be": said}
    if sd:
        target["spread"] = spread | {"value": sd}
    x, y = group("x", "5.0", "1.0"), group("y", "2.0", "0.4")
    x["spread"], y["spread"] = x["spread"] | spread, y["spread"] | spread
    (finding,) = differences.check(parse(honest(x, y, target), "x"))
    return finding


# 5.0 − 2.0 = 3.0; paired differences spread by 0.6 to 1.4
def test_a_difference_by_hand():
    assert differ("3.0").verdict is Verdict.CONSISTENT
    assert differ("-3.0").verdict is Verdict.INCONSISTENT
    finding = differ("3.3")
    assert finding.verdict is Verdict.INCONSISTENT
    assert "5.0 − 2.0 = 3.0" in finding.arithmetic


def test_a_size_without_a_sign_is_a_reading_and_a_wrong_sign_is_not():
    for value, verdict in (("3.0", Verdict.CONSISTENT), ("+3.0", Verdict.INCONSISTENT)):
        target = {"id": "d", "value": value, "unit": "percent"}
        target["relations"] = [{"kind": "difference_of", "of": ["x", "y"]}]
        x, y = group("x", "2.0", "0.4"), group("y", "5.0", "1.0")
        (finding,) = differences.check(parse(honest(x, y, target), "x"))
        assert finding.verdict is verdict
        assert finding.reading == ("the size of the difference" if value == "3.0" else "")


def test_paired_differences_cannot_spread_beyond_both():
    assert differ("3.0", "1.3", "sample_sd").verdict is Verdict.CONSISTENT
    assert differ("3.0", "1.7", "sample_sd").verdict is Verdict.INCONSISTENT
    assert differ("3.0", "0.3", "sample_sd").verdict is Verdict.INCONSISTENT
    # it may be the standard error of the difference
    assert differ("3.0", "0.4").verdict is Verdict.CONSISTENT


def test_counts_are_held_by_their_shares():
    raw = honest(
        {"id": "x", "count": {"successes": 98, "trials": 100}},
        {"id": "y", "count": {"successes": 38, "trials": 100}},
        {"id": "d", "relations": [{"kind": "difference_of", "of": ["x", "y"]}]},
    )
    (finding,) = differences.check(parse(raw, "x"))
    assert finding.arithmetic == "98 − 38 = 60; no difference is printed"


def effect(value, unit, **more):
    relations = [{"kind": "effect_of", "of": ["naive", "crma"]}]
    raw = honest(
        group("naive", "42.96", "5.5", method="naive"),
        group("crma", "-0.17", "0.17", method="crma"),
        {"id": "e", "value": value, "unit": unit, "relations": relations} | more,
    )
    (finding,) = effects.check(parse(raw, "x"))
    return finding


# 43.13/0.17 = 253.7; /5.5 = 7.84; pooled √((0.17² + 5.5²)/2) = 3.891 gives 11.1
def test_two_orders_of_magnitude_hold_under_one_reading():
    finding = effect("2", "orders_of_magnitude")
    assert (finding.verdict, finding.reading) == (Verdict.CONSISTENT, "the sd of crma")
    assert "253.9 times the sd of crma" in finding.arithmetic
    assert "7.842 times the sd of naive" in finding.others
    assert "11.09 times the pooled sd" in finding.others


def test_one_order_holds_under_the_others():
    assert "the pooled sd" in effect("1", "orders_of_magnitude").reading
    assert effect("4", "orders_of_magnitude").verdict is Verdict.INCONSISTENT


# d = 11.08, Hedges 1 − 3/15 = 0.8 gives 8.87
@pytest.mark.parametrize(
    ("value", "reading"),
    [("11.1", "the pooled sd"), ("8.87", "the pooled sd, with Hedges' factor"), ("254", "crma")],
)
def test_an_effect_size_is_named(value, reading):
    assert reading in effect(value, "factor").reading
    assert effect("60", "factor").verdict is Verdict.INCONSISTENT
    assert effect("60", "factor", qualifier="about").verdict is Verdict.NOT_CHECKABLE


def better(value, runs=("1.46", "1.97", "2.54"), spread="0.54"):
    defined = {
        "quantity": "learning_advantage",
        "source": "text",
        "quote": "…",
        "reference": "relative_difference_of_final_losses",
        "values": list(runs),
    }
    target = {"id": "t", "value": value, "statistic": "mean", "n": {"seeds": 3}} | PERCENT
    target["spread"] = {"value": spread} if spread else None
    target["relations"] = [{"kind": "advantage_over", "of": ["crma", "frozen"]}]
    raw = honest(
        group("crma", "-0.17", "0.17", quantity="drift"),
        group("frozen", "1.95", "0.64", quantity="drift"),
        target,
        definitions=[defined] if runs else [],
    )
    (finding,) = advantage.check(parse(raw, "x"))
    return finding


# 1.95 − (−0.17) = 2.12, which 1.99 is not; the runs' mean is 1.99
def test_the_advantage_is_the_relative_difference_of_final_losses():
    finding = better("1.99")
    assert finding.verdict is Verdict.CONSISTENT
    assert finding.reading == "relative difference of final losses"
    assert finding.others == ("difference of drifts 2.12",)  # the middle of 2.11 to 2.13


def test_an_advantage_by_the_difference_of_drifts():
    assert better("2.12", spread=None).reading == "difference of drifts"


def test_an_advantage_that_neither_reading_gives():
    assert better("2.50").verdict is Verdict.INCONSISTENT
    finding = better("1.99", runs=())
    assert finding.verdict is Verdict.NOT_CHECKABLE
    assert "cannot be computed from what is printed" in finding.arithmetic


def figures(value, ours, theirs, quantity="loss", unit="nats", **more):
    relations = [{"kind": "advantage_over", "of": ["a", "b"]}]
    pair = (
        {"id": name, "quantity": quantity, "value": figure, "unit": unit}
        for name, figure in (("a", ours), ("b", theirs))
    )
    target = {"id": "t", "value": value, "unit": "percent", "relations": relations} | more
    (finding,) = advantage.check(parse(honest(*pair, target), "x"))
    return finding


# (1.97 − 1.46)/1.97 = 25.9 %; against the method's own loss 34.9 %
def test_single_losses_leave_three_readings_and_no_other():
    assert figures("25.9", "1.46", "1.97").reading == "difference relative to the other"
    assert figures("34.9", "1.46", "1.97").reading == "difference relative to the method's own"
    assert figures("0.51", "1.46", "1.97", unit="nats").verdict is Verdict.INCONSISTENT
    assert figures("55.0", "1.46", "1.97").verdict is Verdict.INCONSISTENT


def test_scores_are_better_when_they_are_higher():
    score = {"quantity": "accuracy", "unit": "percent"}
    assert figures("3.7", "64.9", "61.2", **score).reading == "difference"
    assert figures("+3.7", "61.2", "64.9", **score).verdict is Verdict.INCONSISTENT


@pytest.mark.parametrize("unit", [None, "points"])
def test_a_fraction_is_not_held_beside_a_number_that_may_be_one_or_percent(unit):
    x, y = ({"id": i, "value": v, "unit": "fraction"} for i, v in (("x", "0.90"), ("y", "0.80")))
    target = {"id": "d", "value": "0.10", "unit": unit}
    target["relations"] = [{"kind": "difference_of", "of": ["x", "y"]}]
    (finding,) = differences.check(parse(honest(x, y, target), "x"))
    assert finding.verdict is Verdict.NOT_CHECKABLE
    mean = {"id": "m", "value": "0.85", "unit": "fraction"}
    mean["relations"] = [{"kind": "average_of", "of": ["x", "y"]}]
    (finding,) = averages.check(parse(honest(x | {"unit": unit}, y | {"unit": unit}, mean), "x"))
    assert finding.verdict is Verdict.NOT_CHECKABLE


@pytest.mark.parametrize(("first", "second"), [("<", "="), ("=", ">"), ("about", "=")])
def test_what_is_only_bounded_has_no_difference_and_no_advantage(first, second):
    x = {"id": "x", "value": "90.0", "qualifier": first, "quantity": "accuracy"} | PERCENT
    y = {"id": "y", "value": "10.0", "qualifier": second, "quantity": "accuracy"} | PERCENT
    for module, kind in ((differences, "difference_of"), (advantage, "advantage_over")):
        target = {"id": "d", "value": "5.0", "relations": [{"kind": kind, "of": ["x", "y"]}]}
        (finding,) = module.check(parse(honest(x, y, target | PERCENT), "x"))
        assert finding.verdict is Verdict.NOT_CHECKABLE


def test_more_than_three_points_better_may_be_ten():
    x, y = (
        {"id": i, "value": v, "quantity": "accuracy"} | PERCENT
        for i, v in (("x", "90.0"), ("y", "80.0"))
    )
    target = {"id": "d", "value": "3", "qualifier": ">", "unit": "points"}
    target["relations"] = [{"kind": "advantage_over", "of": ["x", "y"]}]
    (finding,) = advantage.check(parse(honest(x, y, target), "x"))
    assert finding.verdict is Verdict.CONSISTENT
    (finding,) = advantage.check(parse(honest(x, y, target | {"value": "30"}), "x"))
    assert finding.verdict is Verdict.INCONSISTENT
