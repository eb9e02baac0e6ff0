"""Retention seed by seed, and whether the seeds of two methods are apart."""

from __future__ import annotations

from itertools import combinations, pairwise

from classay import registry
from classay.evidence.noise import NOT_MEASURED, floors
from classay.evidence.quantities import DIGITS
from classay.reports.blocks import Cell, Mark, Number, Stack, Table, number
from classay.reports.readings import by_seed, completeness, noise
from classay.statistics.disjoint_ranges import MEANING, disjoint_ranges
from classay.statistics.spread import spread
from classay.study import Study

EVERY_PAIR = 10  # competitors; more give more pairs than anybody reads


def drift_of(study: Study, order: int) -> dict[str, list[float]]:
    """The plan's retention metric: one value a finished seed, for every method."""
    metric = registry.load("metric", study.suite.statistics.retention)
    found = {m: by_seed(metric, study.loss(m, order)) for m in study.methods}
    return {m: values if isinstance(values, list) else [] for m, values in found.items()}


def ranked(study: Study, drift: dict[str, list[float]]) -> list[str]:
    """The methods that have a value, the one that retains best first."""
    metric = registry.load("metric", study.suite.statistics.retention)
    sign = 1 if metric.LOWER_IS_BETTER else -1
    return sorted((m for m in drift if drift[m]), key=lambda m: sign * spread(drift[m]).mean)


def ranges(study: Study, order: int) -> Table:
    """Whether the seeds of two competitors are apart.

    choices  every pair; of more than ``EVERY_PAIR`` competitors the neighbours in the order of
             their means, and each with the plan's reference
    """
    metric = registry.load("metric", study.suite.statistics.retention)
    drift = drift_of(study, order)
    digits, rows = DIGITS.get(metric.UNIT, 3), list[tuple[Cell, ...]]()
    measured = floors(study, order).get(metric.TITLE, NOT_MEASURED)
    floor = noise(measured, metric.UNIT)
    for a, b in _pairs(study, drift):
        found = disjoint_ranges(drift[a], drift[b])
        lows_highs = [x for pair in zip(found.lows, found.highs, strict=True) for x in pair]
        remarks = [
            f"{method} {gap}, " for method in (a, b) if (gap := completeness(study, method, order))
        ]
        rows.append((
            Stack(f"{a} and {b}", "".join(remarks) + f"n = {len(drift[a])} and {len(drift[b])}"),
            Mark("good", "disjoint") if found.disjoint else Mark("unknown", "overlap"),
            number(found.gap, digits, True, metric.UNIT),
            Number(tuple(lows_highs), digits, True, "", "[{}, {}] and [{}, {}]"),
            number(found.probability, 4),
        ))  # fmt: skip
    few = len(study.competitors) <= EVERY_PAIR
    which = "" if few else " (neighbours in the order of their means, and each with the reference)"
    return Table(
        f"Do the seeds of two competitors overlap?{which}",
        ("Pair", "Are they", "Gap", f"Ranges ({metric.UNIT})", "Chance alone"),
        rows,
        f"Gap below 0: the overlap. Chance alone: {MEANING}. {floor}",
    )


def _pairs(study: Study, drift: dict[str, list[float]]) -> list[tuple[str, str]]:
    if len(study.competitors) <= EVERY_PAIR:
        return list(combinations([m for m in study.competitors if drift[m]], 2))
    order = [m for m in ranked(study, drift) if m in study.competitors]
    reference = study.suite.statistics.reference
    pairs = [*pairwise(order), *((reference, m) for m in order if reference in order)]
    return [(a, b) for a, b in dict.fromkeys(pairs) if a != b]
