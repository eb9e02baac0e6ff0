"""The end of a run: judge it, write its report and its manifest, and say what that means."""

from __future__ import annotations

from hashlib import sha256
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple

from classay.errors import ConfigError
from classay.evidence.rerun import Judged, accepted, judge
from classay.layout import write_atomically
from classay.provenance import manifest
from classay.provenance.drawing import drawing
from classay.reports import render
from classay.study import Study


class End(NamedTuple):
    """How a run ended."""

    judged: Judged
    manifest: str  # SHA-256
    exit_code: int


def finish(study: Study) -> End:
    """Judge a run and leave its report and its manifest beside its ledgers.

    returns  exit code 3 if cells are missing, else 1 if the instrument failed or a method that had
             to be found to retain was not, else 0
    """
    try:
        judged = judge(study)
        write_atomically(study.folder.report, render.render(study, judged).encode())
    finally:
        digest = manifest.write(
            study.folder
        )  # the ledgers are worth keeping, whatever became of it
    if any(record.state != "done" for record in study.records):
        return End(judged, digest, 3)
    return End(judged, digest, 0 if accepted(study, judged) else 1)


def report(study: Study, profile: str | None, output: Path | None) -> Path:
    """Write a run's report anew, in the run's folder unless ``output`` says where else.

    raises  ConfigError   as ``refuse_place`` does
    """
    path = output or study.folder.report
    refuse_place(path, study, profile)
    write_atomically(path, render.render(study, judge(study), profile).encode())
    return path


def refuse_place(path: Path, study: Study, profile: str | None) -> None:
    """Refuse a report in the place of something else that a run holds.

    The run's own report is on every method and has the usual profile: `classay verify` draws that
    one again.

    raises  ConfigError, UnknownName   before anything is judged
    """
    usual, asked = render.profile_of(study), render.profile_of(study, profile)
    run, place = study.folder.path.resolve(), path.resolve()
    if path.is_dir():
        raise ConfigError(
            f"--output {path} is a folder, and a page is a file.\n  Name a file in it."
        )
    if place != study.folder.report.resolve():
        if place.is_relative_to(run):
            raise ConfigError(
                f"--output {path} is in the folder of the run, which holds its record and its own "
                f"report.\n  Name a file elsewhere."
            )
    elif study.left_out:
        raise ConfigError(
            f"a report on {len(study.methods)} methods, without {len(study.left_out)} others, is "
            f"not the report of the run ({path}).\n  Say where else to write it: --output FILE."
        )
    elif asked != usual:
        raise ConfigError(
            f"the profile {asked} was asked for, and the report of this run ({path}) has the "
            f"profile {usual}.\n  Say where else to write it: --output FILE."
        )


class ReportSeen(NamedTuple):
    """What became of a report that was rendered again.

    holds      it is what the ledgers give, or what the run left and nobody here can draw again
    compared   it was rendered again by what drew it
    """

    holds: bool
    compared: bool
    words: str


def report_seen(study: Study) -> ReportSeen:
    """Render the report again and compare it with the one that is there, byte for byte.

    Another version of a library may draw otherwise. Only then is the digest in the manifest taken
    for it, which whoever edits the one can edit too; and it is said.
    """
    path = study.folder.report
    there = path.read_bytes()
    if render.render(study, judge(study)).encode() == there:
        return ReportSeen(True, True, "")
    kept = manifest.load(study.folder)
    other = kept.get("drawn_with") != drawing()
    if other and sha256(there).hexdigest() == kept.get("report"):
        return ReportSeen(
            True,
            False,
            f"{path.name} has the digest that the manifest lists; other versions drew it than are "
            f"installed here, so it could not be drawn again and compared",
        )
    return ReportSeen(
        False,
        not other,
        f"{path} is not what these ledgers give, nor what the run left. "
        f"`classay report {study.folder.path}` writes it anew.",
    )


def summary(study: Study, end: End) -> dict[str, Any]:
    """The end of a run as plain JSON."""
    return {
        "run": str(study.folder.path),
        "report": str(study.folder.report),
        "manifest": end.manifest,
        "sound": end.judged.sound,
        "checks": [check._asdict() for check in end.judged.checks],
        "judgements": [
            j._asdict()
            | {
                "interval": j.interval._asdict() if j.interval else None,
                "effects": [
                    {"term": e.term, "ratios": [None if isnan(r) else r for r in e.ratios]}
                    for e in j.effects
                ],
                "naive": j.naive._asdict(),
            }
            for j in end.judged.judgements
        ],
        "cells": {record.cell.name: record.state for record in study.records},
    }
