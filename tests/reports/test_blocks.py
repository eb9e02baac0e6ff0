import pytest

from classay.reports.blocks import Code, Number, Stack, Table, number, shown

NBSP = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (12.345, {}, "12.35"),
        (-0.5, {"digits": 1}, "−0.5"),
        (1234567, {"digits": 0}, "1,234,567"),
        (3.0, {"sign": True, "unit": "%"}, f"+3.00{NBSP}%"),
        (0.0, {"sign": True}, "0.00"),
        (float("nan"), {"unit": "%"}, "not estimable"),
    ],
)
def test_a_number_is_printed_in_one_way(value, form, text):
    assert shown(value, **form) == text


def test_a_change_too_small_to_print_is_told_from_none_by_its_sign():
    assert [shown(x, sign=True) for x in (1e-9, 0.0, -1e-9)] == ["+0.00", "0.00", "−0.00"]


def test_without_a_sign_nothing_is_printed_as_minus_zero():
    assert shown(-1e-9) == "0.00"


def test_a_cell_of_several_numbers_has_its_unit_once():
    assert Number((1.0, 2.5), 1, True, "%", "[{}, {}]").text == f"[+1.0, +2.5]{NBSP}%"


def test_a_column_is_numeric_when_any_of_its_cells_is_a_number():
    rows = [("a", number(1), "x"), (Code("b"), "not estimable (n = 0)", Stack(number(1), "n = 1"))]
    assert Table("t", ("", "", ""), rows).numeric == [False, True, True]
