"""Report section: what methods promise of themselves, and what their mechanisms are worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from classay import registry
from classay.evidence.rerun import Judged
from classay.mechanism import Range, Reading, readings
from classay.reports.blocks import Block, Cell, Number, Paragraph, Stack, Table, number
from classay.reports.readings import named, orders
from classay.reports.sections._bypass import gaps
from classay.reports.sections._traces import traced
from classay.study import Study

TITLE = "Mechanism"
DIGITS = 9  # promises are about rounding


def build(study: Study, judged: Judged) -> list[Block]:
    """The blocks of this section."""
    blocks: list[Block] = []
    for order, heading in orders(study):
        found = [*_promises(study, order), *traced(study, order), *gaps(study, order)]
        blocks += [*heading, *found] if found else []
    if not blocks:
        return [Paragraph("No method of this run states an invariant or can be switched off.")]
    said = [getattr(module, "CERTIFIES", "") for module in _modules(study)]
    return [*(Paragraph(text) for text in said if text), *blocks]


def _promises(study: Study, order: int) -> list[Block]:
    found = {method: readings(study, method, order) for method in study.methods}
    found = {method: numbers for method, numbers in found.items() if numbers}
    if not found:
        return []
    # one method may promise what another, a control for instance, only shows
    promised: dict[str, Range | None] = {}
    for reading in (r for numbers in found.values() for r in numbers):
        promised[reading.name] = promised.get(reading.name) or reading.promised
    rows: list[list[Cell]] = []
    for name, allowed in promised.items():
        said: str | Number = "only shown"
        if allowed:
            said = Number(allowed, DIGITS, pattern="promised: {} to {}")
        cells = [_cell(r) for numbers in found.values() for r in _named(numbers, name)]
        rows.append([Stack(name, said), *cells])
    table = Table(
        "What was measured in every layer after every optimizer step",
        ("Number", *(named(study, method, order) for method in found)),
        rows,
        "Least and greatest value over all layers, steps and seeds, under it how many measurements "
        "break the promise. Singular values are measured at the end of each phase.",
    )
    return [table, *_controls(study, found)]


def _named(numbers: Sequence[Reading], name: str) -> list[Reading | None]:
    return [r for r in numbers if r.name == name] or [None]


def _cell(reading: Reading | None) -> Cell:
    if reading is None:
        return "–"
    least, greatest = reading.found
    shown = Number(reading.found, DIGITS, pattern="{} to {}")
    if least == greatest:
        shown = number(least, DIGITS)
    if reading.promised is None:
        return Stack(shown, f"of {reading.measured:,}")
    return Stack(shown, f"{reading.outside:,} of {reading.measured:,} outside")


def _controls(study: Study, found: Mapping[str, Sequence[Reading]]) -> Iterator[Block]:
    """What a control keeps is no sign of what it replaces."""
    for method, numbers in found.items():
        control = study.suite.methods[method].get("control", "none")
        promised = [reading for reading in numbers if reading.promised]
        if control != "none" and promised:
            kept = sum(reading.outside == 0 for reading in promised)
            yield Paragraph(
                f"{method} is a control ({control}). It keeps {kept} of {len(promised)} promises, "
                f"so keeping those is no sign of the mechanism."
            )


def _modules(study: Study) -> list[object]:
    return [
        registry.load("method", name)
        for name in dict.fromkeys(map(study.suite.method_of, study.methods))
    ]
