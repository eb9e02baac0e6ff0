"""What methods promise of their mechanisms and what those do, read off a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from classay.recorded import CellRecord
from classay.records import EvalRow, InvariantRow, TraceRow
from classay.study import Floats, Study

Range = tuple[float, float]


class Reading(NamedTuple):
    """One number of a mechanism, over every layer and step of a method's finished cells."""

    name: str
    promised: Range | None  # the least and the greatest value allowed; None: it is only shown
    found: Range
    measured: int
    outside: int  # of what is promised


class Envelope(NamedTuple):
    """One traced number through one phase, over every layer and every seed."""

    name: str
    promised: Range | None  # the least and the greatest value allowed; None: it is only shown
    phase: int
    steps: list[int]  # optimizer steps since the stream began, after which it was measured
    least: list[float]  # one a step
    greatest: list[float]
    measured: int
    outside: int  # of what is promised


def readings(study: Study, method: str, order: int = 0) -> list[Reading]:
    """Every number that a method shows of its mechanism: what it promises first, then by name."""
    kept: dict[str, tuple[Range | None, list[float]]] = {}
    for run in study.runs(method, order):
        for name, promised, value in _measured(run):
            kept.setdefault(name, (promised, []))[1].append(value)
    return [
        Reading(
            name,
            promised,
            (min(values), max(values)),
            len(values),
            sum(not _inside(promised, value) for value in values),
        )
        for name, (promised, values) in sorted(
            kept.items(), key=lambda item: (item[1][0] is None, item[0])
        )
    ]


def promises(study: Study) -> list[bool]:
    """Whether each promise was kept, at every measurement of every cell."""
    return [
        _inside(promised, value)
        for run in study.cells
        for _, promised, value in _measured(run)
        if promised is not None
    ]


def strength(study: Study, method: str, order: int = 0) -> dict[str, Range]:
    """What a mechanism that promises nothing of it was when the stream ended.

    returns  name -> the least and the greatest over layers and seeds, after the last step
    """
    kept: dict[str, list[float]] = {}
    for run in study.runs(method, order):
        rows = run.of(TraceRow)
        places = list(dict.fromkeys((row.phase, row.step) for row in rows))
        for row in rows:
            # the last place of all is the phase's end; several mechanisms have a row each
            last = [(row.phase, row.step)] == places[-2:-1]
            for name, values in row.values.items() if last else ():
                if name not in row.promised:
                    kept.setdefault(name, []).extend(values)
    return {name: (min(values), max(values)) for name, values in kept.items()}


def phase_ends(study: Study, method: str, order: int = 0) -> list[int]:
    """How many optimizer steps of a method lie behind it at the end of every phase."""
    lengths = [[row.steps for row in rows] for rows in study.phases(method, order)]
    longest = map(max, zip(*lengths, strict=True))
    return list(accumulate(longest))


def envelopes(study: Study, method: str, order: int = 0) -> list[Envelope]:
    """Every number that a method traces, phase by phase: what it promises first, then by name.

    returns  what is measured at the end of a phase counts to that phase's last step
    """
    ends = phase_ends(study, method, order)
    kept: dict[tuple[bool, str, int], tuple[Range | None, dict[int, list[float]]]] = {}
    for run in study.runs(method, order):
        for row in run.of(TraceRow):
            begin = ends[row.phase - 1] if row.phase else 0
            step = min(begin + row.step + 1, ends[row.phase])
            for name, values in row.values.items():
                promised = row.promised.get(name)
                place = (promised is None, name, row.phase)
                _, by_step = kept.setdefault(place, (promised, {}))
                by_step.setdefault(step, []).extend(values)
    return [
        _envelope(name, promised, phase, by_step)
        for (_, name, phase), (promised, by_step) in sorted(kept.items(), key=lambda item: item[0])
    ]


def ablations(study: Study, method: str, order: int = 0) -> list[str]:
    """The mechanisms of a method that were switched off to be measured."""
    names = (r.ablation for run in study.runs(method, order) for r in run.of(EvalRow))
    return list(dict.fromkeys(name for name in names if name is not None))


def gap(study: Study, method: str, ablation: str, order: int = 0) -> Floats:
    """What a mechanism is worth to the hold-out loss, at the end of every phase.

    ::

        loss with the mechanism off − loss as the method answers          > 0: it helps

    returns  (seeds, T, T) in nats per token, a row a phase and a column a domain in the order in
             which they were learned; nan where the domain was not learned yet
    """
    domains, runs = study.orders[order], study.runs(method, order)
    table = np.full((len(runs), len(domains), len(domains)), np.nan)
    for i, run in enumerate(runs):
        rows = [row for row in run.of(EvalRow) if row.split == "holdout"]
        on = {(r.after, r.domain): r.total.nats / r.total.tokens for r in rows if not r.ablation}
        for row in rows:
            if row.ablation == ablation:
                off = row.total.nats / row.total.tokens
                place = (i, row.after, domains.index(row.domain))
                table[place] = off - on[row.after, row.domain]
    return table


def _envelope(
    name: str, promised: Range | None, phase: int, by_step: Mapping[int, list[float]]
) -> Envelope:
    steps = sorted(by_step)
    every = [value for values in by_step.values() for value in values]
    return Envelope(
        name,
        promised,
        phase,
        steps,
        [min(by_step[step]) for step in steps],
        [max(by_step[step]) for step in steps],
        len(every),
        sum(not _inside(promised, value) for value in every),
    )


def _measured(run: CellRecord) -> Iterator[tuple[str, Range | None, float]]:
    for row in run.rows:
        if isinstance(row, InvariantRow):
            allowed = (row.promised - row.tolerance, row.promised + row.tolerance)
            yield row.name, allowed, row.value
        elif isinstance(row, TraceRow):
            for name, values in row.values.items():
                for value in values:
                    yield name, row.promised.get(name), value


def _inside(promised: Range | None, value: float) -> bool:
    return promised is None or promised[0] <= value <= promised[1]
