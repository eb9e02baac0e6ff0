"""What sections read off a study, and the words in which it is printed.

Nothing undefined is ever printed as a number, and nothing that lacks a cell without saying so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from classay import registry
from classay.errors import InsufficientEvidence
from classay.evidence.noise import Floor, largest
from classay.evidence.quantities import DIGITS
from classay.mechanism import ablations, gap, strength
from classay.metrics import learning_gain
from classay.metrics._matrix import NothingToDivideBy
from classay.reports.blocks import Block, Cell, Code, Heading, Number, Stack, number, shown
from classay.statistics.proportion import proportion
from classay.statistics.spread import spread
from classay.statistics.t_interval import t_interval
from classay.study import Floats, Study

NOTHING_TO_DIVIDE_BY = "not computable (what it divides by is 0)"
ROUNDING_DIGITS = 9  # of what another order of the same sums can change
# two folders deep or more, so that fractions and units are left alone
PATH = re.compile(r"(?<![\w./:])(?:~|[A-Za-z]:)?(?:[/\\][\w.@+~-]+){2,}[/\\]?")


def orders(study: Study) -> Iterator[tuple[int, list[Block]]]:
    """Every order of domains, with the heading that names it where there are several."""
    for order, domains in enumerate(study.orders):
        several = len(study.orders) > 1
        yield order, [Heading(f"Order {order + 1}: {' → '.join(domains)}")] if several else []


def upright(
    rows: tuple[str, Sequence[Cell]],
    columns: tuple[str, Sequence[Cell]],
    table: Sequence[Sequence[Cell]],
) -> tuple[list[Cell], list[list[Cell]]]:
    """A table whose longer side goes down the page.

    rows, columns  what each of that side is, and their heads
    table          (rows, columns)
    returns        its header and its body; turned over where there are more columns than rows
    """
    (kind, heads), (_, names) = rows, columns
    if len(names) > len(heads):
        (kind, heads), (_, names) = columns, rows
        table = list(zip(*table, strict=True))
    return [kind, *names], [[head, *cells] for head, cells in zip(heads, table, strict=True)]


def not_estimable(runs: int) -> str:
    """What is printed for a statistic that is undefined on this many runs."""
    return f"not estimable (n = {runs})"


def completeness(study: Study, method: str, order: int) -> str:
    """Empty, or that cells are missing and how many."""
    if not study.missing(method, order):
        return ""
    return f"incomplete ({len(study.runs(method, order))} of {len(study.suite.seeds)} seeds)"


def named(study: Study, method: str, order: int) -> Cell:
    """A method's name as the head of its row or column, with what must be said of it."""
    runs = len(study.runs(method, order))
    remarks = ["bound"] if method in study.bounds else []
    remarks.append(
        completeness(study, method, order) or f"n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{runs}"
    )
    return Stack(Code(method), ", ".join([*remarks, *strengths(study, method, order)]))


def strengths(study: Study, method: str, order: int) -> list[str]:
    """How much a mechanism does, which no number of its method is printed without."""

    def span(values: tuple[float, float]) -> str:
        low, high = (shown(value, 3) for value in values)
        return _in_one_line(low if low == high else f"{low} to {high}")

    found = [
        f"{_in_one_line(name)}\N{NO-BREAK SPACE}{span(values)}"
        for name, values in strength(study, method, order).items()
    ]
    for name in ablations(study, method, order):
        last = gap(study, method, name, order)[:, -1]
        found.append(f"gap without {name} {span((float(last.min()), float(last.max())))}")
    return found


