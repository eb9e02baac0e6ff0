"""Cells (method × seed × order) → done: what is prepared, what is shared, what runs when."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from classay import cell as cell_life
from classay import circumstances, demonstration, registry, scans, shared, sources, stream
from classay.base import TokenizerFiles, locate
from classay.determinism import environment
from classay.errors import ConfigError, Interrupted, LedgerError
from classay.executors import local
from classay.executors.local import Task
from classay.layout import Cell, RunFolder, write_atomically
from classay.ledger import Ledger, read
from classay.records import EndRow, digest
from classay.suite import Suite

UNCAUGHT = 1  # what Python exits with when an exception is not caught
State = Literal["pending", "running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Options:
    """How a suite is run; what changes bits (device, threads) is part of the run's identity."""

    data: Path
    out: Path = Path("runs")
    device: str = "cpu"
    jobs: int = 1
    threads: int = 1
    share: bool = True
    online: bool = False


def cells(suite: Suite) -> list[Cell]:
    """Every cell of a suite, seed by seed, so that early results cover every method."""
    return [
        Cell(method, seed, order)
        for order in range(len(suite.all_orders()))
        for seed in suite.seeds
        for method in suite.methods
    ]


def prepare(suite: Suite, options: Options) -> RunFolder:
    """Check everything that can be wrong before a model is trained, and make the run's folder.

    returns  the folder, new or found: the same suite on the same content is the same run
    raises   ConfigError, StreamError   before any work
    """
    environment(options.online)
    registry.check(suite)
    records = [sources.load(d, options.data, options.online) for d in suite.evaluated()]
    if suite.base.demonstration:
        files = demonstration.base(options.out / "demonstration-base", records)
    else:
        files = locate(suite.base, options.online)
    content = {"base": files.digest, **{f"domain {part.domain}": part.digest for part in records}}
    identity = digest([suite.identity(content), options.device, options.threads])
    folder = RunFolder(options.out / f"{suite.name}-{identity[:12]}")
    if folder.about.exists():
        _same_program(folder)
        return folder
    overlap, leak = scans.overlap(records, suite.stream), scans.leak(records, suite.stream)
    stream.save(stream.build(suite, records, TokenizerFiles(files)), folder.stream)
    about = {
        "schema": 1,
        "identity": identity,
        "content": content,
        "suite": suite.model_dump(mode="json"),
        "base": str(files.folder.resolve()),
        "parameters": files.parameters,
        "device": options.device,
        "threads": options.threads,
        "code": circumstances.code(),
        "libraries": _libraries(),
        "overlap": [row._asdict() for row in overlap],
        "leak": [row._asdict() for row in leak],
    }
    # not sorted: the order of the methods is the suite's
    write_atomically(folder.about, json.dumps(about, ensure_ascii=False).encode())
    return folder


def state(folder: RunFolder, cell: Cell) -> tuple[State, EndRow | None]:
    """What has become of a cell."""
    path = folder.cell(cell) / "ledger.jsonl"
    if not path.exists():
        return "pending", None
    last = json.loads(path.read_bytes().rstrip(b"\n").rpartition(b"\n")[2] or b"{}")
    if last.get("kind") != "end":
        return "running", None
    end = read(path, cell.name)[-1]
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
    _, suite = folder.read()
    with _alone(folder):
        tasks = plan(folder, suite, options.share)
        by_name = {cell.name: cell for cell in cells(suite)}

        def over(task: Task, code: int, said: str) -> None:
            ended(task.name, _closed(folder, by_name.get(task.name), task, code, said))

        local.run(tasks, options.jobs, not options.device.startswith("cuda"), progress, over)


