"""A matrix as CSV without a header: row i after stage i, one column a task."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal

from classay.claims.printed import MINUS
from classay.errors import ConfigError
from classay.logs.logged import Kind, Logged
from classay.logs.rows import MOST, NEEDED, matrix, shape_notes, step
from classay.logs.source import Source

BETWEEN = {";": "a semicolon", "\t": "a tab", " ": "a space"}  # where a comma is needed
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
FIRST = re.compile(rb"[\s\d,;.eE+\xe2\x88\x92-]+")  # a first line of numbers; U+2212 as UTF-8


def sniff(source: Source) -> bool:
    """Whether a file may be one: it is called .csv, or its first line has numbers and commas."""
    line = source.data.lstrip(b"\xef\xbb\xbf").partition(b"\n")[0]
    return source.path.suffix == ".csv" or bool(FIRST.fullmatch(line))


def read(source: Source, kind: Kind) -> list[Logged]:
    """The matrix in a CSV.

    source   T rows of T cells, empty where nothing was evaluated; T + 1 rows: the first is before
             training
    kind     what the cells are, which a CSV cannot say
    returns  one Logged
    raises   ConfigError   a cell that is no number, or rows that make no matrix
    """
    rows: list[list[Decimal | None]] = []
    try:
        for line in csv.reader(io.StringIO(source.text, newline=""), strict=True):
            if max(len(line), len(rows)) > MOST:
                raise ConfigError(
                    f"{source.path} has more than {MOST} rows or columns.\n"
                    f"  A matrix of at most {MOST} tasks is needed. Leave out what is not one."
                )
            cells = [cell.strip() for cell in line]
            if len(cells) > 1 or any(cells):
                rows.append([_cell(source, len(rows) + 1, cell) for cell in cells])
    except csv.Error as error:
        raise ConfigError(
            f"{source.path} is not CSV: {error}.\n"
            f"  Numbers with commas between them are needed. Save it as plain CSV."
        ) from None
    for i, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise ConfigError(
                f"{source.path}, row {i}, has {len(row)} cells and row 1 has {len(rows[0])}.\n"
                f"  {NEEDED}. Leave a cell empty where nothing was evaluated, and keep its comma."
            )
    values = matrix(str(source.path), rows)
    tasks = tuple(f"task {j + 1}" for j in range(values.shape[1]))
    return [
        Logged(
            source.path.stem,
            str(source.path),
            source.sha256,
            values,
            kind,
            tasks,
            step(rows),
            notes=shape_notes(values),
        )
    ]


def _cell(source: Source, row: int, text: str) -> Decimal | None:
    if not text:
        return None
    plain = text.translate(MINUS)  # copied from a paper, a minus is typographic
    if not NUMBER.fullmatch(plain):
        if mark := _instead(plain):
            raise ConfigError(
                f"{source.path}, row {row}, holds {text[:40]!r}: {mark}.\n"
                f"  A comma between cells and a point within a number are needed. Save it as CSV "
                f"in that form."
            )
        raise ConfigError(
            f"{source.path}, row {row}, holds {text[:40]!r}, which is no number.\n"
            f"  A matrix has numbers only, no header and no names, and an empty cell where nothing "
            f"was evaluated. Take out what is neither."
        )
    return Decimal(plain)


def _instead(text: str) -> str:
    """What stands where a comma between cells or a point within a number is needed, if anything."""
    for mark, name in BETWEEN.items():
        cells = [cell.strip().replace(",", ".") for cell in text.split(mark)]
        if len(cells) > 1 and all(NUMBER.fullmatch(cell) for cell in cells if cell):
            return f"{name} between its cells"
    return "a comma as its decimal point" if NUMBER.fullmatch(text.replace(",", ".")) else ""
