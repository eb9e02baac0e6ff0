"""Cells (method × seed × order) → done: what is shared, what runs when, how a task ended."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from classay import cell as cell_life
from classay import circumstances, registry, shared
from classay.determinism import environment
from classay.errors import ConfigError, Interrupted, LedgerError
from classay.executors import local
from classay.executors.local import Task
from classay.layout import Cell, RunFolder, cells
from classay.ledger import Ledger, last
from classay.prepare import Options
from classay.records import EndRow
from classay.suite import Suite

UNCAUGHT = 1  # what Python exits with when an exception is not caught
State = Literal["pending", "running", "done", "failed"]


def state(folder: RunFolder, cell: Cell) -> tuple[State, EndRow | None]:
    """What has become of a cell."""
    path = folder.cell(cell) / "ledger.jsonl"
    if not path.exists():
        return "pending", None
    if not path.read_bytes().endswith(b"\n"):
        return "running", None  # a last line that was never acknowledged
    end = last(path)
    if not isinstance(end, EndRow):
        return "running", None
    return ("done" if end.status == "done" else "failed"), end


def execute(
    folder: RunFolder,
    options: Options,
    progress: Callable[[str, float], None],
    ended: Callable[[str, str], None],
) -> None:
    """Run what is not done: shared work first, then cells, then the instrument's checks.

    progress  called with a task's name and the share that is done
    ended     called with a task's name and, if it did not end well, what it said
    """
    environment(options.online)
    setting, suite = folder.read()
    circumstances.same_program(folder.about, setting)
    with _alone(folder):
        tasks = plan(folder, suite, options.share)
        by_name = {cell.name: cell for cell in cells(suite)}

        def over(task: Task, code: int, said: str) -> None:
            ended(task.name, _closed(folder, by_name.get(task.name), task, code, said))

        local.run(tasks, options.jobs, not options.device.startswith("cuda"), progress, over)


def plan(folder: RunFolder, suite: Suite, share: bool) -> list[Task]:
    """The tasks that are left, each with those that must end before it."""
    tasks: list[Task] = []
    left = [cell for cell in cells(suite) if state(folder, cell)[0] in ("pending", "running")]
    before: dict[str, set[str]] = {cell.name: set() for cell in left}
    fresh = [cell for cell in left if state(folder, cell)[0] == "pending"]
    if share and fresh:
        tasks += _shared_tasks(folder, suite, fresh, before)
    # the longest first, so that none is left running alone at the end
    weight = {name: budgets(name, suite) for name in suite.methods}
    for cell in sorted(left, key=lambda c: -weight[c.method]):
        stderr = folder.cell(cell) / "stderr.txt"
        attempt = 1 + len(list(folder.path.glob(f"failed/{cell.name}-*")))
        tasks.append(
            Task(
                cell.name,
                cell_life.run,
                (folder, cell, share, attempt),
                stderr,
                frozenset(before[cell.name]),
            )
        )
    tasks += _checks(folder, suite, {cell.name for cell in left})
    seed = suite.seeds[0]
    for domain in dict.fromkeys(order[0] for order in suite.all_orders()):
        check = folder.check(f"replay-{domain}-s{seed}")
        if not _done(check):
            name, stderr = f"replay {domain}-s{seed}", check / "stderr.txt"
            tasks.append(Task(name, shared.replay, (folder, seed, domain), stderr))
    return tasks


def retry(folder: RunFolder) -> list[str]:
    """Set failed cells and failed checks aside, kept as they are, so that they are run again.

    raises  ConfigError   where they could not be run again: another process runs the folder, or
                          another program began it; nothing has been moved then
    """
    setting, suite = folder.read()
    circumstances.same_program(folder.about, setting)
    with _alone(folder):
        failed = [folder.cell(cell) for cell in cells(suite) if state(folder, cell)[0] == "failed"]
        for path in sorted(folder.path.glob("checks/*/ledger.jsonl")):
            end = last(path) if _done(path.parent) else None
            if isinstance(end, EndRow) and end.status == "failed":
                failed.append(path.parent)
        for place in failed:
            attempt = 1 + len(list(folder.path.glob(f"failed/{place.name}-*")))
            aside = folder.path / "failed" / f"{place.name}-{attempt}"
            aside.parent.mkdir(exist_ok=True)
            place.rename(aside)
    return [place.name for place in failed]


def _shared_tasks(
    folder: RunFolder, suite: Suite, fresh: list[Cell], before: dict[str, set[str]]
) -> list[Task]:
    tasks = []
    if not _done(folder.shared("base")):
        stderr = folder.shared("base") / "stderr.txt"
        tasks.append(Task("base", shared.evaluate_base, (folder,), stderr))
        for cell in fresh:
            before[cell.name].add("base")
    plain = [
        c
        for c in fresh
        if registry.load("method", suite.method_of(c.method)).METHOD.plain_first_phase
        and not c.draw
    ]
    for seed, domain in sorted({(c.seed, suite.all_orders()[c.order][0]) for c in plain}):
        sharing = [c for c in plain if c.seed == seed and suite.all_orders()[c.order][0] == domain]
        work = cell_life.first_phase_name(seed, domain)
        if len(sharing) > 1 and not _done(folder.shared(work)):
            stderr = folder.shared(work) / "stderr.txt"
            tasks.append(Task(work, shared.first_phase, (folder, seed, domain), stderr))
            for cell in sharing:
                before[cell.name].add(work)
    return tasks


def budgets(method: str, suite: Suite) -> float:
    """How many times the budget of one domain a cell of this method costs."""
    module = registry.load("method", suite.method_of(method))
    domains = len(suite.stream.domains)
    cost: float = module.METHOD.budgets(registry.resolve(method, suite.methods[method]), domains)
    return cost


def _checks(folder: RunFolder, suite: Suite, waiting: set[str]) -> Iterator[Task]:
    """What is measured again, in a fresh process, once a cell has ended."""
    for cell in (c for c in cells(suite) if not c.draw and state(folder, c)[0] != "failed"):
        again = {"fresh": shared.reevaluate}
        if cell.method == suite.redrawn:
            again["layout"] = shared.other_layout
        for kind, measure in again.items():
            check = folder.check(f"{kind}-{cell.name}")
            if not _done(check):
                after, stderr = frozenset({cell.name} & waiting), check / "stderr.txt"
                name = f"{'check' if kind == 'fresh' else kind} {cell.name}"
                yield Task(name, _if_done, (measure, folder, cell), stderr, after)


def _if_done(
    measure: Callable[[RunFolder, Cell, cell_life.Tell], None],
    folder: RunFolder,
    cell: Cell,
    tell: cell_life.Tell,
) -> None:
    if state(folder, cell)[0] == "done":
        measure(folder, cell, tell)


def _done(place: Path) -> bool:
    path = place / "ledger.jsonl"
    whole = path.exists() and path.read_bytes().endswith(b"\n")
    return whole and isinstance(last(path), EndRow)


def _closed(folder: RunFolder, cell: Cell | None, task: Task, code: int, said: str) -> str:
    """What a task said when it did not end well; a cell that died without a word gets its end."""
    if code == 0:
        end = state(folder, cell)[1] if cell else None
        return (end.error or "") if end else ""
    if not said:
        stderr = task.stderr.read_text("utf-8", "replace").strip() if task.stderr.exists() else ""
        last = stderr.splitlines()[-1] if stderr else "it said nothing"
        death = f"killed by signal {-code}" if code < 0 else f"stopped with exit code {code}"
        said = f"{death}: {last}"
    if code in (ConfigError.exit_code, Interrupted.exit_code, LedgerError.exit_code):
        return said  # not the cell's fault: it has not ended and goes on when it is run again
    place = folder.cell(cell) if cell else task.stderr.parent
    name = cell.name if cell else place.relative_to(folder.path).as_posix()
    with Ledger(place / "ledger.jsonl", name) as ledger, suppress(Interrupted):
        if ledger.ended is None:
            ledger.end(
                status="failed",
                failure="bug" if code == UNCAUGHT else "infrastructure",
                error=said,
                base=None,
                seconds=0.0,
            )
    return f"{said}\n  See {task.stderr}."


@contextmanager
def _alone(folder: RunFolder) -> Iterator[None]:
    """Hold the run's folder against a second ``classay run`` on it."""
    with (folder.path / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"{folder.path} is being run by another process.\n"
                f"  Two writers would mix their rows. Wait for it; `classay status` shows how far "
                f"it is."
            ) from error
        yield
