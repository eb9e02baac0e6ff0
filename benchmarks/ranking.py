"""A finished run's methods in the order of what they retain, as JSON with the machine's name.

    classay run every_method_chosen.yaml --base BASE --data DATA --jobs 2 --out OUT
    python -P benchmarks/ranking.py --command 'classay run …' OUT/every_method-… > NAME.json

Everything is read from the ledgers, and judged as the report judges it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

from classay import registry, study
from classay.evidence.rerun import judge
from classay.metrics import learning_gain
from classay.records import PhaseRow


def main() -> None:
    """Print one JSON object for one run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--command", required=True, help="the command that made the run")
    arguments = parser.parse_args()
    found = {"command": arguments.command} | ranking(study.load(arguments.run))
    json.dump(found, sys.stdout, indent=1)
    sys.stdout.write("\n")


def ranking(run: study.Study) -> dict[str, object]:
    """The methods of one run, best first, with every seed."""
    head = next(record.head for record in run.cells if record.head)
    judged = judge(run)
    metric = registry.load("metric", run.suite.statistics.retention)
    sign = 1 if metric.LOWER_IS_BETTER else -1
    verdicts = {(j.method, j.order): j for j in judged.judgements}

    def told(method: str, order: int) -> dict[str, Any]:
        losses, cells = run.loss(method, order), run.runs(method, order)
        judgement = verdicts.get((method, order))
        phases = [row for cell in cells for row in cell.of(PhaseRow)]
        return {
            "method": method,
            "settings": run.suite.methods[method],
            "bound": method in run.bounds,
            "seeds": [cell.cell.seed for cell in cells],
            "retention": [float(metric.compute(matrix)) for matrix in losses],
            "learning_gain": [float(learning_gain.compute(matrix)) for matrix in losses],
            "final_loss": [float(matrix[-1].mean()) for matrix in losses],
            "share_of_naives_gain": judgement.naive.share if judgement else None,
            "did_not_learn": judgement.naive.little if judgement else None,
            "verdict": str(judgement.verdict) if judgement else None,
            "words": judgement.words if judgement else None,
            "stored_bytes": max(row.stored_bytes for row in phases),
            "stored_examples": max(row.stored_examples for row in phases),
            "tokens_trained": sum(row.tokens_trained for row in phases) // len(cells),
            "training_seconds": sum(row.seconds for row in phases) / len(cells),
        }

    return {
        "suite": run.suite.name,
        "identity": run.setting["identity"],
        "chosen_by": run.suite.chosen_by,
        "base_parameters": run.setting["parameters"],
        "machine": head.hardware,
        "versions": head.versions,
        "device": head.device,
        "dtype": head.dtype,
        "checks": {check.name: check.passed for check in judged.checks},
        "retention": {"metric": run.suite.statistics.retention, "unit": metric.UNIT},
        "orders": [
            sorted(
                (told(m, order) for m in run.methods if run.runs(m, order)),
                key=lambda row: sign * fmean(row["retention"]),
            )
            for order in range(len(run.orders))
        ],
    }


if __name__ == "__main__":
    main()
