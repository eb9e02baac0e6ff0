"""Seconds a cell and peak memory of finished runs, as JSON with the machine's name and the command.

    classay run five_domains_small --base BASE --data DATA --device cuda --dtype bf16 --out OUT
    python -P benchmarks/cells.py --command 'classay run …' OUT/five_domains_small-… > NAME.json

Everything is read from the ledgers; nothing is timed here.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import median

from classay import study
from classay.evidence.instrument import checks, sound
from classay.records import EvalRow, PhaseRow, StepRow


def main() -> None:
    """Print one JSON object for all the runs given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--command", required=True, help="the command that made the runs")
    arguments = parser.parse_args()
    found = [measured(study.load(run)) for run in arguments.runs]
    json.dump({"command": arguments.command, "runs": found}, sys.stdout, indent=1)
    sys.stdout.write("\n")


def measured(run: study.Study) -> dict[str, object]:
    """What one run took, cell by cell."""
    done = [record for record in run.cells if record.state == "done"]
    head = done[0].head
    return {
        "suite": run.suite.name,
        "identity": run.setting["identity"],
        "base_parameters": run.setting["parameters"],
        "machine": head.hardware,
        "versions": head.versions,
        "device": head.device,
        "dtype": head.dtype,
        "threads": head.threads,
        "instrument_sound": sound(checks(run)),
        "cells": {
            record.cell.name: {
                "training_seconds": sum(row.seconds for row in record.of(PhaseRow)),
                "evaluation_seconds": sum(row.seconds for row in record.of(EvalRow)),
                "cell_seconds": record.end.seconds if record.end else None,
                "median_step_seconds": median(row.seconds for row in record.of(StepRow)),
                "tokens_trained": sum(row.tokens_trained for row in record.of(PhaseRow)),
                "peak_bytes": max(row.peak_bytes for row in record.of(PhaseRow)),
            }
            for record in done
        },
    }


if __name__ == "__main__":
    main()
