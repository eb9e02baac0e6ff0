"""Append-only, hash-chained record of one cell; a JSON Lines file that survives a crash.

::

    chain_n = SHA-256(chain_{n−1} ‖ row_n)        chain_{−1} = SHA-256(cell)

Changing, removing or reordering a row breaks the chain at that row. Removing rows at the end does
not; their number and the head therefore stand in the ``end`` row and again in the manifest. The
chain has no key: it shows accidents and outsiders, not a writer who recomputes everything.
"""

from __future__ import annotations

import fcntl
import json
import os
import weakref
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from classay.errors import Interrupted, LedgerError
from classay.records import READABLE, ROW, SCHEMA, AnyRow, EndRow, ResumeRow, Row, canonical

PLACE = {"schema", "cell", "seq", "chain"}  # where a row stands; the rest is the row


class Ledger:
    """One open ledger.

    path   the file; made if it does not exist
    cell   the cell's name; the root of the chain
    raises LedgerError   when what is already there does not chain

    One writer at a time: a second one waits until the first is gone.
    """

    def __init__(self, path: Path, cell: str) -> None:
        self.path, self.cell = path, cell
        path.parent.mkdir(parents=True, exist_ok=True)
        # held until this object goes: a run that was killed may still have a cell dying beside us
        lock = os.open(path.with_name(f".{path.name}.lock"), os.O_CREAT | os.O_WRONLY)
        self._release = weakref.finalize(self, os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.torn_bytes = _drop_torn_tail(path)
        self.rows: list[AnyRow] = list(read(path, cell)) if path.exists() else []
        self.head = _head(path, cell)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another writer in."""
        self._release()

    @property
    def facts(self) -> int:
        """How many rows are part of the record rather than of its interruptions."""
        return sum(not isinstance(row, ResumeRow) for row in self.rows)

    @property
    def ended(self) -> EndRow | None:
        """The end row, if the cell has ended."""
        last = self.rows[-1] if self.rows else None
        return last if isinstance(last, EndRow) else None

    def append(self, rows: Sequence[AnyRow]) -> None:
        """Write rows, all or none, and wait until they are on the disk.

        raises  Interrupted   when the disk does not take them; the file is as it was before
        """
        head, lines = self._chained(rows, self.head, len(self.rows))
        size = self.path.stat().st_size if self.path.exists() else None
        try:
            with self.path.open("ab") as file:
                file.write(b"".join(lines))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if size is None:
                self.path.unlink(missing_ok=True)
            else:
                os.truncate(self.path, size)
            raise Interrupted(
                f"{self.path}: the disk refused {len(rows)} rows ({error.strerror}).\n"
                f"  The {len(self.rows)} rows recorded before are whole. A ledger needs room to "
                f"grow; free some space and give the same command again: it goes on from there."
            ) from error
        self.rows.extend(rows)
        self.head = head

    def _chained(self, rows: Sequence[AnyRow], head: str, first: int) -> tuple[str, list[bytes]]:
        """The lines of some rows, and the last chain value."""
        lines = []
        for seq, row in enumerate(rows, start=first):
            body = {"schema": SCHEMA, "cell": self.cell, "seq": seq, **row.model_dump(mode="json")}
            head = _link(head, canonical(body))
            lines.append(canonical({**body, "chain": head}) + b"\n")
        return head, lines

    def end(self, pending: Sequence[AnyRow] = (), **fields: Any) -> None:
        """Write the end row, with the count and the head of all before it.

        pending  rows that belong before it; all or none are written, so that a cell that is killed
                 here has either ended or can go on from its checkpoint
        """
        head, _ = self._chained(pending, self.head, len(self.rows))
        count = len(self.rows) + len(pending)
        self.append([*pending, EndRow(rows=count, head=head, **fields)])


def read(path: Path, cell: str | None = None) -> list[AnyRow]:
    """The rows of a ledger, after its chain has been recomputed.

    path     the file
    cell     the name that the chain must be rooted in; read from the first row if None
    raises   LedgerError   naming the row where the chain breaks
    """
    head, rows = None, list[AnyRow]()
    for seq, line in enumerate(_lines(path)):
        where = f"{path}, row {seq}"
        try:
            body = json.loads(line)
            chain, schema = body.pop("chain"), body["schema"]
            found, number = str(body["cell"]), body["seq"]
            data = canonical(body)  # refuses NaN and half a character
            if line != canonical({**body, "chain": chain}):
                raise ValueError("other bytes than a ledger writes")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _broken(where, "is not a row of a ledger", "one JSON object a line") from error
        if schema not in READABLE:
            known = " or ".join(map(str, READABLE))
            raise _broken(where, f"has schema {schema}", f"schema {known}")
        cell = found if cell is None else cell
        head = _root(cell) if head is None else head
        if found != cell or number != seq:
            raise _broken(where, f"says it is row {number} of {found!r}", f"row {seq} of {cell!r}")
        head = _link(head, data)
        if head != chain:
            raise _broken(
                where,
                "does not follow from the rows before it",
                "the bytes that were recorded; this row or the one before it was edited, "
                "removed or moved",
            )
        fields = {k: v for k, v in body.items() if k not in PLACE}
        try:
            rows.append(ROW.validate_python(fields))
        except ValidationError as error:
            raise _broken(where, "does not fit the schema", str(error)) from error
    return rows


def last(path: Path) -> AnyRow | None:
    """The last row as it stands in the file, whose chain nobody has looked at; None if empty.

    choices  says how far a cell is; whoever concludes anything from a ledger reads all of it
    """
    lines = _lines(path)
    if not lines:
        return None
    try:
        fields = json.loads(lines[-1])
        return ROW.validate_python({k: v for k, v in fields.items() if k not in PLACE})
    except (ValueError, AttributeError) as error:
        where = f"{path}, row {len(lines) - 1}"
        raise _broken(where, "is not a row of a ledger", "one JSON object a line") from error


def check_end(path: Path, rows: Sequence[AnyRow]) -> None:
    """Raise unless the last row is an end row that counts the rows before it correctly."""
    last = rows[-1] if rows else None
    if not isinstance(last, EndRow):
        raise _broken(
            f"{path}, row {len(rows)}", "is missing: the ledger has no end row", "an end row"
        )
    if last.rows != len(rows) - 1:
        raise _broken(
            f"{path}, row {len(rows) - 1}",
            f"counts {last.rows} rows, and {len(rows) - 1} are there",
            "every row that was recorded",
        )


def facts(rows: Iterable[Row]) -> bytes:
    """What two runs of one cell must agree in, byte for byte, one canonical line a row."""
    kept = (row for row in rows if not isinstance(row, ResumeRow))
    return b"\n".join(canonical(row.fact()) for row in kept)


def head_of(path: Path) -> tuple[int, str]:
    """The number of rows and the last chain value, as they stand in the file."""
    lines = _lines(path)
    return len(lines), str(json.loads(lines[-1])["chain"]) if lines else ""


def _lines(path: Path) -> list[bytes]:
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        whole = data.count(b"\n")
        raise _broken(
            f"{path}, row {whole}",
            "is half written",
            "a whole last line; give the run command again and it is mended from the checkpoint",
        )
    return data.split(b"\n")[:-1]  # and not at a CR, which no ledger writes


def _drop_torn_tail(path: Path) -> int:
    """A crash can leave half a line; it was never acknowledged, so it is not part of the record."""
    data = path.read_bytes() if path.exists() else b""
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
    return len(data) - whole


def _root(cell: str) -> str:
    return sha256(cell.encode()).hexdigest()


def _link(previous: str, row: bytes) -> str:
    return sha256(previous.encode() + row).hexdigest()


def _head(path: Path, cell: str) -> str:
    return (path.exists() and head_of(path)[1]) or _root(cell)


def _broken(where: str, found: str, needed: str) -> LedgerError:
    return LedgerError(
        f"{where} {found}.\n  Needed: {needed}.\n"
        f"  Nothing that rests on this ledger can be trusted. Restore the file, or run the cell "
        f"again in a new folder."
    )
