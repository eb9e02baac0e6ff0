"""The noise floor: how far FROZEN moves when nothing is changed that a method could change.

A difference between two methods is read beside it. FROZEN is trained a second time on the same
batches in the same order, with other initial weights and other dropout; and what it left at the end
is scored a second time in batches of another size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from classay.evidence.quantities import Quantity, quantities
from classay.recorded import CellRecord
from classay.records import EvalRow
from classay.study import Floats, Study


class Floor(NamedTuple):
    """How far one quantity moved, in its unit; empty where it was not measured.

    draws    under other draws minus its own, one a seed and draw
    layouts  in another batch layout minus its own, one a seed
    fixed    FROZEN is 0 in it whatever is drawn, so that no draw says anything of noise
    """

    draws: tuple[float, ...]
    layouts: tuple[float, ...]
    fixed: bool = False


NOT_MEASURED = Floor((), ())


def largest(moved: tuple[float, ...]) -> float | None:
    """The farthest that it moved in either direction; None if that was not measured."""
    return float(np.abs(moved).max()) if moved else None


def floors(study: Study, order: int = 0) -> Mapping[str, Floor]:
    """The noise floor of every quantity, by its title.

    ::

        |q(FROZEN, other draws) − q(FROZEN)|          the same batches, in the same order
        |q(FROZEN, other layout) − q(FROZEN)|         the same weights; the last row of the matrix

    returns  empty if the suite has no method frozen, or asks for no noise floor
    choices  every seed's, not their mean: a difference that one redraw of one seed can make is
             not a difference between methods; of cells that are done
             a quantity in which FROZEN is exactly 0 every time, as in drift, has no floor of draws:
             0 − 0 is 0 by construction; one that is read just after learning has none of layouts,
             as only what stands at the end is scored a second time
    """
    study = study.whole
    if study.suite.redrawn is None:
        return {}
    again, first = redrawn(study, order)
    drawn = list(zip(_of(study, again, order), _of(study, first, order), strict=True))
    moved = {new.title: _moved(new, old) for new, old in drawn}
    fixed = {
        new.title
        for new, old in drawn
        if new.values.size and not new.values.any() and not old.values.any()
    }
    runs = study.runs(study.suite.redrawn, order)
    scored = [(run, relaid) for run in runs if (relaid := _relaid(study, run)) is not None]
    if scored:
        tables = np.stack([table for _, table in scored])
        unasked = np.full_like(tables, np.nan)  # probes are not scored a second time
        theirs = quantities(study, study.losses([run for run, _ in scored], order), unasked)
        laid = zip(quantities(study, tables, unasked), theirs, strict=True)
        layouts = {new.title: _moved(new, old) for new, old in laid if new.at_the_end}
    else:
        layouts = {}
    return {
        title: Floor(() if title in fixed else moved[title], layouts.get(title, ()), title in fixed)
        for title in moved
    }


def redrawn(study: Study, order: int = 0) -> tuple[list[CellRecord], list[CellRecord]]:
    """FROZEN's cells under other draws, and for each the one whose batches it was offered.

    returns  of cells that are done; empty if there are none
    """
    study = study.whole
    name = study.suite.redrawn
    own = {run.cell.seed: run for run in study.runs(name, order)} if name else {}
    again = [
        record
        for record in study.redrawn
        if (record.state, record.cell.order) == ("done", order) and record.cell.seed in own
    ]
    return again, [own[record.cell.seed] for record in again]


def _of(study: Study, runs: list[CellRecord], order: int) -> list[Quantity]:
    return quantities(study, study.losses(runs, order), study.accuracies(runs, order))


def _moved(new: Quantity, old: Quantity) -> tuple[float, ...]:
    difference = new.values - old.values
    return tuple(map(float, difference[np.isfinite(difference)]))


def _relaid(study: Study, run: CellRecord) -> Floats | None:
    """The loss matrix of a cell with its last row as the other layout measured it."""
    rows = [r for r in study.check(f"layout-{run.cell.name}") if isinstance(r, EvalRow)]
    domains = study.orders[run.cell.order]
    if [row.domain for row in rows] != domains:
        return None
    table: Floats = study.losses([run], run.cell.order)[0].copy()
    table[-1] = [row.total.nats / row.total.tokens for row in rows]
    return table
