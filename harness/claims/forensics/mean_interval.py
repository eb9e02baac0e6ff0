"""Is the t interval of a mean the one that its mean, its spread and its n give?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import stats

from classay.claims.claim import Claim
from classay.claims.document import Document
from classay.claims.finding import Finding, honest
from classay.claims.forensics._runs import KINDS, readings, spread
from classay.claims.printed import TRIED, Box, Rule, rounded
from classay.claims.verdict import Verdict

TITLE = "t intervals of means"
SETTLES = "the value of every single run"

OWN = "own_half_width"
TOLD = KINDS | {OWN: "half-width of this interval"}


def check(document: Document) -> Iterator[Finding]:
    """Judge every interval that is called a t interval and printed with its mean, ± and n.

    ::

        mean ± t_{(1+level)/2, n−1} · s / √n

    document  a claims file
    returns   findings
    source    scipy.stats.t
    choices   an undeclared ± may be any listed kind of spread, and one that may be the half-width
              of a t interval may be that of this one; without a ±, the mean must be the middle of
              the interval
    """
    for claim in document.file.claims:
        n = claim.runs
        named = claim.interval is not None and claim.interval.name == "t" and claim.qualifier == "="
        if named and claim.statistic == "mean" and claim.value and n is not None and n >= 2:
            yield _judge(claim, n)


def draw(rng: np.random.Generator, how: str) -> dict[str, Any]:
    """Normal runs and the t interval of their mean."""
    n, places = int(rng.integers(2, 12)), int(rng.integers(0, 4))
    x = rng.normal(5, 3, n)
    level = float(rng.choice([0.9, 0.95, 0.99]))
    sd, mean = float(np.std(x, ddof=1)), float(np.mean(x))
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * sd / np.sqrt(n)
    kind = str(rng.choice(["sample_sd", "population_sd", "standard_error", "t_half_width"]))
    there = half if kind == "t_half_width" else spread(kind, n, Box(sd, sd)).low
    return honest(
        {
            "id": "a",
            "statistic": "mean",
            "n": {"seeds": n},
            "value": rounded(mean, places, how),
            "spread": {
                "value": rounded(there, places, how),
                "said_to_be": str(rng.choice(["undeclared", kind])),
            },
            "interval": {
                "low": rounded(mean - half, places, how, "low"),
                "high": rounded(mean + half, places, how, "high"),
                "name": "t",
                "level": level,
            },
        }
    )


def _judge(claim: Claim, n: int) -> Finding:
    if claim.interval is None or claim.value is None:
        return Finding(claim.id, Verdict.NOT_CHECKABLE, "no interval is printed")
    level = claim.interval.level
    t = float(stats.t.ppf((1 + level) / 2, n - 1)) / np.sqrt(n)
    kinds = readings(claim.spread.said_to_be) if claim.spread else ("",)
    if "t_half_width" in kinds and level != 0.95:
        kinds += (OWN,)
    fits = [kind for kind in kinds if any(_fits(claim, n, t, kind, rule) for rule in TRIED)]
    mean = float(claim.value)
    gives = {}
    for kind in kinds if claim.spread else ():
        sd = float(claim.spread.value) / _of_one(kind, n, t) if claim.spread else 0.0
        gives[kind] = f"[{mean - t * sd:.6g}, {mean + t * sd:.6g}] if ± is the {TOLD[kind]}"
    words = f"the {100 * level:g}\N{NO-BREAK SPACE}% t interval of {n} runs is "
    words += "; ".join(gives.values()) or f"centred on its mean {claim.value.text}"
    words += f"; [{claim.interval.low.text}, {claim.interval.high.text}] is printed"
    if not fits:
        return Finding(claim.id, Verdict.INCONSISTENT, words, "; ".join(gives.values()))
    return Finding(
        claim.id,
        Verdict.CONSISTENT,
        words,
        reading=" or ".join(TOLD[kind] for kind in fits if kind),
        others=tuple(gives[kind] for kind in gives if kind not in fits),
    )


def _of_one(kind: str, n: int, t: float) -> float:
    """The spread that goes with a sample standard deviation of 1."""
    return t if kind == OWN else spread(kind, n, Box(1.0, 1.0)).low


def _fits(claim: Claim, n: int, t: float, kind: str, rule: Rule) -> bool:
    """Whether some mean and some half-width give both ends."""
    if claim.interval is None or claim.value is None:
        return False
    low, high = claim.interval.low.box(rule, "low"), claim.interval.high.box(rule, "high")
    mean = claim.value.box(rule)
    half = Box(0.0, np.inf)
    if claim.spread and kind:
        unit = _of_one(kind, n, t)
        box = claim.spread.value.box(rule)
        half = Box(max(box.low, 0.0) / unit * t, box.high / unit * t)
    middle = Box((low.low + high.low) / 2, (low.high + high.high) / 2)
    below = Box(mean.low - half.high, mean.high - half.low)
    above = Box(mean.low + half.low, mean.high + half.high)
    return middle.meets(mean) and below.meets(low) and above.meets(high)
