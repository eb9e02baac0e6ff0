"""Every value that a printed number may have had, whatever rounded it, in one unit for all."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from classay.claims.claim import Claim
from classay.claims.forensics._boxes import LINE, span
from classay.claims.printed import Box, End, Printed, Rule, percent, rules

UNITS = {
    "": "",
    "percent": " %",
    "fraction": "",
    "factor": " times",
    "percentage_points": " percentage points",
    "orders_of_magnitude": " orders of magnitude",
}


class Way(NamedTuple):
    """One way in which the numbers of several texts may have been rounded.

    rules    text -> rule
    coarse   whole numbers that end in zeros were printed to the nearest ten, hundred, …, which
             their digits do not tell
    """

    rules: dict[str, Rule]
    coarse: bool

    def box(self, claim: Claim, number: Printed, end: End | None = None) -> Box:
        """Every value of one number of a claim; a fraction is turned into percent."""
        exact = _coarse(number) if self.coarse else number
        box = percent(exact, claim.unit or "").box(self.rules[claim.source], end)
        return box if box.low <= box.high else LINE  # beyond what a double can hold

    def value(self, claim: Claim) -> Box | None:
        """Every value of a claim: up to its bound, in its range, or the share that it counts."""
        if claim.value is not None:
            box = self.box(claim, claim.value)
            if claim.qualifier in ("<", "<="):
                return Box(-math.inf, box.high)
            return Box(box.low, math.inf) if claim.qualifier in (">", ">=") else box
        if (ends := self.ends(claim)) is not None:
            return Box(ends[0].low, ends[1].high)
        if claim.count is not None:
            return span((100 * claim.count.successes / claim.count.trials,))
        return None

    def ends(self, claim: Claim) -> tuple[Box, Box] | None:
        """Every value of the least and of the greatest run of a claim."""
        if claim.range is None:
            return None
        low, high = claim.range.low, claim.range.high
        return self.box(claim, low, "low"), self.box(claim, high, "high")


def ways(claims: Iterable[Claim]) -> list[Way]:
    """Every way in which the numbers of these claims may have been rounded, the usual one first."""
    sources = [claim.source for claim in claims]
    return [Way(rule, coarse) for coarse in (False, True) for rule in rules(sources)]


def unit(claim: Claim) -> str:
    """The unit that ``Way`` gives a claim's numbers in."""
    if claim.value is None and claim.range is None and claim.count is not None:
        return "percent"
    written = (claim.unit or "").strip().casefold()
    return "percent" if written == "fraction" else written


def numbered(claim: Claim) -> bool:
    """Whether a claim prints a value, a range or a count."""
    return not (claim.value is None and claim.range is None and claim.count is None)


def told(claim: Claim) -> str:
    """A claim's number, as it is printed."""
    unit = UNITS.get(claim.unit or "", f" {claim.unit}")
    if claim.value is not None:
        qualifier = "" if claim.qualifier == "=" else f"{claim.qualifier} "
        return f"{qualifier}{claim.value.text}{unit}"
    if claim.range is not None:
        return f"{claim.range.low.text} to {claim.range.high.text}{unit}"
    if claim.count is not None:
        return f"{claim.count.successes} of {claim.count.trials}"
    return "no number"


def apart(a: Claim, b: Claim) -> str:
    """In what two claims are printed to differ, such that they need not be of one quantity."""
    for what in ("method", "model", "domain", "protocol"):
        one, other = getattr(a, what), getattr(b, what)
        if one is not None and other is not None and one.casefold() != other.casefold():
            return f"the {what} is {one} in one and {other} in the other"
    return ""


def _coarse(number: Printed) -> Printed:
    if number.step != 1 or number.value == 0:
        return number
    digits = str(abs(int(number.value)))
    return Printed(
        number.text, number.value, Decimal(10) ** (len(digits) - len(digits.rstrip("0")))
    )
