"""What a section is made of; sections hold facts and words, the template holds all the HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

Status = Literal["good", "bad", "unknown"]


def shown(value: float, digits: int = 2, sign: bool = False, unit: str = "") -> str:
    """A number as it is printed, here and nowhere else.

    value    as computed; it is rounded once, now
    digits   after the point; thousands are parted by a comma
    sign     print + too; a value that only rounds to 0 keeps its sign, exactly 0 has none
    unit     put after it
    returns  text; nan is "not estimable"
    """
    if math.isnan(value):
        return "not estimable"
    text = f"{abs(value):,.{digits}f}"
    rounds_to_zero = not any(c in "123456789" for c in text)
    mark = "−" if value < 0 else "+" if sign and value > 0 else ""
    if rounds_to_zero and not sign:
        mark = ""
    return f"{mark}{text}\N{NO-BREAK SPACE}{unit}" if unit else f"{mark}{text}"


@dataclass(frozen=True, slots=True)
class Number:
    """Numbers of one cell and how they are printed."""

    kind: ClassVar[str] = "number"
    values: tuple[float, ...]
    digits: int = 2
    sign: bool = False
    unit: str = ""
    pattern: str = "{}"

    @property
    def text(self) -> str:
        """As it is printed; the unit stands once, at the end."""
        numbers = (shown(value, self.digits, self.sign) for value in self.values)
        text = self.pattern.format(*numbers)
        return f"{text}\N{NO-BREAK SPACE}{self.unit}" if self.unit else text


def number(value: float, digits: int = 2, sign: bool = False, unit: str = "") -> Number:
    """A cell with one number."""
    return Number((value,), digits, sign, unit)


@dataclass(frozen=True, slots=True)
class Code:
    """A digest, a name or a command, letter by letter."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A status in a word; its shape says the same as its colour."""

    kind: ClassVar[str] = "mark"
    status: Status
    text: str


@dataclass(frozen=True, slots=True)
class Shade:
    """A number on a ground whose depth shows where it lies in its column."""

    kind: ClassVar[str] = "shade"
    number: Number
    depth: float  # 0 … 1
    outlined: bool = False


@dataclass(frozen=True, slots=True)
class Stack:
    """A cell with a smaller line under it."""

    kind: ClassVar[str] = "stack"
    first: str | Number | Code | Mark
    second: str | Number


Cell = str | Number | Code | Mark | Shade | Stack


@dataclass(frozen=True, slots=True)
class Heading:
    """The name of a part of a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of plain text."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """Something to type."""

    kind: ClassVar[str] = "command"
    text: str


@dataclass(frozen=True, slots=True)
class Callout:
    """A statement that is to be read first."""

    kind: ClassVar[str] = "callout"
    status: Status
    text: str
    details: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Definitions:
    """Terms and what they are in this run."""

    kind: ClassVar[str] = "definitions"
    items: Sequence[tuple[str, Cell]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first column names the row."""

    kind: ClassVar[str] = "table"
    caption: str
    header: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    prose: bool = False  # cells are sentences, which wrap where numbers must not

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers and are aligned at the right."""
        return [any(_is_number(row[i]) for row in self.rows) for i in range(len(self.header))]


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart, and the same data as a table."""

    kind: ClassVar[str] = "figure"
    title: str
    description: str
    svg: str  # from ``charts``, the only text that is not escaped
    table: Table


@dataclass(frozen=True, slots=True)
class Details:
    """Evidence that is folded away until asked for."""

    kind: ClassVar[str] = "details"
    summary: str
    blocks: Sequence[Table | Paragraph]


Block = Heading | Paragraph | Command | Callout | Definitions | Table | Figure | Details


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, (Number, Shade)) or (
        isinstance(cell, Stack) and isinstance(cell.first, Number)
    )
