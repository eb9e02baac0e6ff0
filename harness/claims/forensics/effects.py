"""How many standard deviations, or orders of magnitude of them, lie between two groups?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from classay.claims.claim import Claim
from classay.claims.document import Document, Related
from classay.claims.finding import Finding, honest
from classay.claims.printed import Box, Rule, percent, rounded, rules, together
from classay.claims.verdict import Verdict

TITLE = "effect sizes and orders of magnitude"
SETTLES = "the value of every single run of both groups, and which spread is meant"


def check(document: Document) -> Iterator[Finding]:
    """Judge every claim that its text presents as a gap in standard deviations.

    ::

        gap = |m₁ − m₂|;   gap / s₁,   gap / s₂,   gap / √((s₁² + s₂²) / 2),
        paired: gap / s of the differences, which lies in [|s₁ − s₂|, s₁ + s₂]

    document  a claims file
    returns   findings; k orders of magnitude is at least 10ᵏ, or nearer to 10ᵏ than to its
              neighbours
    source    Glass Δ for either group, Cohen's d with the pooled spread, d_z for paired runs;
              Hedges' factor 1 − 3/(4·df − 1) is a reading of a printed d
    choices   the printed ± of both groups is taken as the standard deviation
    """
    for related in document.related("effect_of"):
        if len(related.of) == 2 and related.claim.value:
            yield _judge(related)


def draw(rng: np.random.Generator, how: str) -> dict[str, Any]:
    """Two groups, and the gap by any reading, as a factor or in orders of magnitude."""
    places, fine = int(rng.integers(0, 3)), int(rng.integers(1, 4))
    m1, m2 = float(rng.normal(0, 2)), float(rng.normal(40, 10))
    s1, s2 = float(rng.uniform(0.1, 2)), float(rng.uniform(1, 8))
    within = (s1, s2, math.sqrt((s1**2 + s2**2) / 2))[int(rng.integers(3))]
    effect = abs(m1 - m2) / within
    orders = bool(rng.integers(2))
    value = str(max(math.floor(math.log10(effect)), 0)) if orders else rounded(effect, places, how)
    groups = [
        {
            "id": name,
            "statistic": "mean",
            "n": {"seeds": 3},
            "value": rounded(m, fine, how),
            "spread": {"value": rounded(s, fine, how)},
        }
        for name, m, s in (("x", m1, s1), ("y", m2, s2))
    ]
    unit = "orders_of_magnitude" if orders else "factor"
    relations = [{"kind": "effect_of", "of": ["x", "y"]}]
    return honest(*groups, {"id": "e", "value": value, "unit": unit, "relations": relations})


def orders(value: float, effect: Box) -> bool:
    """Whether a ratio in a box is this many orders of magnitude, in either reading.

    value    the printed number of orders
    effect   the ratio
    """
    at_least, nearest = 10.0**value, Box(10.0 ** (value - 0.5), 10.0 ** (value + 0.5))
    return effect.high >= at_least or effect.meets(nearest)


def _judge(related: Related) -> Finding:
    claim, (first, second) = related.claim, related.of
    beside = (first.id, second.id)
    held = together((first.unit, second.unit)) and first.qualifier == second.qualifier == "="
    if not (first.value and second.value and first.spread and second.spread and held):
        words = "the means, not bounds, and the spreads of both groups must be printed, in one unit"
        return Finding(claim.id, Verdict.NOT_CHECKABLE, words, beside=beside)
    fits: set[str] = set()
    for way in rules(c.source for c in (claim, first, second)):
        for name, effect in _effects(first, second, way).items():
            if _fits(claim, effect, way[claim.source]):
                fits.add(name)
    nearest = dict.fromkeys({c.source for c in (claim, first, second)}, Rule.NEAREST)
    centre = _effects(first, second, nearest)
    gives = {name: f"{_middle(effect)} times {name}" for name, effect in centre.items()}
    gap = abs(
        percent(first.value, first.unit or "").value
        - percent(second.value, second.unit or "").value
    )
    unit = claim.unit == "orders_of_magnitude"
    told = f"{claim.value.text if claim.value else ''}{' orders of magnitude' if unit else ''}"
    shown = [text for name, text in gives.items() if name in fits or not fits]
    words = f"the gap is {gap:f}, which is {'; '.join(shown)}; {told} is printed"
    if claim.qualifier == "about" and not fits:
        return Finding(claim.id, Verdict.NOT_CHECKABLE, words, beside=beside)
    if not fits:
        possible = "; ".join(gives.values())
        return Finding(claim.id, Verdict.INCONSISTENT, words, possible, beside=beside)
    return Finding(
        claim.id,
        Verdict.CONSISTENT,
        words,
        reading=" or ".join(name for name in gives if name in fits),
        others=tuple(text for name, text in gives.items() if name not in fits),
        beside=beside,
    )


def _effects(first: Claim, second: Claim, way: dict[str, Rule]) -> dict[str, Box]:
    """Reading -> the gap over the spread."""
    m1, s1 = _boxes(first, way[first.source])
    m2, s2 = _boxes(second, way[second.source])
    high = max(m1.high - m2.low, m2.high - m1.low)
    gap = Box(max(m1.low - m2.high, m2.low - m1.high, 0.0), high)
    pooled = Box(*(math.sqrt((a**2 + b**2) / 2) for a, b in zip(s1, s2, strict=True)))
    found = {
        f"the sd of {first.method or 'the first'}": _over(gap, s1),
        f"the sd of {second.method or 'the second'}": _over(gap, s2),
        "the pooled sd": _over(gap, pooled),
    }
    n = first.runs
    if n and n >= 2 and second.runs == n:
        df = 2 * n - 2
        j = 1 - 3 / (4 * df - 1)
        found["the pooled sd, with Hedges' factor"] = Box(*(x * j for x in found["the pooled sd"]))
        paired = Box(max(s1.low - s2.high, s2.low - s1.high, 0.0), s1.high + s2.high)
        found["the sd of paired differences"] = _over(gap, paired)
    return found


def _boxes(claim: Claim, rule: Rule) -> tuple[Box, Box]:
    if claim.value is None or claim.spread is None:
        return Box(-np.inf, np.inf), Box(0.0, np.inf)
    sd = percent(claim.spread.value, claim.unit or "").box(rule)
    return percent(claim.value, claim.unit or "").box(rule), Box(max(sd.low, 0.0), sd.high)


def _over(gap: Box, sd: Box) -> Box:
    return Box(gap.low / sd.high, gap.high / sd.low if sd.low > 0 else np.inf)


def _fits(claim: Claim, effect: Box, rule: Rule) -> bool:
    if claim.value is None:
        return False
    if claim.unit == "orders_of_magnitude":
        return orders(abs(float(claim.value)), effect)
    box = claim.value.box(rule)
    size = box if box.high >= 0 and box.low >= 0 else Box(-box.high, -box.low)
    if claim.qualifier in (">", ">="):
        size = Box(size.low, np.inf)
    if claim.qualifier in ("<", "<="):
        size = Box(0.0, size.high)
    return size.meets(effect)


def _middle(effect: Box) -> str:
    if np.isinf(effect.high) or effect.high > 1.5 * effect.low:
        return f"{effect.low:.4g} to {effect.high:.4g}"
    return f"{(effect.low + effect.high) / 2:.4g}"
