"""Is a run's folder what it was when the run ended? Everything that is not is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Any

from classay.errors import LedgerError
from classay.layout import RunFolder, cells
from classay.ledger import check_end, facts, head_of, last, read
from classay.provenance import manifest
from classay.records import AnyRow, CellRow, EndRow, EvalRow, PhaseRow, digest


def verify(folder: RunFolder) -> list[str]:
    """Recompute every chain and digest of a run.

    returns  what is wrong, a sentence each; empty if nothing is
    raises   LedgerError   when there is no manifest to verify against
    """
    content = manifest.load(folder)
    found: list[str] = []
    rows_of: dict[str, list[AnyRow]] = {}
    for name, promised in content["ledgers"].items():
        try:
            rows_of[name] = _ledger(folder.path / name, promised)
        except LedgerError as error:
            found.append(str(error))
    found += _files(folder, content)
    found += _setting(folder, rows_of)
    found += _named(folder, rows_of)
    return list(dict.fromkeys(found))


def unfinished(folder: RunFolder) -> dict[str, str]:
    """What is whole and not complete: ledger -> "has not ended", "has not begun" or "failed".

    choices  by the manifest, as it was written; a cell that failed is missing as any other, and
             whoever reads only this must learn of it
    """
    ledgers = manifest.load(folder)["ledgers"]
    found = {name: "has not ended" for name, kept in ledgers.items() if not kept["ended"]}
    try:
        _, suite = folder.read()
    except LedgerError:  # which verify has named
        return found
    for cell in cells(suite):
        path = folder.cell(cell) / "ledger.jsonl"
        name = path.relative_to(folder.path).as_posix()
        if name not in ledgers:
            found[name] = "has not begun"
        elif path.exists() and ledgers[name]["ended"] and _failed(path):
            found[name] = "failed"
    return found


def _failed(path: Path) -> bool:
    try:
        end = last(path)
    except LedgerError:  # which verify has named
        return False
    return isinstance(end, EndRow) and end.status == "failed"


def same_facts(mine: RunFolder, theirs: RunFolder) -> list[str]:
    """Compare two runs of one suite fact by fact; circumstances may differ.

    returns  where they differ, a sentence each
    """
    found = []
    for path in sorted((mine.path / "cells").glob("*/ledger.jsonl")):
        other = theirs.path / path.relative_to(mine.path)
        if not other.exists():
            found.append(f"{path.parent.name}: {theirs.path} has no such cell")
            continue
        pairs = zip(_facts(path), _facts(other), strict=False)
        if len(_facts(path)) != len(_facts(other)):
            found.append(
                f"{path.parent.name}: {len(_facts(path))} facts here, {len(_facts(other))} there"
            )
        differs = next((n for n, (a, b) in enumerate(pairs) if a != b), None)
        if differs is not None:
            found.append(f"{path.parent.name}: fact {differs} differs")
    return found + [
        f"{path.parent.name}: {mine.path} has no such cell"
        for path in sorted((theirs.path / "cells").glob("*/ledger.jsonl"))
        if not (mine.path / path.relative_to(theirs.path)).exists()
    ]


def _facts(path: Path) -> list[bytes]:
    return facts(read(path)).split(b"\n")


def _ledger(path: Path, promised: Mapping[str, Any]) -> list[AnyRow]:
    if not path.exists():
        raise LedgerError(f"{path} is missing, and the manifest lists it.\n  Restore the file.")
    rows = read(path)
    count, head = head_of(path)
    if count != promised["rows"]:
        raise LedgerError(
            f"{path}, row {min(count, promised['rows'])}: the ledger has {count} rows, and the "
            f"manifest counts {promised['rows']}.\n  Rows were removed from its end, or added. "
            f"Restore the file."
        )
    if head != promised["head"]:
        raise LedgerError(
            f"{path}, row {count - 1}: the chain ends in {head[:12]}…, and the manifest says "
            f"{promised['head'][:12]}….\n  The ledger was written anew. Restore the file."
        )
    if promised["ended"]:
        check_end(path, rows)
    return rows


def _files(folder: RunFolder, content: Mapping[str, Any]) -> Iterator[str]:
    if content.get("report") and not folder.report.exists():
        yield (
            f"{folder.report} is missing, and the manifest lists it. `classay report` writes it "
            f"again."
        )
    there = manifest.recorded(folder)
    for name, promised in content["files"].items():
        path = there.get(name)
        if path is None:
            yield f"{folder.path / name} is missing, and the manifest lists it. Restore the file."
            continue
        with path.open("rb") as file:
            now = file_digest(file, "sha256").hexdigest()
        if now != promised["sha256"]:
            yield (
                f"{path} has SHA-256 {now[:12]}…, and the manifest says "
                f"{promised['sha256'][:12]}…. The file was changed; restore it."
            )
    for name in sorted(set(there) - set(content["files"])):
        yield f"{folder.path / name} is not in the manifest. It was added after the run ended."


def _setting(folder: RunFolder, rows_of: Mapping[str, list[AnyRow]]) -> Iterator[str]:
    try:
        setting, suite = folder.read()
    except LedgerError as error:
        yield str(error)
        return
    whole = [suite.identity(setting["content"]), setting["device"], setting["threads"]]
    if digest(whole) != setting["identity"]:
        yield (
            f"{folder.about}: the suite in it has the identity {digest(whole)[:12]}…, and it says "
            f"{setting['identity'][:12]}…. The suite was changed after the run began."
        )
    for name, rows in rows_of.items():
        for row in rows:
            if isinstance(row, CellRow) and row.suite != setting["identity"]:
                yield f"{name}, row 0: the cell belongs to another suite ({row.suite[:12]}…)."


def _named(folder: RunFolder, rows_of: Mapping[str, list[AnyRow]]) -> Iterator[str]:
    """Adapters, structures and side files are named after their digests, and rows name them."""
    for name, rows in rows_of.items():
        for number, row in enumerate(rows):
            if isinstance(row, PhaseRow):
                named = {
                    d: folder.adapter(d) / "adapter_model.safetensors"
                    for d in row.adapters.values()
                } | {d: folder.structure(d) for d in row.structures.values()}
            elif isinstance(row, EvalRow):
                named = {row.per_item: folder.items(row.per_item)}
            else:
                continue
            for promised, path in named.items():
                if not path.exists():
                    yield f"{name}, row {number}: {path} is missing."
                    continue
                with path.open("rb") as file:
                    if file_digest(file, "sha256").hexdigest() != promised:
                        yield f"{path} is not what {name}, row {number}, recorded."
