"""Numbers as they stand in a text: trailing zeros count, and every rounding rule is tried."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from enum import StrEnum
from itertools import product
from typing import Literal, NamedTuple

End = Literal["low", "high"]
LONGEST = 40  # characters; a longer one was not copied from a text
# without a 0 in front, as the APA prints what cannot exceed 1: p = .03
PATTERN = re.compile(r"[+-]?((\d{1,3}(,\d{3})+|\d+)(\.\d+)?|\.\d+)(e[+-]?\d{1,3})?")
MINUS = str.maketrans({"−": "-", "–": "-"})
SLACK = 1e-9  # of the last printed digit: what an author's own double arithmetic may have lost


class Rule(StrEnum):
    """How a text may have rounded; a text uses one rule for all that it prints in one place."""

    NEAREST = "rounded half-up or half-even"
    TRUNCATED = "truncated"
    TWICE = "rounded twice, half-up, from one digit more"
    OUTWARD = "rounded, with the ends of intervals and ranges rounded outward"
    ANY = "rounded by any of these rules, each number by its own"


TRIED = (Rule.NEAREST, Rule.TRUNCATED, Rule.OUTWARD, Rule.TWICE)


class Box(NamedTuple):
    """Every value that a printed number may have been; both ends belong to it."""

    low: float
    high: float

    def __contains__(self, value: object) -> bool:
        return isinstance(value, (int, float)) and self.low <= value <= self.high

    def meets(self, other: Box) -> bool:
        """Whether the two have a value in common."""
        return self.low <= other.high and other.low <= self.high

    def __str__(self) -> str:
        """With as many digits as tell the ends apart, and one more."""
        width = self.high - self.low
        if not 0 < width < math.inf or width < 1e-7 * abs(self.high):
            return f"{self.low:.6g}" if not width > 0 else f"{self.low:.6g} to {self.high:.6g}"
        places = max(1 - math.floor(math.log10(width)), 0)
        return f"{self.low:.{places}f} to {self.high:.{places}f}"


@dataclass(frozen=True, slots=True)
class Printed:
    """A number as it stands in a text.

    text    as printed, without its unit
    value   exactly what is printed
    step    one unit of the last printed digit
    """

    text: str
    value: Decimal
    step: Decimal

    @classmethod
    def read(cls, text: str) -> Printed:
        """Read a printed number.

        text     for instance "-0.17", "+42.96", "5,000" or "1.2e-7"; a minus may be typographic
        returns  Printed
        raises   ValueError   anything else, nan and infinities among it
        """
        plain = text.strip().translate(MINUS).lower()
        if len(plain) > LONGEST or not PATTERN.fullmatch(plain):
            raise ValueError(
                f"{text[:LONGEST]!r} is not a printed number; one like '-0.17' or '1.2e-7' is "
                f"needed.\n  Write the digits as the text has them, in quotes, without the unit."
            )
        value = Decimal(plain.replace(",", ""))
        if not math.isfinite(float(value)):
            raise ValueError(
                f"{text!r} is beyond what a double can hold, and a number below 1e308 is needed.\n"
                f"  Look at its exponent again."
            )
        exponent = value.as_tuple().exponent
        return cls(text, value, Decimal(1).scaleb(int(exponent)))

    @property
    def term(self) -> str:
        """The number as a term of a sum."""
        return f"({self.value:f})" if self.value.is_signed() else f"{self.value:f}"

    def __float__(self) -> float:
        return float(self.value)

    def box(self, rule: Rule, end: End | None = None) -> Box:
        """Every value that is printed like this under a rule.

        end   of an interval or range, which OUTWARD rounds away from its inside
        """
        value, step = float(self.value), float(self.step)
        slack = SLACK * step
        if rule is Rule.ANY:
            low, high = value - step, value + step
        elif rule is Rule.OUTWARD and end is not None:
            low, high = (value, value + step) if end == "low" else (value - step, value)
        elif rule is Rule.TRUNCATED:
            low = value - step if self.value.is_signed() or value == 0 else value
            high = value if self.value.is_signed() and value != 0 else value + step
        else:
            low, high = value - step / 2, value + step / 2
        if rule is Rule.TWICE:  # 99.4498 is 99.45, and then 99.5
            away = step / 20
            low, high = (low, high + away) if self.value < 0 else (low - away, high)
            high += away if self.value == 0 else 0.0
        return Box(low - slack, high + slack)


def rules(places: Iterable[str]) -> Iterator[dict[str, Rule]]:
    """Every way in which numbers from these places may have been rounded.

    places   the document that each number stands in; numbers of one document share a rule
    returns  place -> rule, the usual rule first; more than three places may each use any rule for
             each number, which forgives more
    """
    apart = sorted(set(places))
    if len(apart) > 3:
        yield dict.fromkeys(apart, Rule.ANY)
        return
    for combination in product(TRIED, repeat=len(apart)):
        yield dict(zip(apart, combination, strict=True))


def rounded(value: float, places: int, how: str, end: End | None = None) -> str:
    """Print a value as a text would.

    value    to print
    places   digits after the point; negative ones round to tens, hundreds, …
    how      "half_up", "half_even", "truncation", "outward" or "twice"
    end      of an interval or range, for "outward"
    returns  its digits
    """
    mode = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "truncation": ROUND_DOWN}.get(
        how, ROUND_HALF_EVEN
    )
    if how == "outward" and end is not None:
        mode = ROUND_FLOOR if end == "low" else ROUND_CEILING
    exact = Decimal(repr(float(value)))
    if how == "twice":
        mode = ROUND_HALF_UP
        exact = exact.quantize(Decimal(1).scaleb(-places - 1), rounding=mode)
    return format(exact.quantize(Decimal(1).scaleb(-places), rounding=mode), "f")


def percent(text: Printed, unit: str) -> Printed:
    """A number in percent, whichever of percent and fraction it was printed in."""
    if unit != "fraction":
        return text
    return Printed(text.text, text.value.scaleb(2), text.step.scaleb(2))


def together(units: Iterable[str | None]) -> bool:
    """Whether numbers in these units can be held together.

    choices  a unit that is not printed is no bar, but beside a fraction: there it may be the same
             or percent, and so may points be
    """
    printed = set(units)
    alike = {"fraction": "percent", "points": "percent", "percentage_points": "percent"}
    either = "fraction" in printed and bool(printed & {None, "points"})
    return not either and len({alike.get(unit, unit) for unit in printed if unit is not None}) <= 1
