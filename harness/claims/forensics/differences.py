"""Is a printed difference the difference of the two printed numbers, and can it spread so?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from classay.claims.claim import Claim
from classay.claims.document import Document, Related
from classay.claims.finding import Finding, honest
from classay.claims.forensics._boxes import allowed
from classay.claims.printed import Box, Printed, Rule, percent, rounded, rules, together
from classay.claims.verdict import Verdict

TITLE = "differences of means, and of paired runs"
SETTLES = "the differences seed by seed"


def check(document: Document) -> Iterator[Finding]:
    """Judge every claim that its text presents as one number minus another.

    ::

        mean of the paired differences = difference of the means
        |s₁ − s₂| ≤ s of the paired differences ≤ s₁ + s₂

    document  a claims file
    returns   findings
    source    linearity of the mean; the triangle inequality for s
    choices   a number printed without a sign may be the size of the difference; the spreads are
              compared only where all three are said, or left, to be the same kind; a standard error
              of unpaired groups is a reading of an undeclared ±
    """
    for related in document.related("difference_of"):
        if len(related.of) == 2:
            yield _judge(related)


def draw(rng: np.random.Generator, how: str) -> dict[str, Any]:
    """Paired runs of two methods with some correlation."""
    n, places, fine = int(rng.integers(2, 9)), int(rng.integers(0, 3)), int(rng.integers(0, 3))
    x = rng.normal(10, 4, n)
    y = x * float(rng.uniform(-1, 1)) + rng.normal(5, 3, n)
    ddof = int(rng.integers(2))
    said = str(rng.choice(["undeclared", ("population_sd", "sample_sd")[ddof]]))

    def mean(name: str, v: Any, digits: int) -> dict[str, Any]:
        sd = float(np.std(v, ddof=ddof))
        return {
            "id": name,
            "statistic": "mean",
            "n": {"seeds": n},
            "value": rounded(float(np.mean(v)), digits, how),
            "spread": {"value": rounded(sd, digits, how), "said_to_be": said},
        }

    target = mean("d", x - y, places)
    if rng.integers(3) == 0:
        target["value"] = rounded(abs(float(np.mean(x - y))), places, how).lstrip("-")
    target["relations"] = [{"kind": "difference_of", "of": ["x", "y"]}]
    return honest(mean("x", x, fine), mean("y", y, fine), target)


def _judge(related: Related) -> Finding:
    claim, (first, second) = related.claim, related.of
    beside = (first.id, second.id)
    a, b = _number(first), _number(second)
    exact = claim.qualifier != "about" and first.qualifier == second.qualifier == "="
    units = together(c.unit for c in (claim, first, second))
    if a is None or b is None or not exact or not units:
        words = "both numbers must be printed in one unit, and not only as bounds or about so much"
        return Finding(claim.id, Verdict.NOT_CHECKABLE, words, beside=beside)
    if claim.value is None:
        return _found(claim, a, b, beside, f"{_gap(a, b)}; no difference is printed")
    signed = sized = False
    unsigned = claim.value.text[0].isdigit()
    spreads_fit = not (claim.spread and first.spread and second.spread)
    for way in rules(c.source for c in (claim, first, second)):
        box, gap = _boxes(claim, first, second, a, b, way)
        s = box.meets(gap)
        z = unsigned and box.meets(Box(-gap.high, -gap.low))
        t = _spread_fits(claim, first, second, way)
        signed, sized = signed or (s and t), sized or (z and t)
        spreads_fit |= t
    words = f"{_gap(a, b)}; {claim.value.text} is printed"
    if claim.spread and first.spread and second.spread:
        s1, s2 = first.spread.value, second.spread.value
        words += (
            f"; differences of paired runs spread by {abs(s1.value - s2.value)} to "
            f"{s1.value + s2.value}, and {claim.spread.value.text} is printed"
        )
    if signed or sized:
        reading = "" if signed else "the size of the difference"
        return Finding(claim.id, Verdict.CONSISTENT, words, reading=reading, beside=beside)
    possible = f"{a.value - b.value:f} or its size" if spreads_fit else "a spread between these"
    return Finding(claim.id, Verdict.INCONSISTENT, words, possible, beside=beside)


def _found(claim: Claim, a: Printed, b: Printed, beside: tuple[str, ...], words: str) -> Finding:
    return Finding(claim.id, Verdict.CONSISTENT, words, f"{a.value - b.value:f}", beside=beside)


def _number(claim: Claim) -> Printed | None:
    """The value in percent where it is a share; a count without a value gives its share."""
    if claim.value is not None:
        return percent(claim.value, claim.unit or "")
    if claim.count is None:
        return None
    share = 100 * claim.count.successes / claim.count.trials
    return Printed.read(rounded(share, 6, "half_even").rstrip("0").rstrip("."))


def _gap(a: Printed, b: Printed) -> str:
    return f"{a.term} − {b.term} = {a.value - b.value:f}"


def _boxes(
    claim: Claim, first: Claim, second: Claim, a: Printed, b: Printed, way: dict[str, Rule]
) -> tuple[Box, Box]:
    x, y = a.box(way[first.source]), b.box(way[second.source])
    if claim.value is None:
        return Box(0.0, 0.0), Box(x.low - y.high, x.high - y.low)
    target = percent(claim.value, claim.unit or "").box(way[claim.source])
    return allowed(target, claim.qualifier), Box(x.low - y.high, x.high - y.low)


def _spread_fits(claim: Claim, first: Claim, second: Claim, way: dict[str, Rule]) -> bool:
    if not (claim.spread and first.spread and second.spread):
        return True
    kinds = {s.said_to_be for s in (claim.spread, first.spread, second.spread)}
    if len(kinds) > 1 or not claim.runs or len({claim.runs, first.runs, second.runs}) > 1:
        return True
    s1 = percent(first.spread.value, first.unit or "").box(way[first.source])
    s2 = percent(second.spread.value, second.unit or "").box(way[second.source])
    target = percent(claim.spread.value, claim.unit or "").box(way[claim.source])
    least = max(s1.low - s2.high, s2.low - s1.high, 0.0)
    if kinds == {"undeclared"}:
        least /= np.sqrt(claim.runs)
    return target.meets(Box(least, s1.high + s2.high))
