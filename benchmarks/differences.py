"""What a finished run found between its methods, as JSON with the machine's name and the command.

    classay run crma_eight_seeds --base BASE --data DATA --jobs 2 --out OUT
    python -P benchmarks/differences.py --command 'classay run …' OUT/crma_eight_seeds-… > NAME.json

Every pair of methods is compared as `classay compare` does it: seed by seed, with the paired
interval, the exact p and the noise floor. Everything is read from the ledgers.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import combinations
from pathlib import Path

from classay import study
from classay.evidence import comparison
from classay.evidence.instrument import checks
from classay.mechanism import ablations, gap, strength


def main() -> None:
    """Print one JSON object for one run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--command", required=True, help="the command that made the run")
    arguments = parser.parse_args()
    found = {"command": arguments.command} | differences(study.load(arguments.run))
    json.dump(found, sys.stdout, indent=1)
    sys.stdout.write("\n")


def differences(run: study.Study) -> dict[str, object]:
    """The pairs of methods of one run, what each mechanism is worth, and what the run rests on."""
    head = next(record.head for record in run.cells if record.head)
    orders = range(len(run.orders))
    return {
        "suite": run.suite.name,
        "identity": run.setting["identity"],
        "base_parameters": run.setting["parameters"],
        "machine": head.hardware,
        "versions": head.versions,
        "device": head.device,
        "dtype": head.dtype,
        "checks": {check.name: check.passed for check in checks(run)},
        "pairs": [
            comparison.plain(comparison.compare(run, a, b, order))
            for order in orders
            for a, b in combinations(run.methods, 2)
        ],
        "strength": {m: [strength(run, m, order) for order in orders] for m in run.methods},
        "gaps_in_nats": {
            method: {
                name: [gap(run, method, name, order).tolist() for order in orders]
                for name in ablations(run, method, 0)
            }
            for method in run.methods
        },
    }


if __name__ == "__main__":
    main()
