"""A file as bytes, once it is known to be a file and small enough."""

from __future__ import annotations

import hashlib
import json
import math
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from classay.errors import ConfigError

LIMIT = 8_000_000  # bytes; a matrix of 500 tasks is under 6 MB, and JSON grows 60-fold in memory
LOG_LIMIT = 20_000_000  # bytes; a training log keeps its progress bars, and is read line by line


class Source(NamedTuple):
    """A file that was read."""

    path: Path
    data: bytes

    @property
    def sha256(self) -> str:
        """Of its bytes."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def text(self) -> str:
        """Its bytes as text.

        raises  ConfigError   not UTF-8
        """
        try:
            return self.data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"{self.path} is not text: byte {error.start} is no UTF-8.\n"
                f"  A CSV, a JSON or a log in UTF-8, or an npz, is needed. Save it as one of these."
            ) from None


def read(path: Path) -> Source:
    """The bytes of a file.

    raises  ConfigError   no file, not a regular one, empty, or over the limit of its kind
    """
    if not path.exists():
        raise ConfigError(
            f"{path} is not there.\n  A file or a folder of logs is needed. Mend the path."
        )
    if not path.is_file():
        raise ConfigError(
            f"{path} is neither a file nor a folder.\n  A regular file is needed. Copy it to one."
        )
    limit = LOG_LIMIT if path.suffix in (".log", ".txt", ".out") else LIMIT
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ConfigError(
            f"{path} has {path.stat().st_size:,} bytes; at most {limit:,} are read.\n"
            f"  Cut out the lines or the keys that hold the evaluations, and give that file."
        )
    if not data.strip():
        raise ConfigError(
            f"{path} is empty.\n  A matrix, or a log that holds one, is needed. Give another file."
        )
    return Source(path, data)


def document(source: Source) -> Any:
    """The JSON in a file; numbers with a point are Decimals, which keep their printed digits.

    raises  ConfigError   not JSON, nested too deeply, a key twice, NaN or Infinity as a number, or
            one that no double holds
    """
    where = str(source.path)

    def number(text: str) -> Decimal | int:
        try:
            if math.isfinite(float(text)):
                return int(text) if text.lstrip("-").isdigit() else Decimal(text)
        except InvalidOperation:
            pass  # a Decimal reaches further than a double; its exponent has 18 digits at most
        raise ConfigError(
            f"{where} holds the number {text[:40]}, which is beyond what a double can hold.\n"
            f"  A number below 1e308 is needed. Look at its exponent and its digits again."
        )

    def refuse(constant: str) -> NoReturn:
        raise ConfigError(
            f"{where} holds {constant}, which is not JSON.\n"
            f"  Each cell must be a number, or null where nothing was evaluated. Write null there."
        )

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in found if names.count(name) > 1)
            raise ConfigError(
                f"{where} holds the key {twice[:60]!r} twice in one object.\n"
                f"  Each key may stand once, or nobody knows which is meant. Take one out."
            )
        return found

    try:
        return json.loads(
            source.text,
            parse_float=number,
            parse_int=number,
            parse_constant=refuse,
            object_pairs_hook=once,
        )
    except RecursionError:
        raise ConfigError(
            f"{where} is nested too deeply to be read.\n"
            f"  A list of rows is needed. Give the matrix as a list of lists."
        ) from None
    except ValueError as error:
        raise ConfigError(
            f"{where} is not JSON: {error}.\n"
            f"  One JSON document is needed. Mend it, or give the matrix as a CSV without a header."
        ) from None
