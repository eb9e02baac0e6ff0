"""Two methods of one run, seed by seed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from classay.errors import ConfigError, InsufficientEvidence, UnknownName
from classay.evidence.noise import NOT_MEASURED, Floor, floors
from classay.evidence.quantities import ACCURACY, Quantity, quantities
from classay.statistics.disjoint_ranges import DisjointRanges, disjoint_ranges
from classay.statistics.paired_difference import PairedDifference, paired_difference
from classay.study import Study


class Compared(NamedTuple):
    """One quantity of two methods on the seeds that both finished.

    a, b         (n,)   one number a seed
    difference   a − b, with its paired t interval and exact p; None with fewer than 2 seeds
    ranges       whether the two overlap
    noise        how far FROZEN moves in this quantity when nothing a method could change is changed
    """

    title: str
    unit: str
    lower_is_better: bool
    seeds: tuple[int, ...]
    a: tuple[float, ...]
    b: tuple[float, ...]
    difference: PairedDifference | None
    ranges: DisjointRanges
    noise: Floor


class Comparison(NamedTuple):
    """Everything in which two methods are compared, and what is left out of it.

    left_out         seeds of the suite that not both finished
    not_computable   quantities that have no value in some seed, though they were measured
    """

    method_a: str
    method_b: str
    order: int
    compared: tuple[Compared, ...]
    left_out: tuple[int, ...]
    not_computable: tuple[str, ...]


def compare(study: Study, method_a: str, method_b: str, order: int = 0) -> Comparison:
    """Compare two methods of a run on the seeds that both finished.

    study      of one run; the cells of a seed were offered the same batches
    order      of domains, counted from 0
    returns    Comparison   of the suite's retention metric, the mean final loss, the mean gain over
               the base and, where there are probes, the mean accuracy at the end
    raises     UnknownName   a method that the run does not have
               ConfigError   the same method twice, an order that the run does not have, or no
                             seed that both finished
    """
    for method in (method_a, method_b):
        if method not in study.methods:
            raise UnknownName("method of this run", method, study.methods, "Ask for one of these.")
    if method_a == method_b:
        raise ConfigError(
            f"{method_a} was given twice, and two methods are needed.\n"
            f"  `classay status RUN` lists those of the run."
        )
    if not 0 <= order < len(study.orders):
        raise ConfigError(
            f"the order {order} was asked for, and the run has {len(study.orders)}, counted from 0."
            f"\n  Give one of them, or leave --order out."
        )
    seeds = [[r.cell.seed for r in study.runs(m, order)] for m in (method_a, method_b)]
    both = [seed for seed in seeds[0] if seed in seeds[1]]
    if not both:
        raise ConfigError(
            f"{method_a} and {method_b} have no seed in common that is done, and one is needed.\n"
            f"  `classay status RUN` says what has become of their cells."
        )
    lots = [[r for r in study.runs(m, order) if r.cell.seed in both] for m in (method_a, method_b)]
    found = [
        quantities(study, study.losses(runs, order), study.accuracies(runs, order)) for runs in lots
    ]
    noise, level = floors(study, order), study.suite.statistics.level
    compared = tuple(
        _compared(a, b, tuple(both), noise.get(a.title, NOT_MEASURED), level)
        for a, b in zip(*found, strict=True)
        if np.isfinite([a.values, b.values]).all()
    )
    unknown = tuple(
        a.title
        for a, b in zip(*found, strict=True)
        if not (finite := np.isfinite([a.values, b.values])).all()
        and (finite.any() or a.title != ACCURACY)  # without probes there is none to be computed
    )
    left_out = tuple(seed for seed in study.suite.seeds if seed not in both)
    return Comparison(method_a, method_b, order, compared, left_out, unknown)


def _compared(
    a: Quantity, b: Quantity, seeds: tuple[int, ...], noise: Floor, level: float
) -> Compared:
    try:
        difference = paired_difference(a.values, b.values, level)
    except InsufficientEvidence:
        difference = None
    return Compared(
        a.title,
        a.unit,
        a.lower_is_better,
        seeds,
        tuple(map(float, a.values)),
        tuple(map(float, b.values)),
        difference,
        disjoint_ranges(a.values, b.values),
        noise,
    )


def plain(comparison: Comparison) -> dict[str, Any]:
    """A comparison as plain JSON."""
    return {
        "a": comparison.method_a,
        "b": comparison.method_b,
        "order": comparison.order,
        "left_out_seeds": list(comparison.left_out),
        "not_computable": list(comparison.not_computable),
        "compared": [
            c._asdict()
            | {
                "difference": c.difference._asdict() if c.difference else None,
                "ranges": c.ranges._asdict(),
                "noise": c.noise._asdict(),
            }
            for c in comparison.compared
        ],
    }
