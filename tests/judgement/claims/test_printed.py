import numpy as np
import pytest

from classay.claims.printed import TRIED, Box, Printed, Rule, percent, rounded, rules


@pytest.mark.parametrize(
    ("text", "value", "step"),
    [
        ("-0.17", -0.17, 0.01),
        ("−0.17", -0.17, 0.01),
        ("+42.96", 42.96, 0.01),
        ("1.90", 1.9, 0.01),
        ("1.9", 1.9, 0.1),
        ("5,000", 5000, 1),
        ("1.2e-7", 1.2e-7, 1e-8),
        ("18", 18, 1),
        (".030", 0.03, 0.001),
        ("−.17", -0.17, 0.01),
    ],
)
def test_trailing_zeros_count(text, value, step):
    printed = Printed.read(text)
    assert float(printed) == pytest.approx(value)
    assert float(printed.step) == pytest.approx(step)


@pytest.mark.parametrize(
    "text", ["nan", "inf", "1.2.3", "", "12%", "1,00", "0x10", "1" * 41, ".", "1.", ",.5"]
)
def test_what_is_not_a_printed_number_is_refused_with_advice(text):
    with pytest.raises(ValueError, match=r"is not a printed number; one like '-0\.17'"):
        Printed.read(text)


def test_a_number_that_no_double_holds_is_refused():
    with pytest.raises(ValueError, match="'1e999' is beyond what a double can hold"):
        Printed.read("1e999")


# 1.95 rounded is [1.945, 1.955]; truncated [1.95, 1.96); twice, from one digit more, 1.9445 is
# 1.945 and then 1.95, so it starts at 1.9445; a low end outward is the floor of [1.95, 1.96)
@pytest.mark.parametrize(
    ("rule", "end", "low", "high"),
    [
        (Rule.NEAREST, None, 1.945, 1.955),
        (Rule.TRUNCATED, None, 1.95, 1.96),
        (Rule.TWICE, None, 1.9445, 1.955),
        (Rule.OUTWARD, None, 1.945, 1.955),
        (Rule.OUTWARD, "low", 1.95, 1.96),
        (Rule.OUTWARD, "high", 1.94, 1.95),
        (Rule.ANY, None, 1.94, 1.96),
    ],
)
def test_the_box_of_a_rule_by_hand(rule, end, low, high):
    box = Printed.read("1.95").box(rule, end)
    assert box.low == pytest.approx(low, abs=1e-9)
    assert box.high == pytest.approx(high, abs=1e-9)


def test_a_negative_number_is_truncated_towards_zero():
    assert Printed.read("-0.17").box(Rule.TRUNCATED) == pytest.approx((-0.18, -0.17), abs=1e-9)


def test_a_printed_zero_may_have_been_truncated_from_either_side():
    assert Printed.read("0.0").box(Rule.TRUNCATED) == pytest.approx((-0.1, 0.1), abs=1e-9)


@pytest.mark.parametrize(
    ("how", "end", "text"),
    [
        ("half_up", None, "0.13"),
        ("half_even", None, "0.12"),
        ("truncation", None, "0.12"),
        ("outward", "low", "0.12"),
        ("outward", "high", "0.13"),
    ],
)
def test_an_eighth_is_printed_as_the_rule_says(how, end, text):
    assert rounded(0.125, 2, how, end) == text


def test_the_upper_wilson_bound_of_98_in_100_rounds_twice_to_99_5():
    assert rounded(99.4498, 1, "half_up") == "99.4"
    assert rounded(99.4498, 1, "twice") == "99.5"


def test_what_is_printed_lies_in_its_own_box():
    rng = np.random.default_rng(5)
    rule = {"half_up": Rule.NEAREST, "truncation": Rule.TRUNCATED, "twice": Rule.TWICE}
    for _ in range(2000):
        x, places = float(rng.normal(0, 30)), int(rng.integers(0, 4))
        for how in rule:
            assert x in Printed.read(rounded(x, places, how)).box(rule[how]), (x, places, how)


def test_numbers_of_one_place_share_a_rule_and_places_differ():
    ways = list(rules(["a", "b", "a"]))
    assert ways[0] == {"a": Rule.NEAREST, "b": Rule.NEAREST}
    assert len(ways) == len(TRIED) ** 2
    assert list(rules("abcd")) == [dict.fromkeys("abcd", Rule.ANY)]


def test_a_fraction_in_percent_keeps_its_digits():
    printed = percent(Printed.read("0.98"), "fraction")
    assert (float(printed), float(printed.step)) == (98.0, 1.0)


def test_a_box_is_printed_with_the_digits_that_tell_its_ends_apart():
    assert str(Box(0.657951, 0.673573)) == "0.658 to 0.674"
    assert str(Box(1.5, 1.5)) == "1.5"
