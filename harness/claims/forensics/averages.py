"""Is a printed average the average of the printed cells, with or without the last domain?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from classay.claims.claim import Claim
from classay.claims.document import Document, Related
from classay.claims.finding import Finding, honest
from classay.claims.forensics._boxes import allowed
from classay.claims.printed import Box, Rule, percent, rounded, rules, together
from classay.claims.verdict import Verdict

TITLE = "averages of table cells"
SETTLES = "the cells at full precision, and which of them the average is over"


def check(document: Document) -> Iterator[Finding]:
    """Judge every claim that its text presents as the average of others.

    ::

        A = Σ cⱼ / k,   or without the domain trained last,   or weighted by the items of each

    document  a claims file
    returns   findings, on the average and not on its cells
    source    the definition; the last domain's drift is 0 where the reference is the loss just
              after learning, so texts average with it and without it
    choices   where the order of the domains is not stated, any one of them may have been the last
    """
    for related in document.related("average_of"):
        yield _judge(document, related)


def draw(rng: np.random.Generator, how: str) -> dict[str, Any]:
    """Three to seven cells and their average, of all or of all but the last."""
    k, places, fine = int(rng.integers(3, 8)), int(rng.integers(0, 3)), int(rng.integers(0, 3))
    cells = rng.normal(0, 30, k)
    part = cells if rng.integers(2) else cells[:-1]
    weights = rng.integers(20, 200, k) if rng.integers(2) else None
    if weights is not None:
        part = cells
    average = float(np.average(part, weights=weights))
    names = [f"c{j}" for j in range(k)]
    order = {"states": names, "source": "text", "quote": "…"}
    claims = [
        {"id": name, "domain": name, "value": rounded(float(c), fine, how), "unit": "percent"}
        | ({"n": {"items": int(weights[j])}} if weights is not None else {})
        for j, (name, c) in enumerate(zip(names, cells, strict=True))
    ]
    target = {"id": "a", "value": rounded(average, places, how), "unit": "percent", "arm": "arm"}
    return honest(
        *claims,
        target | {"relations": [{"kind": "average_of", "of": names}]},
        arms=[{"id": "arm", "method": "drawn", "facts": {"order": order}}],
    )


def _judge(document: Document, related: Related) -> Finding:
    claim, cells = related.claim, related.of
    beside = tuple(cell.id for cell in cells)
    units = together(cell.unit for cell in (claim, *cells))
    if claim.value is None or any(cell.value is None for cell in cells) or not units:
        words = "the average and all its cells must be printed, in one unit, to be held together"
        return Finding(claim.id, Verdict.NOT_CHECKABLE, words, beside=beside)
    if claim.qualifier == "about" or any(cell.qualifier != "=" for cell in cells):
        words = "a number that is only said to be about, above or below another is no average"
        return Finding(claim.id, Verdict.NOT_CHECKABLE, words, beside=beside)
    ways = _ways(document, claim, cells)
    fits = []
    for name, weights in ways.items():
        for way in rules(c.source for c in (claim, *cells)):
            target = percent(claim.value, claim.unit or "").box(way[claim.source])
            if _average(cells, weights, way).meets(allowed(target, claim.qualifier)):
                fits.append(name)
                break
    nearest = dict.fromkeys({c.source for c in (claim, *cells)}, Rule.NEAREST)
    gives = {name: f"{name} {_average(cells, w, nearest)}" for name, w in ways.items()}
    words = f"{gives[next(iter(ways))]}; {claim.value.text} is printed"
    if not fits:
        return Finding(
            claim.id, Verdict.INCONSISTENT, words, "; ".join(gives.values()), beside=beside
        )
    return Finding(
        claim.id,
        Verdict.CONSISTENT,
        words,
        reading=" or ".join(fits),
        others=tuple(words for name, words in gives.items() if name not in fits),
        beside=beside,
    )


def _ways(document: Document, claim: Claim, cells: tuple[Claim, ...]) -> dict[str, list[float]]:
    """Name -> the weight of each cell."""
    ways = {f"average of all {len(cells)}": [1.0] * len(cells)}
    arm = document.arm(claim) or next((a for c in cells if (a := document.arm(c))), None)
    last = arm.facts.order.states[-1].casefold() if arm and arm.facts.order else None
    for cell in cells:
        if cell.domain and len(cells) > 1 and last in (None, cell.domain.casefold()):
            name = f"average without {cell.domain}" + (", the last" if last else "")
            ways[name] = [float(other is not cell) for other in cells]
    items = [cell.n.items for cell in cells]
    if len({*items}) > 1 and None not in items:
        ways["average weighted by items"] = [float(i or 0) for i in items]
    return ways


def _average(cells: tuple[Claim, ...], weights: list[float], way: dict[str, Rule]) -> Box:
    boxes = [
        percent(cell.value, cell.unit or "").box(way[cell.source]) for cell in cells if cell.value
    ]
    low = np.average([box.low for box in boxes], weights=weights)
    return Box(float(low), float(np.average([box.high for box in boxes], weights=weights)))
