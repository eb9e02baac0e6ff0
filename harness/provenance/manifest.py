"""The manifest of a run: what lies in its folder, with digests, and how long every ledger is.

Rows cut from the end of a ledger leave a chain that still holds; the manifest knows their number
and the last chain value. Whoever keeps the manifest's own digest elsewhere can tell afterwards that
nothing was added, changed or taken away.
"""

from __future__ import annotations

import json
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from classay.errors import LedgerError
from classay.layout import RunFolder, write_atomically
from classay.ledger import head_of, last
from classay.provenance.drawing import drawing
from classay.records import EndRow

SCHEMA = 1
ROOMS = ("stream", "shared", "cells", "checks", "failed", "adapters", "structures", "items")
BESIDE = ("stderr.txt",)  # for people; not part of the record


def write(folder: RunFolder) -> str:
    """Write the manifest of a run as it is now, and return its SHA-256."""
    content = {
        "schema": SCHEMA,
        "ledgers": {_relative(folder, path): _ledger(path) for path in folder.ledgers()},
        "report": _digest(folder.report) if folder.report.exists() else None,
        "drawn_with": drawing(),
        "files": {
            name: {"bytes": path.stat().st_size, "sha256": _digest(path)}
            for name, path in recorded(folder).items()
        },
    }
    data = json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"
    write_atomically(folder.manifest, data)
    return sha256(data).hexdigest()


def load(folder: RunFolder) -> dict[str, Any]:
    """Read the manifest.

    raises  LedgerError   when there is none
    """
    try:
        content: dict[str, Any] = json.loads(folder.manifest.read_text("utf-8"))
        if not all(isinstance(content[key], dict) for key in ("ledgers", "files")):
            raise ValueError("it lists no ledgers or no files")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LedgerError(
            f"{folder.manifest} cannot be read ({error}).\n  Without it nobody can say whether "
            f"rows are missing at the end of a ledger. A run writes it when it has come to its "
            f"end; give the run command again."
        ) from error
    return content


def recorded(folder: RunFolder) -> dict[str, Path]:
    """Every file that is part of the record: name -> path."""
    paths = [p for room in ROOMS for p in sorted((folder.path / room).rglob("*"))]
    return {
        _relative(folder, path): path
        for path in [folder.about, *paths]
        # what begins with a point is a lock or half written
        if path.is_file() and path.name not in BESIDE and not path.name.startswith(".")
    }


def _ledger(path: Path) -> dict[str, Any]:
    rows, head = head_of(path)
    return {"rows": rows, "head": head, "ended": isinstance(last(path), EndRow)}


def _relative(folder: RunFolder, path: Path) -> str:
    return path.relative_to(folder.path).as_posix()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
