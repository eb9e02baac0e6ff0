"""Every quote of a claims file, looked up in its source."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from classay.claims.document import Document
from classay.claims.text import Quoted

GAP = re.compile(r"\[(?:…|\.\.\.)\]")


def unquoted(document: Document, folder: Path) -> tuple[list[str], list[str]]:
    """Look every quote up in its source.

    folder   where the sources' files lie
    returns  what does not hold, and the ids of the sources that are not at hand
    """
    wrong, absent, lines = [], [], {}
    for source in document.file.sources:
        path = folder / source.file if source.file else None
        if path is None or not path.is_file():
            absent.append(source.id)
            continue
        content = path.read_bytes()
        if source.sha256 and hashlib.sha256(content).hexdigest() != source.sha256:
            wrong.append(f"source {source.id}: {path} is not the file that was read (sha256)")
        # as grep and editors count: a form feed ends a page, and no line
        text = content.decode("utf-8", "replace")
        lines[source.id] = [line.rstrip("\r") for line in text.split("\n")]
    for what, quoted in document.quoted():
        if quoted.source in lines and not _stands(quoted, lines[quoted.source]):
            where = f"line {quoted.line}" if quoted.line else "any line"
            wrong.append(f"{what}: {quoted.quote!r} is not in {where} of {quoted.source}")
    return wrong, absent


def _stands(quoted: Quoted, lines: list[str]) -> bool:
    pieces = [piece.strip() for piece in GAP.split(quoted.quote) if piece.strip()]
    pattern = re.compile(".*?".join(map(re.escape, pieces)))
    if quoted.line is None:
        return any(pattern.search(line) for line in lines)
    return quoted.line <= len(lines) and bool(pattern.search(lines[quoted.line - 1]))