def plan(folder: RunFolder, suite: Suite, share: bool) -> list[Task]:
    """The tasks that are left, each with those that must end before it."""
    tasks: list[Task] = []
    first = [Cell(m, s, o) for o in range(len(suite.all_orders())) for s in suite.seeds[:1]
             for m in list(suite.methods)[:1]]  # fmt: skip
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
    waiting = {cell.name for cell in left}
    for cell in cells(suite):
        check = folder.check(f"fresh-{cell.name}")
        if state(folder, cell)[0] != "failed" and not _done(check):
            after = frozenset({cell.name} & waiting)
            stderr = check / "stderr.txt"
            tasks.append(Task(f"check {cell.name}", _reevaluate, (folder, cell), stderr, after))
    for cell in first:
        domain = suite.all_orders()[cell.order][0]
        check = folder.check(f"replay-{domain}-s{cell.seed}")
        if not _done(check):
            tasks.append(
                Task(
                    f"replay {domain}-s{cell.seed}",
                    shared.replay,
                    (folder, cell.seed, domain),
                    check / "stderr.txt",
                )
            )
    return list({task.name: task for task in tasks}.values())


def retry(folder: RunFolder) -> list[str]:
    """Set failed cells aside, kept as they are, so that they are run again under the same seed."""
    _, suite = folder.read()
    moved = []
    for cell in cells(suite):
        if state(folder, cell)[0] == "failed":
            attempt = 1 + len(list(folder.path.glob(f"failed/{cell.name}-*")))
            place = folder.path / "failed" / f"{cell.name}-{attempt}"
            place.parent.mkdir(exist_ok=True)
            folder.cell(cell).rename(place)
            moved.append(cell.name)
    return moved


def _shared_tasks(
    folder: RunFolder, suite: Suite, fresh: list[Cell], before: dict[str, set[str]]
) -> list[Task]:
    tasks = []
    if not _done(folder.shared("base")):
        stderr = folder.shared("base") / "stderr.txt"
        tasks.append(Task("base", shared.evaluate_base, (folder,), stderr))
        for cell in fresh:
            before[cell.name].add("base")
    plain = [c for c in fresh if registry.load("method", c.method).METHOD.plain_first_phase]
    for seed, domain in sorted({(c.seed, suite.all_orders()[c.order][0]) for c in plain}):
        sharing = [c for c in plain if c.seed == seed and suite.all_orders()[c.order][0] == domain]
        work = cell_life.first_phase_name(seed, domain)
        if len(sharing) > 1 and not _done(folder.shared(work)):
            stderr = folder.shared(work) / "stderr.txt"
            tasks.append(Task(work, shared.first_phase, (folder, seed, domain), stderr))
            for cell in sharing:
                before[cell.name].add(work)
    return tasks


def budgets(method: str, suite: Suite) -> int:
    """How many times the budget of one domain a cell of this method costs."""
    cost: int = registry.load("method", method).METHOD.budgets(len(suite.stream.domains))
    return cost


def _reevaluate(folder: RunFolder, cell: Cell, tell: cell_life.Tell) -> None:
    if state(folder, cell)[0] == "done":
        shared.reevaluate(folder, cell, tell)


def _done(place: Path) -> bool:
    path = place / "ledger.jsonl"
    rows = read(path) if path.exists() and path.read_bytes().endswith(b"\n") else []
    return bool(rows) and isinstance(rows[-1], EndRow)


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
    if cell is None or code in (Interrupted.exit_code, LedgerError.exit_code):
        return said
    path = folder.cell(cell) / "ledger.jsonl"
    with Ledger(path, cell.name) as ledger, suppress(Interrupted):
        if ledger.ended is None:
            ledger.end(
                status="failed",
                failure="bug" if code == UNCAUGHT else "infrastructure",
                error=said,
                base=None,
                seconds=0.0,
            )
    return f"{said}\n  See {task.stderr}."


def _same_program(folder: RunFolder) -> None:
    about = json.loads(folder.about.read_text("utf-8"))
    then = {"code": about["code"][:12], **about["libraries"]}
    now = {"code": circumstances.code()[:12], **_libraries()}
    if other := [f"{k} was {then.get(k)}, is {now.get(k)}" for k in now if then.get(k) != now[k]]:
        raise ConfigError(
            f"{folder.path} was begun by another program ({'; '.join(other)}).\n"
            f"  Cells of one run must come from one program. Install what began it, or give --out "
            f"another folder."
        )


def _libraries() -> dict[str, str]:
    found = circumstances.versions()
    return {name: found[name] for name in circumstances.LIBRARIES if name in found}


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
