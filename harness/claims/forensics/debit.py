"""Can n answers of 0 or 1 have this mean and this standard deviation?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from classay.claims.claim import Claim
from classay.claims.document import Document
from classay.claims.finding import Finding, honest
from classay.claims.forensics._integers import MOST, shares, single, sums
from classay.claims.forensics._runs import KINDS, readings, spread
from classay.claims.forensics.grimmer import binary
from classay.claims.printed import TRIED, Box, Rule, rounded
from classay.claims.verdict import Verdict

TITLE = "standard deviations of answers that are 0 or 1 (DEBIT)"
SETTLES = "how many answers were right"


def check(document: Document) -> Iterator[Finding]:
    """Judge the spread of every share of answers that count 0 or 1.

    ::

        s = √(n / (n − 1) · p · (1 − p)),   p = S / n for a whole S

    document  a claims file
    returns   findings
    source    Heathers and Brown 2019
    choices   an undeclared ± may be any listed kind of spread over the answers; a spread over seeds
              or raters is another thing
    """
    for claim in document.file.claims:
        n = single(claim)
        exact = claim.statistic == "mean" and claim.qualifier == "="
        if exact and claim.spread and binary(claim) and n and n >= 2:
            found = {s for rule in TRIED for s in _right(claim, n, rule)[: MOST + 1]}
            if 0 < len(found) <= MOST:
                yield _judge(claim, n)


def draw(rng: np.random.Generator, how: str) -> dict[str, Any]:
    """Right and wrong answers, in percent and not."""
    n, places = int(rng.integers(3, 60)), int(rng.integers(1, 4))
    answers = rng.integers(0, 2, n) * (100 if rng.integers(2) else 1)
    kind = str(rng.choice(list(KINDS)))
    sd = float(np.std(answers, ddof=1))
    return honest(
        {
            "id": "a",
            "statistic": "mean",
            "value": rounded(float(np.mean(answers)), places, how),
            "unit": "percent" if answers.max() > 1 else "fraction",
            "n": {"items": n},
            "spread": {
                "value": rounded(spread(kind, n, Box(sd, sd)).low, places, how),
                "said_to_be": str(rng.choice(["undeclared", kind])),
            },
            "scale": {"minimum": "0", "maximum": "1", "integers": True},
        }
    )


def _right(claim: Claim, n: int, rule: Rule) -> range:
    """How many answers may have been right: what rounds to 100 % may be more than all."""
    found = sums(claim, n, rule)
    return range(max(found.start, 0), min(found.stop, n + 1))


def _judge(claim: Claim, n: int) -> Finding:
    if claim.spread is None:
        return Finding(claim.id, Verdict.NOT_CHECKABLE, "no spread is printed")
    kinds = readings(claim.spread.said_to_be)
    scale = 100 if claim.unit == "percent" else 1
    fits: set[str] = set()
    gives: dict[str, str] = {}
    for rule in TRIED:
        box = shares(claim.spread.value, claim.unit).box(rule)
        for total in _right(claim, n, rule):
            sd = math.sqrt(total * (n - total) / n / (n - 1))
            for kind in kinds:
                there = spread(kind, n, Box(sd, sd))
                gives.setdefault(kind, f"{KINDS[kind]} {scale * there.low:.6g} for {total} of {n}")
                if there.meets(box):
                    fits.add(kind)
    words = f"answers of 0 and 1 with this mean have a {gives[kinds[0]]}"
    words += f"; {claim.spread.value.text} is printed"
    if not fits:
        return Finding(claim.id, Verdict.INCONSISTENT, words, "; ".join(gives.values()))
    return Finding(
        claim.id,
        Verdict.CONSISTENT,
        words,
        reading=" or ".join(KINDS[kind] for kind in kinds if kind in fits),
        others=tuple(gives[kind] for kind in kinds if kind not in fits),
    )
