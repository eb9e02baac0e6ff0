"""What every metric asks of the matrix of evaluations before it uses a cell of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from classay.errors import ClassayError, InsufficientEvidence


class TooFewDomains(InsufficientEvidence):
    """The metric is undefined on a stream this short."""

    def __init__(self, title: str, have: int, need: int) -> None:
        # the parent's advice, more seeds, would not help
        ClassayError.__init__(
            self,
            f"{title} needs at least {need} domains, found {have}.\n"
            f"  It is reported as 'not estimable', never as zero. Use a longer stream.",
        )


class NothingToDivideBy(ValueError):
    """A reference of a relative change is not above 0, so that the change has no size."""


def evaluations(title: str, matrix: ArrayLike, least: int) -> NDArray[np.float64]:
    """The matrix as float64, once its shape says that it holds the row before training.

    title    of the metric that asks, for the message
    matrix   (T + 1, T)   row 0 before training, row p after phase p
    least    fewest domains on which the metric is defined
    returns  (T + 1, T)   float64; the caller's own array where it already is float64
    raises   ValueError   any other shape
             TooFewDomains   T < least
    """
    values = np.asarray(matrix, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] != values.shape[1] + 1 or values.shape[1] < 1:
        raise ValueError(
            f"{title} got a matrix of shape {values.shape}; it needs (T + 1, T) with T ≥ 1.\n"
            f"  Row 0 is the evaluation before any training; if it was skipped, put a row of nan."
        )
    if values.shape[1] < least:
        raise TooFewDomains(title, have=values.shape[1], need=least)
    return values


def known(
    title: str, values: NDArray[np.float64], rows: ArrayLike, columns: ArrayLike
) -> NDArray[np.float64]:
    """The cells asked for, every one of them a number.

    rows, columns   broadcast against each other, as in ``values[rows, columns]``
    returns  a copy, of the broadcast shape
    raises   ValueError   naming the first cell that is nan or infinite
    """
    r, c = np.broadcast_arrays(np.asarray(rows), np.asarray(columns))
    cells: NDArray[np.float64] = np.asarray(values[r, c], dtype=np.float64)
    for row, column, cell in zip(r.flat, c.flat, cells.flat, strict=True):
        if not np.isfinite(cell):
            raise ValueError(
                f"{title} is not computable: after phase {row} on domain {column + 1} is "
                f"{'missing' if np.isnan(cell) else 'infinite'} (row {row}, column {column}).\n"
                f"  It needs a number there. Evaluate that checkpoint; never fill the cell in."
            )
    return cells


def reference(
    title: str, values: NDArray[np.float64], rows: ArrayLike, columns: ArrayLike
) -> NDArray[np.float64]:
    """The cells asked for, every one of them above 0, because the metric divides by them."""
    cells = known(title, values, rows, columns)
    if np.any(cells <= 0):
        raise NothingToDivideBy(
            f"{title} is not computable: a reference is {cells.min():g} and it needs one above 0.\n"
            f"  A change relative to nothing has no size; use a metric in the unit of the matrix."
        )
    return cells
