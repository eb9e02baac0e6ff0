"""Report section: how not to have to believe this report."""

from __future__ import annotations

from classay.evidence.rerun import Judged
from classay.reports.blocks import Block, Code, Command, Definitions, Paragraph
from classay.study import Study

TITLE = "Verify"


def build(study: Study, judged: Judged) -> list[Block]:
    """The blocks of this section."""
    suite, setting = study.suite, study.setting
    return [
        Paragraph("With the run's folder, on any machine, without a GPU:"),
        Command("classay verify RUN"),
        Paragraph(
            "Every row of every ledger carries the digest of itself and of the row before it, so "
            "that a row that was changed, removed or moved breaks the chain where it stood. The "
            "last row states how many came before. The manifest holds the digest of every file. "
            "verify recomputes all of them, then writes this report anew from the ledgers and "
            "compares it byte for byte."
        ),
        Paragraph(
            "What this does not show. The chain has no key: it shows accidents and outsiders, not "
            "a writer who recomputes everything. It does not show that the numbers were measured "
            "by this code. For that, run it again:"
        ),
        Command(f"classay run {suite.name} --base FOLDER --data FOLDER"),
        Paragraph(
            "The same suite, data and base on the same kind of machine give the same bits; other "
            "hardware or versions give other last digits, which is why every difference above "
            "stands beside its range over seeds."
        ),
        Definitions(
            [
                ("Suite identity", Code(setting["identity"])),
                ("Code digest", Code(setting["code"])),
                ("Digest of the base", Code(setting["content"]["base"])),
            ]
        ),
    ]
