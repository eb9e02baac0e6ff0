"""Arms in which nothing that was learned can change."""

import pytest

from classay.claims.document import parse
from classay.claims.finding import honest
from classay.claims.forensics.zero_by_construction import check
from classay.claims.verdict import Verdict

SAID = {"source": "text", "quote": "…"}


def judged(trains=("adapter",), shares=("base",), routing="oracle", reference=None, **claim):
    facts = {"trains": SAID | {"states": list(trains)}, "shares": SAID | {"states": list(shares)}}
    if routing:
        facts["routing"] = SAID | {"states": routing}
    claim = {"id": "a", "quantity": "drift", "arm": "arm"} | claim
    defined = [SAID | {"quantity": claim["quantity"], "reference": reference}] if reference else []
    arm = {"id": "arm", "method": "FROZEN", "facts": facts}
    return list(check(parse(honest(claim, arms=[arm], definitions=defined), "a text")))


def test_a_drift_of_an_arm_that_shares_nothing_it_trains_is_impossible():
    [found] = judged(value="1.95", unit="percent")
    assert found.verdict is Verdict.IMPOSSIBLE
    assert found.possible == "0"
    assert found.arithmetic == (
        "FROZEN trains adapter and shares between domains base, so what answers for a domain stays "
        "as it was learned, and the change is 0; 1.95 is printed"
    )


@pytest.mark.parametrize("value", ["0", "0.00", "-0.0"])
def test_a_printed_zero_is_consistent(value):
    assert judged(value=value)[0].verdict is Verdict.CONSISTENT


@pytest.mark.parametrize(
    "printed",
    [
        {"value": "0.0", "spread": {"value": "0.64"}},
        {"range": {"low": "0.0", "high": "2.71"}},
        {"range": {"low": "-2.71", "high": "0.0"}},
        {"value": "0.0", "values": ["0.1", "-0.1"]},
        {"value": "1", "qualifier": ">"},
    ],
)
def test_so_is_no_spread_end_or_run(printed):
    assert judged(**printed)[0].verdict is Verdict.IMPOSSIBLE


def test_bounds_and_about_are_no_contradiction():
    assert judged(value="1", qualifier="<")[0].verdict is Verdict.CONSISTENT
    assert judged(value="1", qualifier="about")[0].verdict is Verdict.NOT_CHECKABLE


def test_the_words_alone_are_consistent():
    assert judged()[0].verdict is Verdict.CONSISTENT


@pytest.mark.parametrize("routing", [None, "learned", "none"])
def test_routing_that_can_change_or_is_not_told_is_not_checkable(routing):
    [found] = judged(routing=routing, value="1.95")
    assert found.verdict is Verdict.NOT_CHECKABLE


def test_another_reference_is_not_checkable():
    assert judged(reference="base", value="1.95")[0].verdict is Verdict.NOT_CHECKABLE
    assert judged(reference="just_learned", value="1.95")[0].verdict is Verdict.IMPOSSIBLE
    assert judged(quantity="forgetting", value="1.95")[0].verdict is Verdict.NOT_CHECKABLE
    assert judged(quantity="backward_transfer", value="1.95")[0].verdict is Verdict.IMPOSSIBLE


def test_nothing_is_said_where_trained_weights_are_shared_or_changes_compared():
    assert judged(trains=("adapter", "backbone"), shares=("backbone",), value="1.95") == []
    assert judged(value="1", unit="factor") == []
    relations = [{"kind": "difference_of", "of": ["a2", "a3"]}]
    claims = {"id": "a", "quantity": "drift", "value": "3", "arm": "arm", "relations": relations}
    text = honest(claims, {"id": "a2"}, {"id": "a3"}, arms=[{"id": "arm", "method": "m"}])
    assert list(check(parse(text, "a text"))) == []


def test_a_backbone_that_is_trained_and_not_shared_counts_as_not_shared():
    assert judged(trains=("backbone",), shares=(), value="2")[0].verdict is Verdict.IMPOSSIBLE
