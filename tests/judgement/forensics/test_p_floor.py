"""The smallest p of exact tests, worked out by hand."""

import pytest

from classay.claims.document import parse
from classay.claims.finding import honest
from classay.claims.forensics.p_floor import check
from classay.claims.verdict import Verdict


def judged(value, test, qualifier="=", n=3, **more):
    p = {"value": value, "test": test, "qualifier": qualifier} | more.pop("p", {"sides": 2})
    sizes = {"seeds": n} | more.pop("sizes", {}) if n else {}
    return list(check(parse(honest({"id": "a", "p": p, "n": sizes} | more), "a text")))


@pytest.mark.parametrize(
    ("value", "test", "qualifier", "n", "verdict"),
    [
        # 2 / 2³ = 0.25
        ("0.25", "exact_paired", "=", 3, "consistent"),
        ("0.05", "exact_paired", "<", 3, "inconsistent as printed"),
        ("0.3", "exact_paired", "<", 3, "consistent"),
        ("0.12", "exact_paired", "=", 3, "inconsistent as printed"),
        # 2 / C(6, 3) = 0.1
        ("0.10", "exact_unpaired", "=", 3, "consistent"),
        ("0.05", "exact_unpaired", "<", 3, "inconsistent as printed"),
        # 2 / C(8, 4) = 0.0286
        ("0.029", "exact_unpaired", "=", 4, "consistent"),
        ("0.05", "exact_unpaired", "<", 4, "consistent"),
        ("0.0001", "exact_unpaired", "<", 10**9, "consistent"),
        ("0.05", "exact_paired", "<", None, "not checkable"),
        ("0.05", "undeclared", "<", 3, "not checkable"),
    ],
)
def test_a_p_below_the_floor_is_inconsistent(value, test, qualifier, n, verdict):
    [found] = judged(value, test, qualifier, n)
    assert found.verdict == verdict


def test_the_floor_is_named():
    [found] = judged("0.05", "exact_paired", "<")
    assert found.arithmetic == (
        "an exact p is at least 0.25 two-sided over 3 runs; p < 0.05 is printed"
    )
    [found] = judged("0.05", "undeclared", "<")
    assert "at least 0.25 paired, 0.1 unpaired" in found.arithmetic


def test_one_side_is_a_reading_unless_the_text_says_two():
    assert judged("0.13", "exact_paired", p={})[0].reading == "one-sided over 3 runs"
    assert judged("0.13", "exact_paired", p={"sides": 1})[0].verdict is Verdict.CONSISTENT
    assert judged("0.13", "exact_paired")[0].verdict is Verdict.INCONSISTENT


def test_pairs_of_seeds_and_domains_are_a_reading_unless_the_text_says_over_what():
    # 2 / 2¹⁵ = 0.00006
    sizes = {"domains": 5}
    [found] = judged("0.001", "exact_paired", sizes=sizes)
    assert found.reading == "two-sided over 15 of seeds and domains together"
    [found] = judged("0.001", "exact_paired", over="seeds", sizes=sizes)
    assert found.verdict is Verdict.INCONSISTENT


def test_the_larger_group_stands_for_both():
    # C(6, 3) = 20, C(20, 10) = 184,756
    other = {"id": "b", "n": {"seeds": 10}}
    p = {"value": "0.01", "test": "exact_unpaired", "sides": 2}
    relation = {"kind": "difference_of", "of": ["b", "c"]}
    claim = {"id": "a", "n": {"seeds": 3}, "p": p, "relations": [relation]}
    [found] = check(parse(honest(claim, other, {"id": "c"}), "a text"))
    assert found.verdict is Verdict.CONSISTENT


def test_nothing_is_said_of_mcnemar_or_where_nothing_is_counted():
    assert judged("0.001", "mcnemar") == []
    assert judged("0.001", "undeclared", n=None) == []
