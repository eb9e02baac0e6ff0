"""Are the mean, the spread and the range those of the single runs that are printed?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from classay.claims.claim import Claim
from classay.claims.document import Document
from classay.claims.finding import Finding, honest
from classay.claims.forensics._boxes import allowed
from classay.claims.forensics._runs import KINDS, readings, spread
from classay.claims.printed import TRIED, Box, Printed, Rule, rounded
from classay.claims.verdict import Verdict

TITLE = "mean, spread and range against the single runs"
SETTLES = "the single runs at full precision"


def check(document: Document) -> Iterator[Finding]:
    """Judge every mean, ± and range that is printed beside the value of every single run.

    ::

        mean = Σ xᵢ / n,   s = √(Σ (xᵢ − mean)² / (n − 1)),   |s(x) − s(c)| ≤ ‖x − c‖ / √(n − 1)

    document  a claims file
    returns   findings; a ± is said to be the kind of spread that fits
    source    s is a seminorm, so the last line bounds what rounding of the single runs can do to it
    choices   one rounding rule for all numbers of a claim
    """
    for claim in document.file.claims:
        if len(claim.values) >= 2 and (claim.value or claim.spread or claim.range):
            yield judge(claim)


def draw(rng: np.random.Generator, how: str) -> dict[str, Any]:
    """Two to six runs, printed with more or fewer digits than their mean."""
    n = int(rng.integers(2, 7))
    x = rng.normal(2, 1, n) * 10.0 ** rng.integers(-1, 2)
    places, fine = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    kind = str(rng.choice(list(KINDS)))
    sd = float(np.std(x, ddof=1))
    said = str(rng.choice(["undeclared", kind]))
    there = rounded(spread(kind, n, Box(sd, sd)).low, places, how)
    return honest(
        {
            "id": "a",
            "statistic": "mean",
            "n": {"seeds": n},
            "values": [rounded(float(v), fine, how) for v in x],
            "value": rounded(float(np.mean(x)), places, how),
            "spread": {"value": there, "said_to_be": said},
            "range": {
                "low": rounded(float(x.min()), places, how, "low"),
                "high": rounded(float(x.max()), places, how, "high"),
            },
        }
    )


def judge(claim: Claim) -> Finding:
    """Hold a claim against the single runs that it prints."""
    n = len(claim.values)
    kinds = readings(claim.spread.said_to_be) if claim.spread else ()
    fits: set[str] = set()
    whole = False
    for rule in TRIED:
        mean, sd, low, high = _boxes(claim.values, rule)
        sound = claim.statistic != "mean" or _mean_meets(claim, mean, rule)
        if claim.range:
            sound &= low.meets(claim.range.low.box(rule, "low"))
            sound &= high.meets(claim.range.high.box(rule, "high"))
        fitting = {
            k
            for k in kinds
            if claim.spread and claim.spread.value.box(rule).meets(spread(k, n, sd))
        }
        if sound and (fitting or not kinds):
            whole = True
            fits |= fitting
    mean, sd, low, high = _boxes(claim.values, Rule.NEAREST)
    gives = {kind: f"{KINDS[kind]} {spread(kind, n, sd)}" for kind in KINDS}
    runs = ", ".join(value.text for value in claim.values)
    words = f"the runs {runs} have the mean {mean}, the ends {low} and {high}"
    words += f" and the {gives['sample_sd']}" if kinds else ""
    printed = [x.text for x in (claim.value, claim.spread and claim.spread.value) if x]
    words += f"; printed: {' ± '.join(printed) or 'the range'}"
    if claim.range and printed:
        words += f" in {claim.range.low.text} to {claim.range.high.text}"
    if not whole:
        possible = [f"mean {mean}", f"ends {low} and {high}", *(gives[kind] for kind in kinds)]
        return Finding(claim.id, Verdict.INCONSISTENT, words, "; ".join(possible))
    return Finding(
        claim.id,
        Verdict.CONSISTENT,
        words,
        reading=" or ".join(KINDS[kind] for kind in KINDS if kind in fits),
        others=tuple(gives[kind] for kind in kinds if kind not in fits),
    )


def _boxes(values: tuple[Printed, ...], rule: Rule) -> tuple[Box, Box, Box, Box]:
    """Of the mean, the sample standard deviation, the least and the greatest run."""
    low = np.array([value.box(rule).low for value in values])
    high = np.array([value.box(rule).high for value in values])
    sd = float(np.std((low + high) / 2, ddof=1))
    give = float(np.linalg.norm((high - low) / 2)) / math.sqrt(len(values) - 1)
    return (
        Box(float(low.mean()), float(high.mean())),
        Box(max(sd - give, 0.0), sd + give),
        Box(float(low.min()), float(high.min())),
        Box(float(low.max()), float(high.max())),
    )


def _mean_meets(claim: Claim, box: Box, rule: Rule) -> bool:
    if claim.value is None or claim.qualifier == "about":
        return True
    return allowed(claim.value.box(rule), claim.qualifier).meets(box)
