"""By which reading is one method better than another by the printed amount?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from classay.claims.claim import Claim
from classay.claims.document import Document, Related
from classay.claims.finding import Finding, honest
from classay.claims.forensics import single_runs
from classay.claims.forensics._boxes import allowed
from classay.claims.printed import Box, percent, rounded, rules, together
from classay.claims.verdict import Verdict

TITLE = "advantages of one method over another"
SETTLES = "the final hold-out loss of both methods at every seed"

DEFINED = "relative_difference_of_final_losses"
MEAN = "relative difference of final losses"


def check(document: Document) -> Iterator[Finding]:
    """Judge every advantage that is printed beside the two methods' own figures.

    ::

        difference of the figures             x_B − x_A;  x_A − x_B for scores
        relative difference of single losses  (L_B − L_A) / L_B  or  / L_A
        relative difference of final losses   mean over seeds of (L_B − L_A) / L_B

    document  a claims file
    returns   findings; the last reading is judged by the single runs' values of a definition, and
              where no text prints them it cannot be excluded unless the figures are single losses
              or scores, so a claim on drifts, or on means over seeds, is then not checkable
    source    the last is the definition of the CRMA paper (arXiv:2606.00382)
    choices   a number printed without a sign may be the size of the difference
    """
    for related in document.related("advantage_over"):
        if len(related.of) == 2 and related.claim.value:
            yield _judge(document, related)


def draw(rng: np.random.Generator, how: str) -> dict[str, Any]:
    """Two methods' drifts, and an advantage by either reading."""
    n, places = int(rng.integers(2, 7)), int(rng.integers(1, 4))
    a, b, advantage = rng.normal(0, 1, n), rng.normal(3, 1, n), rng.normal(2, 0.5, n)
    by_drift = bool(rng.integers(2))
    told = b - a if by_drift else advantage
    claims = [
        {"id": name, "value": rounded(float(np.mean(x)), places, how), "unit": "percent"}
        for name, x in (("a", a), ("b", b))
    ]
    target = {
        "id": "t",
        "quantity": "learning_advantage",
        "statistic": "mean",
        "n": {"seeds": n},
        "unit": "percent",
        "value": rounded(float(np.mean(told)), places, how),
        "relations": [{"kind": "advantage_over", "of": ["a", "b"]}],
    }
    if not by_drift:
        sd = float(np.std(told, ddof=1))
        target["spread"] = {"value": rounded(sd, places, how)}
    return honest(
        *claims,
        target,
        definitions=[
            {
                "quantity": "learning_advantage",
                "source": "text",
                "quote": "…",
                "reference": DEFINED,
                "values": [rounded(float(x), places, how) for x in advantage],
            }
        ],
    )


def _judge(document: Document, related: Related) -> Finding:
    claim, (method, other) = related.claim, related.of
    beside = (method.id, other.id)
    gives, fits = _by_figures(claim, method, other)
    computed = bool(gives)
    runs = [d.values for d in document.defined("learning_advantage") if d.reference == DEFINED]
    values = next((v for v in runs if len(v) >= 2), ())
    if values:
        judged = _by_runs(claim, values)
        gives[MEAN] = f"{MEAN}: {judged.arithmetic}"
        fits += [MEAN] if judged.verdict is Verdict.CONSISTENT else []
    words = "; ".join(gives.values()) or "neither method's figure is printed"
    words += f"; {claim.value.text if claim.value else ''} is printed"
    others = tuple(text for name, text in gives.items() if name not in fits)
    if fits:
        reading = " or ".join(fits)
        return Finding(claim.id, Verdict.CONSISTENT, words, "", reading, others, beside)
    known = computed and (values or _single(method, other))
    if not known or claim.qualifier == "about":
        words += f"; the {MEAN} cannot be computed from what is printed"
        return Finding(claim.id, Verdict.NOT_CHECKABLE, words, others=others, beside=beside)
    return Finding(claim.id, Verdict.INCONSISTENT, words, "; ".join(gives.values()), beside=beside)


def _single(method: Claim, other: Claim) -> bool:
    """Whether both figures are single losses or scores, from which every reading follows."""
    kinds = {method.quantity, other.quantity}
    return kinds in ({"loss"}, {"accuracy"}) and all(
        c.statistic == "single" and (c.n.seeds or 1) == 1 and c.value for c in (method, other)
    )


def _by_figures(claim: Claim, method: Claim, other: Claim) -> tuple[dict[str, str], list[str]]:
    """Every reading that the two printed figures give, in words, and those that fit."""
    gives: dict[str, str] = {}
    fits: list[str] = []
    exact = method.qualifier == other.qualifier == "="
    if not (claim.value and method.value and other.value and exact):
        return gives, fits
    if not together((method.unit, other.unit)):
        return gives, fits
    unsigned = claim.value.text[0].isdigit()
    for way in rules(c.source for c in (claim, method, other)):
        a = percent(method.value, method.unit or "").box(way[method.source])
        b = percent(other.value, other.unit or "").box(way[other.source])
        printed = percent(claim.value, claim.unit or "").box(way[claim.source])
        target = allowed(printed, claim.qualifier)
        for name, gap in _readings(claim, method, a, b).items():
            gives.setdefault(name, f"{name} {(gap.low + gap.high) / 2:.4g}")
            size = Box(-gap.high, -gap.low)
            if name not in fits and (target.meets(gap) or (unsigned and target.meets(size))):
                fits.append(name)
    return gives, fits


def _readings(claim: Claim, method: Claim, a: Box, b: Box) -> dict[str, Box]:
    gap = Box(a.low - b.high, a.high - b.low)
    if method.quantity != "accuracy":  # less is better
        gap = Box(-gap.high, -gap.low)
    found = {}
    if together((claim.unit, method.unit)):
        found["difference of drifts" if method.quantity == "drift" else "difference"] = gap
    if method.quantity in ("loss", "accuracy") and claim.unit in ("percent", "fraction", None):
        for name, of in (("relative to the other", b), ("relative to the method's own", a)):
            if of.low > 0:
                ends = [100 * x / y for x in gap for y in of]
                found[f"difference {name}"] = Box(min(ends), max(ends))
    return found


def _by_runs(claim: Claim, values: tuple[Any, ...]) -> Finding:
    """Judge the printed mean and ± as those of the single runs of the definition."""
    whole = claim.model_copy(update={"values": values, "range": None, "statistic": "mean"})
    return single_runs.judge(whole)
