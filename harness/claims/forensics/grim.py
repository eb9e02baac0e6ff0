"""Can n whole-numbered answers have this mean, and can this count be that share?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from classay.claims.claim import Claim, Count
from classay.claims.document import Document
from classay.claims.finding import Finding, honest
from classay.claims.forensics._integers import MOST, answers, shares, sums
from classay.claims.printed import TRIED, Box, rounded
from classay.claims.verdict import Verdict

TITLE = "means of whole numbers, and shares of counts (GRIM)"
SETTLES = "the number of answers, and their sum"


def check(document: Document) -> Iterator[Finding]:
    """Judge every mean of whole-numbered answers, and every share printed beside its count.

    ::

        some whole S with S / n in the printed mean's rounding box;   k / n in that of a share

    document  a claims file
    returns   findings; with more than a thousand sums that fit, n is too large to exclude anything
    source    Brown and Heathers 2017
    choices   a mean in percent is one of answers that count 0 or 1; where several raters or seeds
              answer for every item, n may be any of the products
    """
    for claim in document.file.claims:
        if claim.value is None or claim.qualifier != "=":
            continue
        if claim.count is not None and claim.unit in ("percent", "fraction"):
            yield _share(claim, claim.count)
        elif (
            claim.statistic == "mean"
            and claim.scale
            and claim.scale.integers
            and (counts := answers(claim))
        ):
            yield _mean(claim, counts)


def draw(rng: np.random.Generator, how: str) -> dict[str, Any]:
    """Answers on a scale from 1 to 7, shares of counts, in percent and not."""
    n, places = int(rng.integers(3, 60)), int(rng.integers(1, 4))
    if rng.integers(2):
        k = int(rng.integers(0, n + 1))
        percent = bool(rng.integers(2))
        share = k / n * (100 if percent else 1)
        value = rounded(share, places, how)
        unit = "percent" if percent else "fraction"
        count = {"successes": k, "trials": n}
        return honest({"id": "a", "value": value, "unit": unit, "count": count})
    told, raters = rng.integers(1, 8, n), int(rng.integers(1, 4))
    return honest(
        {
            "id": "a",
            "statistic": "mean",
            "value": rounded(float(np.mean(told)), places, how),
            "n": {"items": n // raters, "raters": raters} if n % raters == 0 else {"items": n},
            "scale": {"minimum": "1", "maximum": "7", "integers": True},
        }
    )


def _share(claim: Claim, count: Count) -> Finding:
    k, n = count.successes, count.trials
    if claim.value is None:
        return Finding(claim.id, Verdict.NOT_CHECKABLE, "no share is printed")
    printed = shares(claim.value, claim.unit)
    unit = "\N{NO-BREAK SPACE}%" if claim.unit == "percent" else ""
    words = f"{k} of {n} is {k / n * (100 if unit else 1):.6g}{unit}; {claim.value.text} is printed"
    if any(k / n in printed.box(rule) for rule in TRIED):
        return Finding(claim.id, Verdict.CONSISTENT, words)
    boxes = [printed.box(rule) for rule in TRIED]
    near = sorted({i for box in boxes for i in range(*_between(n, box))[:5] if i / n in box})
    possible = f"{', '.join(map(str, near[:5])) or 'no count'} of {n} is printed so"
    return Finding(claim.id, Verdict.INCONSISTENT, words, possible)


def _between(n: int, box: Box) -> tuple[int, int]:
    """The counts of n around a box of shares; the last is not one of them."""
    low, high = (min(max(n * end, 0.0), n) for end in box)
    return math.floor(low), math.ceil(high) + 1


def _mean(claim: Claim, counts: list[int]) -> Finding:
    value = claim.value.text if claim.value else ""
    for n in counts:
        fits = sorted({s for rule in TRIED for s in sums(claim, n, rule)[: MOST + 1]})
        if len(fits) > MOST:
            words = (
                f"with {n} answers every mean of this precision is possible: nothing is excluded"
            )
            return Finding(claim.id, Verdict.CONSISTENT, words)
        if fits:
            shown = ", ".join(map(str, fits[:5]))
            return Finding(claim.id, Verdict.CONSISTENT, f"{value} is {shown} divided by {n}")
    n = counts[0]
    near = int(n * float(shares(claim.value, claim.unit))) if claim.value else 0
    scale = 100 if claim.unit == "percent" else 1
    around = " or ".join(f"{s}/{n} = {scale * s / n:.6g}" for s in (near, near + 1))
    return Finding(
        claim.id,
        Verdict.INCONSISTENT,
        f"no whole number divided by {' or '.join(map(str, counts))} is printed as {value}; the "
        f"nearest are {around}",
        around,
    )
