"""Does the spread fit between the least and the greatest value that a single run can have?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from classay.claims.claim import Claim
from classay.claims.document import Document
from classay.claims.finding import Finding, honest
from classay.claims.forensics._runs import KINDS, greatest_sd, readings, spread
from classay.claims.printed import TRIED, Box, Rule, rounded
from classay.claims.verdict import Verdict

TITLE = "spreads and signs within bounds (Samuelson, Bhatia–Davis, Popoviciu)"
SETTLES = "the value of every single run"


def check(document: Document) -> Iterator[Finding]:
    """Judge every mean, ± and range whose values are bounded, by a scale or by a stated sign.

    ::

        Popoviciu       s²·(n − 1)/n ≤ (max − min)² / 4
        Bhatia, Davis   s²·(n − 1)/n ≤ (max − mean)·(mean − min)
        Samuelson       mean − s·(n − 1)/√n ≤ every value ≤ mean + s·(n − 1)/√n

    document  a claims file
    returns   findings; where Samuelson's bound has the sign that the text states, it says that the
              sign follows from the mean and the spread and is no further evidence; the largest
              spread is that of n runs, a little below Bhatia and Davis's where n forbids it
    source    Popoviciu 1935; Bhatia and Davis 2000; Samuelson 1968
    choices   "positive at every seed" bounds the runs below by 0; with one bound only, the other
              follows from the sum of the runs
    """
    for claim in document.file.claims:
        n = claim.runs
        low, high = _ends(claim)
        if low is None and high is None:
            continue
        if (outside := _outside(claim, low, high)) is not None:
            yield outside
            continue
        exact = claim.statistic == "mean" and claim.qualifier == "="
        if exact and claim.value and claim.spread and n and n >= 2:
            yield _judge(claim, n, low, high)


def draw(rng: np.random.Generator, how: str) -> dict[str, Any]:
    """Scores on a scale of 0 to 100, or runs that are all of one sign."""
    n, places = int(rng.integers(2, 12)), int(rng.integers(0, 3))
    kind = str(rng.choice(list(KINDS)))
    scaled = bool(rng.integers(2))
    x = 100 * rng.beta(0.4, 0.4, n) if scaled else rng.exponential(3, n) * rng.choice([-1, 1])
    sd = float(np.std(x, ddof=1))
    bound: dict[str, Any] = (
        {"scale": {"minimum": "0", "maximum": "100"}}
        if scaled
        else {"sign": "positive" if x[0] > 0 else "negative"}
    )
    return honest(
        {
            "id": "a",
            "statistic": "mean",
            "n": {"seeds": n},
            "value": rounded(float(np.mean(x)), places, how),
            "spread": {
                "value": rounded(spread(kind, n, Box(sd, sd)).low, places, how),
                "said_to_be": str(rng.choice(["undeclared", kind])),
            },
        }
        | bound
    )


def _ends(claim: Claim) -> tuple[float | None, float | None]:
    low = float(claim.scale.minimum) if claim.scale and claim.scale.minimum else None
    high = float(claim.scale.maximum) if claim.scale and claim.scale.maximum else None
    if claim.unit == "percent" and high is not None and high <= 1:  # right answers count 1
        low, high = None if low is None else 100 * low, 100 * high
    if claim.sign == "positive":
        low = max(low, 0.0) if low is not None else 0.0
    if claim.sign == "negative":
        high = min(high, 0.0) if high is not None else 0.0
    return low, high


def _outside(claim: Claim, low: float | None, high: float | None) -> Finding | None:
    """A mean, an end of the range or a single run that is beyond what a value can be."""
    if claim.qualifier != "=":
        return None
    ends = (claim.range.low, claim.range.high) if claim.range else ()
    for printed in (*ends, *claim.values, *((claim.value,) if claim.value else ())):
        below = low is not None and all(printed.box(rule).high < low for rule in TRIED)
        if below or (high is not None and all(printed.box(rule).low > high for rule in TRIED)):
            words = f"{printed.text} is printed, and no value can be but {_span(low, high)}"
            return Finding(claim.id, Verdict.INCONSISTENT, words, _span(low, high))
    return None


def _span(low: float | None, high: float | None) -> str:
    words = [f"at least {low:g}"] if low is not None else []
    return " and ".join([*words, *([f"at most {high:g}"] if high is not None else [])])


def _largest(n: int, mean: Box, low: float | None, high: float | None) -> float | None:
    """The largest sample standard deviation; None if the mean itself is outside the bounds."""
    a = low if low is not None else mean.low - (n - 1) * max((high or 0.0) - mean.low, 0.0)
    b = high if high is not None else mean.high + (n - 1) * max(mean.high - a, 0.0)
    return greatest_sd(n, mean, a, b)


def _judge(claim: Claim, n: int, low: float | None, high: float | None) -> Finding:
    if claim.spread is None or claim.value is None:
        return Finding(claim.id, Verdict.NOT_CHECKABLE, "no mean with a spread is printed")
    kinds = readings(claim.spread.said_to_be)
    largest = {rule: _largest(n, claim.value.box(rule), low, high) for rule in TRIED}
    ends = _span(low, high)
    top = max((x for x in largest.values() if x is not None), default=None)
    if top is None:
        words = f"{n} runs of {ends} cannot have the mean {claim.value.text}"
        return Finding(claim.id, Verdict.INCONSISTENT, words, f"a mean of {ends}")
    gives = {k: f"{KINDS[k]} at most {spread(k, n, Box(top, top)).high:.6g}" for k in kinds}
    fits = [
        kind
        for kind in kinds
        if any(
            x is not None and spread(kind, n, Box(x, x)).high >= claim.spread.value.box(rule).low
            for rule, x in largest.items()
        )
    ]
    words = f"{n} runs of {ends} with the mean {claim.value.text} have a {gives[kinds[0]]}"
    words += f"; {claim.spread.value.text} is printed"
    if not fits:
        return Finding(claim.id, Verdict.INCONSISTENT, words, "; ".join(gives.values()))
    return Finding(
        claim.id,
        Verdict.CONSISTENT,
        words + _implied(claim, n, fits),
        reading=" or ".join(KINDS[kind] for kind in fits) if len(kinds) > 1 else "",
        others=tuple(gives[kind] for kind in kinds if kind not in fits),
    )


def _implied(claim: Claim, n: int, fits: list[str]) -> str:
    """Whether the sign that is stated of every run follows already from the mean and the spread."""
    if claim.sign is None or claim.spread is None or claim.value is None or "sample_sd" not in fits:
        return ""
    mean, sd = claim.value.box(Rule.NEAREST), claim.spread.value.box(Rule.NEAREST).high
    reach = sd * (n - 1) / math.sqrt(n)
    nearest = mean.low - reach if claim.sign == "positive" else mean.high + reach
    if (nearest > 0) == (claim.sign == "positive") and nearest != 0:
        return (
            f"; with a sample sd of {claim.spread.value.text} no run can be beyond {nearest:.4g} "
            f"(Samuelson), so that every run is {claim.sign} follows and is no further evidence"
        )
    return ""
