"""Arithmetic on boxes: every value that a result may have, and never one too few."""

from __future__ import annotations

import math
from collections.abc import Iterable

from classay.claims.printed import Box

LINE = Box(-math.inf, math.inf)
SLACK = 1e-12  # relative: what sums and quotients of doubles may lose themselves


def span(values: Iterable[float], scale: float = 0.0) -> Box:
    """The box around some values, those left out that are not numbers; all, if none is.

    scale    of what they were computed from, where that is larger
    """
    known = [x for x in values if not math.isnan(x)]
    if not known:
        return LINE
    slack = SLACK * max([scale, *(abs(x) for x in known if math.isfinite(x))])
    return Box(min(known) - slack, max(known) + slack)


def scale(boxes: Iterable[Box]) -> float:
    """The largest finite size in some boxes."""
    return max((abs(x) for box in boxes for x in box if math.isfinite(x)), default=0.0)


def allowed(box: Box, qualifier: str) -> Box:
    """Every value that a text allows, where it only says "at most" or "at least"."""
    if qualifier in ("<", "<="):
        return Box(-math.inf, box.high)
    return Box(box.low, math.inf) if qualifier in (">", ">=") else box


def size(box: Box) -> Box:
    """The values without their signs."""
    low, high = sorted((abs(box.low), abs(box.high)))
    return Box(0.0 if box.low <= 0 <= box.high else low, high)


def negative(box: Box) -> Box:
    """The values with their signs turned."""
    return Box(-box.high, -box.low)


def total(boxes: Iterable[Box]) -> Box:
    """Every sum of one value from each box."""
    every = list(boxes)
    return span((sum(b.low for b in every), sum(b.high for b in every)), scale(every))


def quotient(a: Box, b: Box) -> Box:
    """Every value of a / b; any number at all where b may be 0."""
    if b.low <= 0 <= b.high:
        return LINE
    return span(_over(x, y) for x in a for y in b)


def _over(x: float, y: float) -> float:
    # ∞ / ∞ bounds nothing that x / ∞ = 0 and ∞ / y = ∞ at the other corners do not
    return math.nan if math.isinf(x) and math.isinf(y) else x / y
