"""What the kernels cost beside every code that can do the same, as JSON with the machine's name.

    python -P benchmarks/kernels.py > benchmarks/results/kernels_MACHINE.json

Regimes: (a) stacked static matrices, (b) token-dynamic matrices, (c) large matrices, (d) the CRMA
residual, (e) whole training steps. No time is printed while a test of the kernels fails. Without a
GPU the kernels run in Triton's interpreter at tiny sizes: it shows that the command works, and its
times are of the interpreter.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.append(str(Path(__file__).parent))  # -P leaves a script's own folder out


def main() -> None:
    """Print one JSON object."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    tested = _tests()
    rows, bandwidth = [], _copy(device)
    for row in _rows(device):
        if row.get("bytes") and "seconds" in row:
            rate = row["bytes"] / row["seconds"]
            row["share_of_copy"] = rate / bandwidth["bytes_a_second"]
        sys.stderr.write(f"{row['regime']} {row['case']} {row['implementation']}\n")
        rows.append(row)
    _beside(rows)
    from timing import machine

    from classay.kernels.compilation import fp_fusion

    found = {
        "command": " ".join(["python -P", *sys.argv]),
        "device": device,
        "interpreted": device == "cpu",
        "machine": machine(device),
        "fp_fusion": fp_fusion(),
        "tests": tested,
        "copy": bandwidth,
        "rows": rows,
    }
    json.dump(found, sys.stdout, indent=1)
    sys.stdout.write("\n")


def _tests() -> str:
    """Run the kernels' tests in a process of their own; a red one ends everything."""
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-x", str(ROOT / "tests" / "kernels")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        sys.exit(f"the tests of the kernels failed, so no time means anything:\n{done.stdout}")
    return done.stdout.strip().splitlines()[-1]


def _copy(device: str) -> dict[str, Any]:
    from timing import copy_bandwidth

    return copy_bandwidth(device, 2**30 if device == "cuda" else 2**24, 20)


def _rows(device: str) -> Iterator[dict[str, Any]]:
    import torch
    from projections import cases, timed
    from steps import mixed_cases, mixes, shapes, steps

    tiny = device == "cpu"
    dtype = torch.float32 if tiny else torch.bfloat16
    for case in cases(tiny):
        yield from _measured(case.regime, case.words, timed(case, device), device)
    for mixed in mixed_cases(tiny):
        yield from _measured("d", mixed.words, mixes(mixed, device, dtype), device)
    for shape in shapes(tiny):
        yield from _measured("e", shape.words, steps(shape, device, dtype), device)


def _measured(regime: str, case: str, calls: Any, device: str) -> Iterator[dict[str, Any]]:
    """Every implementation of one case, eager and, where launches are what costs, in a graph."""
    from timing import graph, seconds

    repeats, warmups = (50, 10) if device == "cuda" else (2, 1)
    for each in calls:
        modes = {"eager": lambda call: call}
        if device == "cuda" and regime in "ac":
            modes["CUDA graph"] = graph
        for mode, prepared in modes.items():
            row = {
                "regime": regime,
                "case": case,
                "implementation": each.implementation,
                "direction": each.direction,
                "mode": mode,
                "bytes": each.bytes,
            }
            try:
                row |= seconds(prepared(each.call), device, repeats, warmups)
            except Exception as error:  # a peer that cannot do it is a row, not the end
                if each.implementation in ("fused", "CRMA", "LoRA alone"):
                    raise
                row["did_not_run"] = f"{type(error).__name__}: {error}"[:300]
            yield row


def _beside(rows: list[dict[str, Any]]) -> None:
    """Every time as a multiple of ours of the same case, direction and mode."""
    keys = ("regime", "case", "direction", "mode")
    ours = {
        tuple(row[k] for k in keys): row["seconds"]
        for row in rows
        if row["implementation"] in ("fused", "LoRA alone")
    }
    for row in rows:
        if "seconds" in row:
            row["times_ours"] = row["seconds"] / ours[tuple(row[k] for k in keys)]


if __name__ == "__main__":
    import torch

    if not torch.cuda.is_available():
        os.environ.setdefault("TRITON_INTERPRET", "1")  # before triton is imported
    main()
