"""Matrices as JSON: a list of rows, an object with ``R``, or an object of such objects."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from classay.errors import ConfigError
from classay.logs.logged import Kind, Logged, Stated, stated
from classay.logs.rows import Cell, matrix, shape_notes, step
from classay.logs.source import Source

MOST = 200  # matrices of one file
NEEDED = (
    'A list of rows is needed, or an object with the key "R", or an object of such objects by '
    "name. Give one of these."
)


def sniff(source: Source) -> bool:
    """Whether a file may be one: it is called .json, or begins as JSON does."""
    return source.path.suffix == ".json" or source.data.lstrip()[:1] in (b"[", b"{")


def read(source: Source, said: Any, kind: Kind) -> list[Logged]:
    """The matrices in a JSON document.

    ::

        [[81.0], [75.5, 90.0]]
        {"R": [[81.0], [75.5, 90.0]], "tasks": ["a", "b"], "loss": false, "sizes": [100, 50],
         "printed": {"forgetting": "5.5"}, "logged_forgetting": 5.5,
         "logged_total_curve": [81.0, 80.3], "micro_logged": {"1": 81.0, "2": 80.3}}
        {"first": {"R": …}, "second": {"R": …}}

    said     the document: row i after stage i, with T cells or with only the i learned by then;
             null = not evaluated; T + 1 rows: the first is before training, [] if nothing was
             evaluated there
    kind     what the cells are where "loss" does not say it
    returns  one Logged a matrix; what is not in the example is not read
    raises   ConfigError   no matrix, or one that cannot be used
    """
    if isinstance(said, list):
        said = {"R": said}
    if not isinstance(said, dict):
        raise ConfigError(f"{source.path} holds {type(said).__name__}.\n  {NEEDED}")
    if "R" in said:
        return [_entry(source, source.path.stem, said, kind)]
    without = [name for name, e in said.items() if not isinstance(e, dict) or "R" not in e]
    if without or not said:
        found = f"the key {without[0][:60]!r} without a matrix" if without else "an empty object"
        raise ConfigError(f"{source.path} holds {found}.\n  {NEEDED}")
    if len(said) > MOST:
        raise ConfigError(
            f"{source.path} holds {len(said)} matrices; at most {MOST} are read at once.\n"
            f"  Split it into several files."
        )
    return [_entry(source, name, entry, kind) for name, entry in said.items()]


def _entry(source: Source, name: str, entry: Mapping[str, Any], kind: Kind) -> Logged:
    where = f"{source.path} ({name[:60]})"
    rows = _rows(where, entry["R"])
    values = matrix(where, rows)
    domains = values.shape[1]
    loss = entry.get("loss", kind == "loss")
    if not isinstance(loss, bool):
        raise ConfigError(f'{where} has "loss": {loss!r}.\n  Write true or false there.')
    tasks = entry.get("tasks", [f"task {j + 1}" for j in range(domains)])
    texts = isinstance(tasks, list) and all(isinstance(task, str) for task in tasks)
    if not texts or len(tasks) != domains:
        raise ConfigError(
            f'{where} has {domains} columns and its "tasks" do not name each of them.\n'
            f'  Give one text a column, or leave "tasks" out.'
        )
    if twice := next((task for task in tasks if tasks.count(task) > 1), None):
        raise ConfigError(
            f'{where} has {twice[:60]!r} twice in its "tasks".\n'
            f'  Each column must be a task of its own. Name each once, or leave "tasks" out.'
        )
    sizes = entry.get("sizes", [])
    if not (isinstance(sizes, list) and len(sizes) in (0, domains)) or not all(
        type(size) is int and 0 < size < 10**12 for size in sizes
    ):
        raise ConfigError(
            f'{where} has "sizes" that do not count the test items of each of {domains} tasks.\n'
            f'  Give one positive whole number a column, or leave "sizes" out.'
        )
    return Logged(
        name,
        str(source.path),
        source.sha256,
        values,
        "loss" if loss else "score",
        tuple(tasks),
        step(rows),
        _stated(where, entry),
        _totals(where, entry, domains),
        tuple(sizes),
        shape_notes(values),
    )


def _rows(where: str, said: Any) -> list[list[Cell]]:
    if not isinstance(said, list) or not all(isinstance(row, list) for row in said):
        raise ConfigError(f"{where} has a matrix that is no list of rows.\n  {NEEDED}")
    for row in said:
        for cell in row:
            if cell is not None and type(cell) not in (int, Decimal):
                raise ConfigError(
                    f"{where} holds {str(cell)[:40]!r} in its matrix.\n"
                    f"  Each cell must be a number, or null where nothing was evaluated."
                )
    return said


def _stated(where: str, entry: Mapping[str, Any]) -> tuple[Stated, ...]:
    said = entry.get("printed", {})
    if not isinstance(said, dict):
        raise ConfigError(
            f'{where} has "printed" numbers without labels.\n  Write {{"forgetting": "5.5"}}.'
        )
    if entry.get("logged_forgetting") is not None:
        said = said | {"logged_forgetting": entry["logged_forgetting"]}
    return tuple(stated(where, label, value) for label, value in said.items())


def _totals(where: str, entry: Mapping[str, Any], domains: int) -> tuple[float, ...]:
    said = entry.get("logged_total_curve")
    if said is None and isinstance(entry.get("micro_logged"), dict):
        said = [entry["micro_logged"].get(str(stage + 1)) for stage in range(domains)]
    if said is None:
        return ()
    numbers = isinstance(said, list) and all(
        total is None or type(total) in (int, Decimal) for total in said
    )
    if not numbers or len(said) != domains:
        raise ConfigError(
            f"{where} has totals that are not one number a stage.\n"
            f"  Give {domains} of them, null where there is none."
        )
    return tuple(float("nan") if total is None else float(Decimal(total)) for total in said)
