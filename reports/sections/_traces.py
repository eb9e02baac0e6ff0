"""What a mechanism was after every step of the stream, drawn beside what was promised of it."""

from __future__ import annotations

from collections.abc import Sequence

from classay import registry
from classay.mechanism import Envelope, envelopes, phase_ends
from classay.reports import traces
from classay.reports.blocks import Block, Cell, Figure, Number, Paragraph, Stack, Table, number
from classay.reports.readings import completeness
from classay.study import Study

FEW = 6  # methods
DIGITS = {True: 9, False: 4}  # promises are about rounding; what is only shown is not


def traced(study: Study, order: int) -> list[Block]:
    """A figure for every method that records what its mechanism was.

    choices  of more than ``FEW`` such methods only the first name of each is drawn, so that the
             page opens as fast as one of few; which are not is said
    """
    found = {method: envelopes(study, method, order) for method in study.methods}
    drawn = {method: kept for method, kept in found.items() if kept}
    firsts = {study.suite.method_of(method): method for method in reversed(drawn)}.values()
    shown = [method for method in drawn if len(drawn) <= FEW or method in firsts]
    blocks: list[Block] = [_figure(study, order, method, drawn[method]) for method in shown]
    if rest := [method for method in drawn if method not in shown]:
        blocks.append(
            Paragraph(
                f"Of each method the first is drawn. classay report RUN --methods NAMES --output "
                f"FILE draws the others: {', '.join(rest)}."
            )
        )
    return blocks


def _figure(study: Study, order: int, method: str, found: Sequence[Envelope]) -> Figure:
    panels = {name: [e for e in found if e.name == name] for name in (e.name for e in found)}
    missing = completeness(study, method, order)
    title = f"{method}: its mechanism over the stream" + (f", {missing}" if missing else "")
    phases = [f"{i + 1} {domain}" for i, domain in enumerate(study.orders[order])]
    description = (
        f"After every optimizer step, from the least to the greatest value over all layers and "
        f"seeds. Thin lines part the phases: {', '.join(phases)}. Shaded between dashed lines is "
        f"what is promised; a cross is outside. {_certifies(study, method)} The axis of a promise "
        f"about rounding is logarithmic down to a thousandth of the tolerance; others are linear, "
        f"from 0 where nothing is promised. A point may stand for several steps, and then spans "
        f"them all, so that nothing outside is lost."
    )
    svg = traces.traces(
        panels,
        phase_ends(study, method, order),
        name=f"traces-{order}-{study.methods.index(method)}",
        title=title,
        description=description,
    )
    rows = [_row(envelope, phases[envelope.phase]) for envelope in found]
    header = ("Number", "Least", "Greatest", "Allowed", "Outside")
    return Figure(title, description, svg, Table(f"{title}, phase by phase", header, rows))


def _row(envelope: Envelope, phase: str) -> list[Cell]:
    digits = DIGITS[envelope.promised is not None]
    allowed: Cell = "only shown"
    outside: Cell = "–"
    if envelope.promised is not None:
        allowed = Number(envelope.promised, digits, pattern="{} to {}")
        outside = Number((envelope.outside, envelope.measured), 0, pattern="{} of {}")
    return [
        Stack(envelope.name, f"phase {phase}"),
        number(min(envelope.least), digits),
        number(max(envelope.greatest), digits),
        allowed,
        outside,
    ]


def _certifies(study: Study, method: str) -> str:
    module = registry.load("method", study.suite.method_of(method))
    if hasattr(module, "CERTIFIES"):
        return "What staying inside certifies, and what not, stands at the head of this section."
    return "The method does not say what staying inside certifies."
