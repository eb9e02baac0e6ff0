"""Which interval of a share is it, and is it the one that it is said to be?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from scipy import stats

from classay.claims.claim import Claim, Count
from classay.claims.document import Document
from classay.claims.finding import Finding, honest
from classay.claims.forensics._integers import shares
from classay.claims.printed import TRIED, Box, Rule, rounded
from classay.claims.verdict import Verdict

TITLE = "intervals of shares, and what they are called"
SETTLES = "the software and the call that computed the interval"

NAMES = {
    "wilson": "Wilson",
    "clopper_pearson": "Clopper–Pearson",
    "agresti_coull": "Agresti–Coull",
    "jeffreys": "Jeffreys",
    "wald": "Wald",
    "wilson_continuity": "Wilson with continuity correction",
    "wald_continuity": "Wald with continuity correction",
}
# 1.96 in place of the normal quantile, as many texts and programs have it
ROUNDED_QUANTILE = {0.95: 2 * float(stats.norm.cdf(1.96)) - 1}


def check(document: Document) -> Iterator[Finding]:
    """Judge every interval that is printed beside its count.

    document  a claims file
    returns   findings; an interval without a name is named, and where no listed one fits it is not
              checkable, since it may be a bootstrap or another kind
    source    scipy.stats.binomtest, scipy.stats.norm.interval and statsmodels compute them
    choices   a Wald or Agresti–Coull end beyond 0 or 1 may be printed as it is or cut off there;
              1.96 may stand for the normal quantile at 95 %; ends up to 1 whose unit is not
              printed may be shares, or percent
    """
    for claim in document.file.claims:
        if claim.count and claim.interval and claim.interval.name != "t":
            yield _judge(claim, claim.count)


def draw(rng: np.random.Generator, how: str) -> dict[str, Any]:
    """An interval of any name and level, in percent and not."""
    n = int(rng.integers(4, 200))
    k = int(rng.choice([0, n, *rng.integers(0, n + 1, 3)]))
    name = str(rng.choice(list(NAMES)))
    level = float(rng.choice([0.9, 0.95, 0.99]))
    scale, places = (
        (100, int(rng.integers(0, 3))) if rng.integers(2) else (1, int(rng.integers(2, 5)))
    )
    low, high = _interval(name, k, n, level)[0]
    return honest(
        {
            "id": "a",
            "unit": "percent" if scale == 100 else "fraction",
            "count": {"successes": k, "trials": n},
            "interval": {
                "low": rounded(low * scale, places, how, "low"),
                "high": rounded(high * scale, places, how, "high"),
                "name": str(rng.choice([name, "undeclared"])),
                "level": level,
            },
        }
    )


def _interval(name: str, k: int, n: int, level: float) -> list[Box]:
    """The interval, and its variants; the first is the plain one."""
    exact = {"wilson": "wilson", "wilson_continuity": "wilsoncc", "clopper_pearson": "exact"}
    levels = [level, *(q for at, q in ROUNDED_QUANTILE.items() if at == level)]
    found = []
    for at in levels:
        if name in exact:
            low, high = stats.binomtest(k, n).proportion_ci(at, exact[name])
        elif name == "jeffreys":
            # a second to import, and few files need it
            from statsmodels.stats.proportion import proportion_confint

            low, high = proportion_confint(k, n, alpha=1 - at, method="jeffreys")
        else:
            low, high = _normal(name, k, n, at)
        found.append(Box(float(low), float(high)))
    return found


def _normal(name: str, k: int, n: int, level: float) -> tuple[float, float]:
    """A normal interval of the share, its ends not cut off at 0 and 1, as libraries cut them."""
    z2 = float(stats.norm.ppf((1 + level) / 2)) ** 2 if name == "agresti_coull" else 0.0
    trials = n + z2
    p = (k + z2 / 2) / trials
    deviation = math.sqrt(p * (1 - p) / trials)
    low, high = stats.norm.interval(level, p, deviation) if deviation else (p, p)
    correction = 1 / (2 * n) if name == "wald_continuity" else 0.0
    return low - correction, high + correction


def _judge(claim: Claim, count: Count) -> Finding:
    if claim.interval is None:
        return Finding(claim.id, Verdict.NOT_CHECKABLE, "no interval is printed")
    k, n, said = count.successes, count.trials, claim.interval.name
    every = {name: _interval(name, k, n, claim.interval.level) for name in NAMES}
    # ends up to 1 without a unit may be shares, or a percent and less
    below = float(claim.interval.high) <= 1
    tried = [claim.unit] if claim.unit else ["fraction", "percent"] if below else ["percent"]
    by_unit = {unit: _fitting(claim, every, unit) for unit in tried}
    unit = max(tried, key=lambda unit: (said in by_unit[unit], len(by_unit[unit])))
    fits = by_unit[unit]
    gives = {name: _words(name, boxes[0], unit) for name, boxes in every.items()}
    printed = f"[{claim.interval.low.text}, {claim.interval.high.text}]"
    words = f"{k} of {n} at {claim.interval.level:.3g}: {printed} is printed"
    fit = " or ".join(_told(name, rule) for name, rule in fits.items())
    if said == "undeclared":
        if not fits:
            words += ", which is none of the listed intervals"
            others = tuple(gives.values())
            return Finding(claim.id, Verdict.NOT_CHECKABLE, words, others=others)
        return Finding(claim.id, Verdict.CONSISTENT, words, reading=fit, others=_rest(gives, fits))
    words += f" as {NAMES[said]}, which is {gives[said]}"
    if said in fits:
        words += "" if fits[said] is Rule.NEAREST else f", {fits[said]}"
        return Finding(claim.id, Verdict.CONSISTENT, words)
    words += f"; the printed one is {fit}" if fits else "; no listed interval is the printed one"
    return Finding(claim.id, Verdict.INCONSISTENT, words, gives[said], others=_rest(gives, [said]))


def _fitting(claim: Claim, every: dict[str, list[Box]], unit: str) -> dict[str, Rule]:
    """The intervals that are printed so in this unit, and by which rounding."""
    found = {}
    for name, boxes in every.items():
        fitting = (rule for rule in TRIED if any(_fits(claim, box, unit, rule) for box in boxes))
        if (rule := next(fitting, None)) is not None:
            found[name] = rule
    return found


def _told(name: str, rule: Rule) -> str:
    return NAMES[name] + ("" if rule is Rule.NEAREST else f", {rule}")


def _rest(gives: dict[str, str], but: Iterable[str]) -> tuple[str, ...]:
    return tuple(words for name, words in gives.items() if name not in but)


def _fits(claim: Claim, box: Box, unit: str, rule: Rule) -> bool:
    if claim.interval is None:
        return False
    low = shares(claim.interval.low, unit).box(rule, "low")
    high = shares(claim.interval.high, unit).box(rule, "high")
    return any(a in low for a in (box.low, max(box.low, 0.0))) and any(
        b in high for b in (box.high, min(box.high, 1.0))
    )


def _words(name: str, box: Box, unit: str) -> str:
    scale, sign = (100, "\N{NO-BREAK SPACE}%") if unit == "percent" else (1, "")
    return f"{NAMES[name]} [{scale * box.low:.5g}, {scale * box.high:.5g}]{sign}"
