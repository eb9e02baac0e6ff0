"""Rows of cells to a matrix with its row before training; refuses what is not one."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from classay.errors import ConfigError

MOST = 500  # tasks; every convention is still computed in seconds
LARGEST = 1e12  # no score and no loss is larger, and no sum of them overflows
NEEDED = "T rows of T cells are needed, or T + 1 where the first is before training"

Cell = Decimal | int | float | None


def matrix(where: str, rows: Sequence[Sequence[Cell]]) -> NDArray[np.float64]:
    """The matrix that rows of cells say.

    where    the file, and the matrix within it, for messages
    rows     T or T + 1 rows; each has T cells, or row i has only the i tasks learned by then,
             which before training are none
    returns  (T + 1, T) float64   row 0 is nan where there were T rows; nan where a cell is None
    raises   ConfigError   another shape, a cell that is not finite, nothing evaluated, or too large
    """
    width = max((len(row) for row in rows), default=0)
    if width > MOST:
        raise ConfigError(
            f"{where} has {width} tasks; at most {MOST} are read.\n"
            f"  A matrix of evaluations is needed. Leave out what is not one."
        )
    if width == 0 or len(rows) not in (width, width + 1):
        raise ConfigError(
            f"{where} has {len(rows)} rows, the longest of {width} cells.\n"
            f"  {NEEDED}: one row a stage, one column a task. Add what is left out, as empty cells."
        )
    first = len(rows) == width  # without the row before training, row i is after stage i + 1
    values = np.full((width + 1, width), np.nan)
    for i, row in enumerate(rows, start=int(first)):
        if len(row) not in (width, i):  # before training, no task was learned
            raise ConfigError(
                f"{where}, row {i + 1 - int(first)}, has {len(row)} cells and the longest row has "
                f"{width}.\n  {NEEDED}. Leave a cell empty where nothing was evaluated."
            )
        values[i, : len(row)] = [np.nan if cell is None else float(Decimal(cell)) for cell in row]
        given = np.array([cell is not None for cell in row], dtype=bool)
        if not np.all(np.abs(values[i, : len(row)][given]) <= LARGEST):
            raise ConfigError(
                f"{where}, row {i + 1 - int(first)}, holds a number that is not finite, or beyond "
                f"±{LARGEST:g}.\n"
                f"  A score or a loss is needed, or nothing where nothing was evaluated. Mend that "
                f"cell."
            )
    if np.all(np.isnan(values[1:])):
        raise ConfigError(
            f"{where} holds no evaluation after any stage.\n"
            f"  At least one cell is needed. Give the file that holds the scores or losses."
        )
    return values


def step(rows: Sequence[Sequence[Cell]]) -> float:
    """One unit of the last digit that the cells are printed with; 0 for binary numbers."""
    digits = [
        int(cell.as_tuple().exponent) if isinstance(cell, Decimal) else 0
        for row in rows
        for cell in row
        if cell is not None
    ]
    return float(f"1e{max(min(digits), -300)}") if digits else 0.0


def shape_notes(values: NDArray[np.float64]) -> tuple[str, ...]:
    """What looks odd about where a matrix has its zeros, one sentence each."""
    after = values[1:]
    tasks = after.shape[1]
    above, below = after[np.triu_indices(tasks, 1)], after[np.tril_indices(tasks, -1)]
    if tasks < 2:
        return ()
    if np.all(below == 0) and np.any(above > 0):
        return (
            "Every cell below the diagonal is 0: if columns are stages, as in the accuracy matrix "
            "that PILOT prints, this matrix must be transposed.",
        )
    if np.all(above == 0) and np.any(below > 0):
        return (
            "Every cell above the diagonal is 0 and is read as a score; leave such cells empty if "
            "nothing was evaluated there.",
        )
    return ()
