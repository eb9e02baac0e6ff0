"""Can n whole-numbered answers have this mean and this standard deviation?"""

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
from classay.claims.printed import TRIED, Box, Rule, rounded
from classay.claims.verdict import Verdict

TITLE = "standard deviations of whole numbers (GRIMMER)"
SETTLES = "the answers"


def check(document: Document) -> Iterator[Finding]:
    """Judge the spread of every mean of whole-numbered answers that GRIM lets pass.

    ::

        S whole in the mean's box;   Q = s²·(n − 1) + S²/n whole,   Q ≡ S (mod 2)

    document  a claims file
    returns   findings
    source    Anaya 2016; the parity rule of Allard 2018 (A-GRIMMER)
    choices   an undeclared ± may be any listed kind of spread; answers of 0 and 1 are left to
              ``debit``, which is exact for them; a spread over raters or seeds is another thing
    """
    for claim in document.file.claims:
        n = single(claim)
        if (
            claim.statistic == "mean"
            and claim.qualifier == "="
            and claim.spread
            and claim.scale
            and claim.scale.integers
            and n is not None
            and n >= 2
            and not binary(claim)
            and any(sums(claim, n, rule) for rule in TRIED)
        ):
            yield _judge(claim, n)


def draw(rng: np.random.Generator, how: str) -> dict[str, Any]:
    """Answers on a scale from 1 to 5 or 1 to 9, their spread of any kind."""
    n, places, top = int(rng.integers(3, 40)), int(rng.integers(1, 4)), int(rng.choice([5, 9]))
    answers = rng.integers(1, top + 1, n)
    kind = str(rng.choice(list(KINDS)))
    sd = float(np.std(answers, ddof=1))
    there = rounded(spread(kind, n, Box(sd, sd)).low, places, how)
    said = str(rng.choice(["undeclared", kind]))
    return honest(
        {
            "id": "a",
            "statistic": "mean",
            "value": rounded(float(np.mean(answers)), places, how),
            "n": {"items": n},
            "spread": {"value": there, "said_to_be": said},
            "scale": {"minimum": "1", "maximum": str(top), "integers": True},
        }
    )


def binary(claim: Claim) -> bool:
    """Whether every answer is 0 or 1."""
    scale = claim.scale
    if scale is None or not scale.integers:
        return False
    ends = (scale.minimum, scale.maximum)
    return claim.unit in ("percent", "fraction") or tuple(
        float(end) if end else None for end in ends
    ) == (0, 1)


def _judge(claim: Claim, n: int) -> Finding:
    if claim.spread is None:
        return Finding(claim.id, Verdict.NOT_CHECKABLE, "no spread is printed")
    kinds = readings(claim.spread.said_to_be)
    fits = [kind for kind in kinds if any(_possible(claim, n, kind, rule) for rule in TRIED)]
    printed = claim.spread.value.text
    if fits:
        return Finding(
            claim.id,
            Verdict.CONSISTENT,
            f"{n} whole numbers can have this mean and the spread {printed}",
            reading=" or ".join(KINDS[kind] for kind in fits),
            others=tuple(KINDS[kind] for kind in kinds if kind not in fits),
        )
    sd = {s: near for s in _sums(claim, n)[:3] if (near := _near(claim, n, s, kinds[0]))}
    words = "; ".join(f"with the sum {s}, {', '.join(near)}" for s, near in sd.items())
    return Finding(
        claim.id,
        Verdict.INCONSISTENT,
        f"no {n} whole numbers with the printed mean have the spread {printed}: the sum of squares "
        f"must be whole, and odd just when the sum is",
        f"{KINDS[kinds[0]]}: {words}" if words else "",
    )


def _sums(claim: Claim, n: int) -> list[int]:
    return sorted({s for rule in TRIED for s in sums(claim, n, rule)[: MOST + 1]})


def _possible(claim: Claim, n: int, kind: str, rule: Rule) -> bool:
    if claim.spread is None:
        return False
    box = shares(claim.spread.value, claim.unit).box(rule)
    factor = spread(kind, n, Box(1.0, 1.0)).low
    low, high = max(box.low, 0.0) / factor, box.high / factor
    found = sums(claim, n, rule)
    if len(found) > MOST:
        return True
    for total in found:
        least = low**2 * (n - 1) + total**2 / n
        greatest = high**2 * (n - 1) + total**2 / n
        q = math.ceil(least - 1e-6)
        q += (q - total) % 2
        if q <= greatest + 1e-6:
            return True
    return False


def _near(claim: Claim, n: int, total: int, kind: str) -> list[str]:
    """The spreads next to the printed one that this sum allows."""
    if claim.spread is None:
        return []
    factor = spread(kind, n, Box(1.0, 1.0)).low
    sd = float(shares(claim.spread.value, claim.unit)) / factor
    q = math.floor(sd**2 * (n - 1) + total**2 / n)
    q -= (q - total) % 2
    found = [(x - total**2 / n) / (n - 1) for x in (q, q + 2)]
    return [f"{factor * math.sqrt(s2):.6g}" for s2 in found if s2 >= 0]