def _in_one_line(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def noise(floor: Floor, unit: str) -> str:
    """The noise floor of a quantity, which no difference in it is printed without."""
    moved = [
        f"{text} {how}"
        for how, text in (
            ("under other random draws", _most(floor.draws, DIGITS.get(unit, 3), unit)),
            ("in another batch layout", _most(floor.layouts, ROUNDING_DIGITS, unit)),
        )
        if text
    ]
    fixed = (
        "" if not floor.fixed else " Other random draws cannot move it: it is 0 by construction."
    )
    if not moved:
        return f"Noise floor: not measured.{fixed}"
    return f"Noise floor: frozen alone moves by up to {' and '.join(moved)}.{fixed}"


def _most(moved: tuple[float, ...], digits: int, unit: str) -> str:
    """The largest move; one that rounds to nothing is not printed as none."""
    value = largest(moved)
    if value is None:
        return ""
    if not value:
        return shown(0.0, 0, unit=unit)
    if round(value, digits) == 0:
        return f"less than {shown(10.0**-digits, digits, unit=unit)}"
    return shown(value, digits, unit=unit)


def labelled(study: Study, method: str) -> str:
    """A method's name in a chart."""
    return f"{method} (bound)" if method in study.bounds else method


def seeds(study: Study, method: str, order: int) -> list[int]:
    """The seeds of a method's finished cells."""
    return [record.cell.seed for record in study.runs(method, order)]


def both(study: Study, a: str, b: str, order: int) -> tuple[Floats, Floats, list[int]]:
    """The losses of two methods on the seeds that both finished."""
    have_a, have_b = seeds(study, a, order), seeds(study, b, order)
    shared = [seed for seed in study.suite.seeds if seed in have_a and seed in have_b]
    return (
        study.loss(a, order)[[have_a.index(seed) for seed in shared]],
        study.loss(b, order)[[have_b.index(seed) for seed in shared]],
        shared,
    )


def conventions(kind: str) -> list[ModuleType]:
    """Every metric that reads a matrix of this kind, "loss" or "score"."""
    metrics = (registry.load("metric", name) for name in registry.names("metric"))
    return [metric for metric in metrics if kind == metric.INPUT]


def by_seed(metric: ModuleType, matrices: Floats) -> list[float] | str:
    """The metric of each seed's matrix, or why there is none."""
    try:
        return [float(metric.compute(matrix)) for matrix in matrices]
    except InsufficientEvidence:
        return f"not estimable ({matrices.shape[2]} domain(s))"
    except NothingToDivideBy:
        return NOTHING_TO_DIVIDE_BY
    except ValueError:
        return "not computable (a value is missing)"


def mean_and_range(
    values: Sequence[float] | str,
    digits: int = 2,
    sign: bool = True,
    unit: str = "",
    counted: bool = False,
) -> Cell:
    """The mean over seeds, with the least and the largest seed under it.

    counted  print n too, where it need not be that of the method's name
    """
    if isinstance(values, str):
        return values
    try:
        found = spread(values)
    except InsufficientEvidence:
        return not_estimable(0)
    mean = number(found.mean, digits, sign, unit)
    if found.runs == 1:
        return Stack(mean, "n = 1, no range")
    pattern = f"[{{}}, {{}}]  n = {found.runs}" if counted else "[{}, {}]"
    return Stack(mean, Number((found.low, found.high), digits, sign, "", pattern))


def of_the_learned(values: Sequence[float], learned: Sequence[bool]) -> Cell:
    """The mean and range over the seeds that learned; what was never learned was not forgotten."""
    kept = [value for value, counts in zip(values, learned, strict=True) if counts]
    if values and not kept:
        return "not learned"
    return mean_and_range(kept, counted=len(kept) < len(values))


def mean_and_interval(values: Sequence[float], level: float, digits: int, unit: str) -> Cell:
    """The mean over seeds, with its t interval under it."""
    try:
        found = t_interval(values, level)
    except InsufficientEvidence:
        return not_estimable(len(values))
    pattern = f"[{{}}, {{}}]  n = {found.runs}"
    return Stack(
        number(found.estimate, digits, True, unit),
        Number((found.low, found.high), digits, True, "", pattern),
    )


def right_of(right: int, asked: int, level: float) -> Cell:
    """Correct / asked, with Wilson's interval of the share under it."""
    try:
        found = proportion(right, asked, level)
    except InsufficientEvidence:
        return not_estimable(0)
    bounds = (100 * found.low, 100 * found.high)
    return Stack(
        Number((right, asked), 0, False, "", "{} / {}"), Number(bounds, 1, False, "%", "[{}, {}]")
    )


def listed(values: Sequence[float], digits: int = 2, sign: bool = True) -> Cell:
    """Every seed's value."""
    if not len(values):
        return not_estimable(0)
    return Number(tuple(map(float, values)), digits, sign, "", "  ".join(["{}"] * len(values)))


def learned(study: Study, method: str, order: int) -> NDArray[np.bool_]:
    """Whether each domain was learned by the plan's floor, (seeds, T)."""
    gains = learning_gain.per_domain(study.loss(method, order))
    return gains >= study.suite.statistics.learning_floor


def diagonal(losses: Floats) -> Floats:
    """The loss on each domain just after it was learned, (seeds, T)."""
    return np.asarray(np.diagonal(losses, offset=-1, axis1=1, axis2=2), dtype=np.float64)


def without_paths(text: str) -> str:
    """A message without the folders of the machine that it came from."""

    def last(found: re.Match[str]) -> str:
        return "…/" + re.split(r"[/\\]", found[0].rstrip("/\\"))[-1]

    return PATH.sub(last, text)
