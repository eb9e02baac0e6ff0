"""The loss just after learning, against learners that had it easier."""

from __future__ import annotations

from collections.abc import Callable

from classay.evidence.noise import Floor, redrawn
from classay.reports.blocks import Cell, Table
from classay.reports.readings import both, diagonal, listed, mean_and_range, named, noise
from classay.reports.readings import seeds as seeds_of
from classay.statistics.single_task_parity import single_task_parity
from classay.study import Floats, Study


def parity(study: Study, order: int) -> Table:
    """Against FROZEN, which learns each domain alone."""

    def reading(losses: Floats, alone: Floats) -> list[float]:
        return [float(x) for x in single_task_parity(losses, diagonal(alone)).mean(axis=1)]

    title = "Single-task parity: loss just after learning, against a learner of one domain"
    note = "Mean over domains. Above 0: learned less than frozen, which learns each domain alone."
    return _against(study, "frozen", order, reading, "%", title, note)


def intransigence(study: Study, order: int) -> Table:
    """Against joint training on everything up to and with the domain."""

    def reading(losses: Floats, joint: Floats) -> list[float]:
        return [float(x) for x in (diagonal(losses) - diagonal(joint)).mean(axis=1)]

    title = "Intransigence: loss just after learning, minus that of joint training"
    note = "Mean over domains. Above 0: learned less than joint training on all domains so far."
    return _against(study, "joint", order, reading, "nats/token", title, note)


def _against(
    study: Study,
    other: str,
    order: int,
    reading: Callable[[Floats, Floats], list[float]],
    unit: str,
    title: str,
    note: str,
) -> Table:
    rows: list[tuple[Cell, Cell, Cell]] = []
    digits = 2 if unit == "%" else 3
    for method in (m for m in study.methods if m != other):
        ours, theirs, seeds = both(study, method, other, order)
        values = reading(ours, theirs) if seeds else []
        mean = mean_and_range(values, digits, counted=True)
        rows.append((named(study, method, order), listed(values, digits), mean))
    header = ("Method", f"Each seed ({unit})", "Mean, [least, largest seed]")
    floor = noise(_floor(study, other, order, reading), unit)
    return Table(title, header, rows, f"{note} {floor}")


def _floor(
    study: Study, other: str, order: int, reading: Callable[[Floats, Floats], list[float]]
) -> Floor:
    """How far FROZEN under other draws is from itself, by the same reading."""
    have = seeds_of(study, other, order)
    pairs = [p for p in zip(*redrawn(study, order), strict=True) if p[1].cell.seed in have]
    if not pairs:
        return Floor((), ())
    theirs = study.loss(other, order)[[have.index(own.cell.seed) for _, own in pairs]]
    lots = [study.losses(runs, order) for runs in zip(*pairs, strict=True)]
    again, own = (reading(losses, theirs) for losses in lots)
    return Floor(tuple(a - b for a, b in zip(again, own, strict=True)), ())
