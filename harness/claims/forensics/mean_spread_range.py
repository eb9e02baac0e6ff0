"""Can n runs have this mean, this spread and this range?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from classay.claims.claim import Claim
from classay.claims.document import Document
from classay.claims.finding import Finding, honest
from classay.claims.forensics._boxes import allowed
from classay.claims.forensics._runs import KINDS, means, readings, sample_sds, spread
from classay.claims.printed import TRIED, Box, Rule, rounded
from classay.claims.verdict import Verdict

TITLE = "mean, spread and range of the same runs"
SETTLES = "the value of every single run"


def check(document: Document) -> Iterator[Finding]:
    """Judge every range of runs that is printed with their mean, their spread or both.

    ::

        n = 3, third run m = 3·mean − a − b in [a, b],   s² = (b − a)²/4 + (m − (a + b)/2)²/3

    document  a claims file
    returns   findings; where nothing says how many runs there were, one on a mean outside its range
              alone; a ± that nothing says what it is may be a sample or population standard
              deviation, a standard error or the half-width of a 95 % t interval
    source    the two ends and the mean of three runs determine the third; general n by the least
              and the greatest sum of squares
    choices   one rounding rule for all numbers of a claim; the whole rounding box is searched
    """
    for claim in document.file.claims:
        n = claim.runs
        mean = claim.statistic == "mean" and claim.value is not None
        if claim.range and n is not None and n >= 2 and (mean or claim.spread):
            yield _judge(claim, n)
        elif mean and not any(_inside(claim, rule) for rule in TRIED):
            yield Finding(claim.id, Verdict.INCONSISTENT, *_outside(claim))


def draw(rng: np.random.Generator, how: str) -> dict[str, Any]:
    """Runs from a normal, a skewed or a two-valued law; a spread of any kind, named or not."""
    n = int(rng.choice([2, 3, 3, 3, 4, 5, 8, 20]))
    law = rng.integers(3)
    scale = 10.0 ** rng.integers(-1, 3)
    x = (rng.normal(1, 1, n), rng.exponential(1, n), rng.integers(0, 2, n))[law] * scale
    places = int(rng.integers(0, 4))
    kind = str(rng.choice(list(KINDS)))
    sd = float(np.std(x, ddof=1))
    there = spread(kind, n, Box(sd, sd)).low
    said = str(rng.choice(["undeclared", kind]))
    mean = {"statistic": "mean", "value": rounded(float(np.mean(x)), places, how)}
    return honest(
        {
            "id": "a",
            "n": {"seeds": n},
            "spread": {"value": rounded(there, places, how), "said_to_be": said},
            "range": {
                "low": rounded(float(x.min()), places, how, "low"),
                "high": rounded(float(x.max()), places, how, "high"),
            },
        }
        | (mean if rng.integers(4) else {"statistic": "none"})
    )


def _inside(claim: Claim, rule: Rule) -> bool:
    """Whether the mean lies in the range, however many runs there were."""
    if claim.value is None or claim.range is None or claim.qualifier == "about":
        return True
    ends = Box(claim.range.low.box(rule, "low").low, claim.range.high.box(rule, "high").high)
    return allowed(claim.value.box(rule), claim.qualifier).meets(ends)


def _outside(claim: Claim) -> tuple[str, str]:
    if claim.value is None or claim.range is None:
        return "", ""
    ends = f"{claim.range.low.text} to {claim.range.high.text}"
    words = f"runs from {ends} cannot have the mean {claim.value.text}, which lies outside them"
    return words, f"a mean of {ends}"


def _judge(claim: Claim, n: int) -> Finding:
    tried = {rule: _possible(claim, n, rule) for rule in TRIED}
    possible = tried[Rule.NEAREST] or next((sd for sd in tried.values() if sd), None)
    if possible is None:
        return Finding(claim.id, Verdict.INCONSISTENT, _no_mean(claim, n), _means(claim, n))
    arithmetic = _third_run(claim, n) if n == 3 else ""
    if claim.spread is None:
        return Finding(claim.id, Verdict.CONSISTENT, f"{arithmetic}{n} runs can have these")
    kinds = readings(claim.spread.said_to_be)
    fits = [
        kind
        for kind in kinds
        if any(
            sd and spread(kind, n, sd).meets(claim.spread.value.box(rule))
            for rule, sd in tried.items()
        )
    ]
    gives = {kind: f"{KINDS[kind]} {spread(kind, n, possible)}" for kind in KINDS}
    words = f"{arithmetic}{n} runs with these have a {gives['sample_sd']}"
    if fits:
        return Finding(
            claim.id,
            Verdict.CONSISTENT,
            f"{words}; {claim.spread.value.text} is printed",
            reading=" or ".join(KINDS[kind] for kind in fits),
            others=tuple(gives[kind] for kind in kinds if kind not in fits),
        )
    said = "" if len(kinds) > 1 else f"; it is said to be a {KINDS[kinds[0]]}"
    return Finding(
        claim.id,
        Verdict.INCONSISTENT,
        f"{words}; {claim.spread.value.text} is printed, which no rounding rule makes of it{said}",
        possible="; ".join(gives[kind] for kind in kinds),
        others=tuple(gives[kind] for kind in KINDS if kind not in kinds),
    )


def _possible(claim: Claim, n: int, rule: Rule) -> Box | None:
    if claim.range is None:
        return None
    low, high = claim.range.low.box(rule, "low"), claim.range.high.box(rule, "high")
    if claim.value is None or claim.statistic != "mean" or claim.qualifier == "about":
        return sample_sds(n, Box(low.low, high.high), low, high)
    return sample_sds(n, allowed(claim.value.box(rule), claim.qualifier), low, high)


def _third_run(claim: Claim, n: int) -> str:
    if claim.value is None or claim.range is None or claim.statistic != "mean":
        return ""
    if claim.qualifier != "=":
        return ""
    a, m, b = claim.range.low, claim.value, claim.range.high
    third = n * m.value - a.value - b.value
    return f"the third run is 3·{m.term} − {a.term} − {b.term} = {third:f}; "


def _means(claim: Claim, n: int) -> str:
    if claim.range is None:
        return ""
    low, high = claim.range.low.box(Rule.NEAREST), claim.range.high.box(Rule.NEAREST)
    return f"a mean of {means(n, low, high)}"


def _no_mean(claim: Claim, n: int) -> str:
    if claim.value is None or claim.range is None:
        return ""
    return (
        f"{n} runs of which the least is {claim.range.low.text} and the greatest "
        f"{claim.range.high.text} cannot have the mean {claim.value.text}, because "
        f"{'it is their midpoint' if n == 2 else 'each end is itself one of the runs'}"
    )
