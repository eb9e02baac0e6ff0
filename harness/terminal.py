"""What a person sees in the terminal: progress with the time left, and tables at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from classay import registry, runner
from classay.doctor import Finding
from classay.errors import InsufficientEvidence
from classay.evidence.choice import Choice
from classay.evidence.comparison import Compared, Comparison
from classay.evidence.noise import Floor, largest
from classay.evidence.rerun import Judged, Judgement
from classay.layout import RunFolder, cells
from classay.plan import CHOICES, CHOICES_IN_WORLD, Plan
from classay.statistics.spread import spread
from classay.study import Study

SETUP = 0.3  # of one domain's budget: what a short task costs beside a cell, for the time left


@contextmanager
def watching(
    folder: RunFolder, share: bool, quiet: bool
) -> Iterator[tuple[Callable[[str, float], None], Callable[[str, str], None]]]:
    """Progress bars on a terminal, one line a finished task elsewhere, nothing if quiet."""
    console = _console(quiet)
    _, suite = folder.read()
    weights = {task.name: float(SETUP) for task in runner.plan(folder, suite, share)} | {
        cell.name: runner.budgets(cell.method, suite)
        for cell in cells(suite)
        if runner.state(folder, cell)[0] in ("pending", "running")
    }
    if not console.is_terminal:
        yield (
            (lambda name, done: None),
            (lambda name, said: console.print(_line(name, said), soft_wrap=True)),
        )
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        whole = bars.add_task("all", total=sum(weights.values()))
        own: dict[str, TaskID] = {}
        done: dict[str, float] = {}

        def progress(name: str, share_done: float) -> None:
            if name not in own:
                own[name] = bars.add_task(f"  {name}", total=1.0)
            bars.update(own[name], completed=share_done)
            done[name] = share_done * weights.get(name, SETUP)
            bars.update(whole, completed=sum(done.values()))

        def ended(name: str, said: str) -> None:
            progress(name, 1.0)
            bars.remove_task(own[name])
            if said:
                console.print(_line(name, said), soft_wrap=True)

        yield progress, ended


@contextmanager
def making(quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """What is being made before cells can run: a bar on a terminal, one line a thing elsewhere."""
    console = _console(quiet)
    told: dict[str, TaskID] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:

        def tell(words: str, share: float) -> None:
            if words not in told:
                if not console.is_terminal:
                    console.print(words, soft_wrap=True)
                told[words] = bars.add_task(words, total=1.0)
            bars.update(told[words], completed=share)

        yield tell


def plan(made: Plan, gflops: float) -> None:
    """A plan, and what its design can show."""
    table = Table("method", "cells", "tokens trained", "tokens evaluated", "hours of one worker")
    for m in made.methods:
        name = f"{m.method} (bound)" if m.bound else m.method
        hours = "not known without --base" if m.hours is None else f"{m.hours:.2f}"
        table.add_row(name, str(m.cells), f"{m.tokens_trained:,}", f"{m.tokens_evaluated:,}", hours)
    console = _console()
    console.print(table)
    console.print(
        f"tokens evaluated: what routers and ablations need is among them; full rows and "
        f"{CHOICES} choices a probe are assumed, {CHOICES_IN_WORLD} in the built-in world"
    )
    if made.hours is not None and made.disk_bytes is not None:
        console.print(
            f"{made.cells} cells, about {made.hours:.2f} hours of one worker if it reaches "
            f"{gflops:g} GFLOP/s (assumed, not measured; --gflops), {made.disk_bytes / 1e6:.0f} MB"
        )
    effect = "not estimable (one seed)" if made.detectable is None else f"{made.detectable:.2f}"
    console.print(
        f"smallest p that these seeds can give: {made.p_floor_paired:.3g} paired, "
        f"{made.p_floor_unpaired:.3g} unpaired\nsmallest paired effect found with power 0.8 at "
        f"0.05: {effect} standard deviations of the difference"
    )


def status(study: Study) -> None:
    """Every cell and its state."""
    table = Table("cell", "state", "failure", "what it said")
    for record in study.records:
        end = record.end
        table.add_row(
            record.cell.name,
            record.state,
            (end.failure if end else None) or "",
            (end.error if end else None) or "",
        )
    _console().print(table)


def summary(study: Study, judged: Judged, digest: str) -> None:
    """The table at the end of a run."""
    console = _console()
    for check in judged.checks:
        mark = {True: "passed", False: "FAILED", None: "not made"}[check.passed]
        console.print(f"{mark:8} {check.name}: {check.found}", soft_wrap=True)
    unit = registry.load("metric", study.suite.statistics.retention).UNIT
    table = Table("method", "cells", f"{study.suite.statistics.retention} ({unit})", "verdict")
    for judgement in judged.judgements:
        table.add_row(*_row(study, judgement))
    for method in sorted(study.bounds):
        for order in range(len(study.orders)):
            table.add_row(method, _count(study, method, order), "", "a bound, not judged")
    console.print(table)
    if failed := [record for record in study.records if record.state != "done"]:
        for record in failed:
            said = (record.end.error if record.end else None) or "no end yet; run again to go on"
            line = f"{record.cell.name} is {record.state}: {said}"
            console.print(line, soft_wrap=True)
    if study.suite.base.demonstration:
        console.print(
            "This was a demonstration: the base has random weights, so nothing here says anything "
            "about a method."
        )
    console.print(f"report   {study.folder.report}", soft_wrap=True)
    console.print(f"manifest sha256 {digest}", soft_wrap=True)


def comparison(found: Comparison, sound: bool) -> None:
    """Two methods, quantity by quantity, with every seed; and whether the instrument is sound."""
    console = _console()
    a, b = found.method_a, found.method_b
    table = Table("quantity", "seed", a, b, f"{a} − {b}")
    for c in found.compared:
        for i, (seed, x, y) in enumerate(zip(c.seeds, c.a, c.b, strict=True)):
            name = f"{c.title} ({c.unit})" if i == 0 else ""
            table.add_row(name, str(seed), f"{x:.4f}", f"{y:.4f}", f"{x - y:+.4f}")
        table.add_section()
    console.print(table)
    for c in found.compared:
        console.print(f"{c.title}: {_difference(c)}", soft_wrap=True)
    for title in found.not_computable:
        console.print(f"{title}: not computable in some seed, and left out", soft_wrap=True)
    if found.left_out:
        seeds = ", ".join(map(str, found.left_out))
        console.print(f"left out, as not both methods finished them: seeds {seeds}", soft_wrap=True)
    if not sound:
        console.print(
            "The instrument failed a check, so nothing is concluded from these numbers; "
            "`classay report` names it.",
            soft_wrap=True,
        )


def choices(found: list[Choice]) -> None:
    """What a search tried and what it chose, every setting with its validation loss."""
    table = Table("method", "tried as", "settings", "validation loss (nats/token)", "")
    for choice in found:
        for i, tried in enumerate(choice.tried):
            loss = "no cell came to its end" if tried.loss is None else f"{tried.loss:.4f}"
            said = ["chosen"] if tried is choice.chosen else []
            table.add_row(
                choice.method if i == 0 else "",
                tried.name,
                ", ".join(f"{k}: {v}" for k, v in tried.settings.items()) or "none",
                loss,
                "; ".join([*said, *([tried.words] if tried.words else [])]),
            )
        table.add_section()
    _console().print(table)


def findings(found: list[Finding]) -> None:
    """What the doctor found."""
    table = Table("", "what", "found", "what to do")
    for finding in found:
        mark = "ok" if finding.fine else ("NEEDED" if finding.needed else "absent")
        table.add_row(mark, finding.name, finding.found, "" if finding.fine else finding.remedy)
    _console().print(table)


def _console(quiet: bool = False) -> Console:
    """Prints letter by letter: what a cell or a remedy says may hold brackets and colons."""
    return Console(quiet=quiet, markup=False, emoji=False, highlight=False)


def _row(study: Study, judgement: Judgement) -> tuple[str, ...]:
    try:
        values: Any = spread(judgement.drift)
        drift = f"{values.mean:+.2f}, seeds {values.low:+.2f} to {values.high:+.2f}"
    except InsufficientEvidence:
        drift = "not estimable"
    if judgement.unlearned:
        drift = f"not learned: {', '.join(judgement.unlearned)}"
    elif judgement.naive.little:
        drift += f"; {judgement.naive.words}"
    name = judgement.method + (f", order {judgement.order}" if len(study.orders) > 1 else "")
    cells_done = _count(study, judgement.method, judgement.order)
    return name, cells_done, drift, f"{judgement.verdict}: {judgement.words}"


def _count(study: Study, method: str, order: int) -> str:
    done, missing = study.runs(method, order), study.missing(method, order)
    return f"{len(done)} of {len(done) + len(missing)}"


def _line(name: str, said: str) -> str:
    return f"{name}: {said}" if said else f"{name}: done"


def _difference(c: Compared) -> str:
    apart = "the ranges do not overlap" if c.ranges.disjoint else "the ranges overlap"
    if c.difference is None:
        return f"one seed; the difference is not estimable; {apart}; {_noise(c.noise, c.unit)}"
    d = c.difference
    p = "" if d.p_exact is None else f"; exact p {d.p_exact:.3g}, and no data of {d.runs} pairs"
    p += f" can give less than {d.p_floor:.3g}" if p else ""
    interval = f"{100 * d.level:g} % t interval {d.low:+.4f} to {d.high:+.4f} ({d.assumption})"
    return f"mean {d.estimate:+.4f}, {interval}{p}; {apart}; {_noise(c.noise, c.unit)}"


def _noise(floor: Floor, unit: str) -> str:
    moved = [
        f"{value:.2g} {unit} {how}"
        for how, value in (
            ("under other random draws", largest(floor.draws)),
            ("in another batch layout", largest(floor.layouts)),
        )
        if value is not None
    ]
    fixed = ", and other draws cannot move it: it is 0 by construction" if floor.fixed else ""
    if not moved:
        return f"noise floor not measured{fixed}"
    return f"noise floor: FROZEN alone moves by up to {' and '.join(moved)}{fixed}"
