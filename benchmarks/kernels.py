"""What the kernels cost beside every code that can do the same, as JSON with the machine's name.

    python -P benchmarks/kernels.py --out benchmarks/results/kernels_MACHINE.json

Regimes: (a) stacked static matrices, (b) token-dynamic matrices, (c) large matrices, (d) the CRMA
residual, (e) whole training steps. No time is taken while a test of the kernels fails; the exit
code is 1 where a kernel, or a test of the harness on a GPU, failed. Without a GPU the kernels run
in Triton's interpreter at tiny sizes: it shows that the command works, and its times are of the
interpreter.

Beside torch, triton, transformers, peft and pytest it needs pydantic, which comes in five wheels:
pydantic, pydantic-core, annotated-types, typing-inspection and typing-extensions of 4.16 or later.
pytest-xdist runs the tests side by side. Peers are timed where they are installed, ``pip install
--no-deps``: liger-kernel; hyper-connections with torch-einops-utils and einops; fla-core. Where
classay is not installed, links stand for it::

    mkdir -p .links/classay
    (cd .links/classay && ln -sfn ../../harness/* ../../{methods,kernels,suites,reports} .)
    PYTHONSAFEPATH=1 PYTHONPATH=$PWD/.links python -P benchmarks/kernels.py
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

# a folder of their own: beside this file, it would be importable as the hub's package kernels
sys.path.append(str(Path(__file__).parent / "measuring"))
OURS = ("fused", "LoRA alone")  # what the others are a multiple of


def main() -> None:
    """Test, time, write."""
    import torch
    import warming
    from gates import tested
    from progress import say
    from regimes import rows

    asked = _asked()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    say("tests")
    caches = warming.start() if device == "cuda" else {}
    try:
        tests = tested()
    except SystemExit:
        warming.finish(caches, 0)
        raise
    cold = warming.finish(caches, 45)
    say(f"tests: {tests}; compilers' caches that may be cold: {cold}")
    if device == "cuda":
        # a graph cannot be recorded from the default stream
        torch.cuda.set_stream(torch.cuda.Stream())
    found = _about(device) | {"tests": tests, "rows": []}
    for row in rows(device, asked.peers_for):
        _completed(row, found)
        found["rows"].append(row)
        _write(found, asked.out)
    found["complete"] = True
    _write(found, asked.out)
    if asked.out is None:
        print(json.dumps(found, indent=1))  # noqa: T201
    _close(found)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time the kernels and their peers.")
    parser.add_argument("--out", type=Path, help="the file, written anew with every time")
    parser.add_argument(
        "--peers-for",
        type=float,
        default=150,
        metavar="SECONDS",
        help="begin no peer later after the tests",
    )
    return parser.parse_args()


def _about(device: str) -> dict[str, Any]:
    from ceilings import machine
    from timing import copy_bandwidth

    from classay.kernels.compilation import fp_fusion

    return {
        "command": " ".join(["python -P", *sys.argv]),
        "device": device,
        "interpreted": os.environ.get("TRITON_INTERPRET") == "1",
        "complete": False,
        "machine": machine(device),
        "fp_fusion": fp_fusion(),
        "copy": copy_bandwidth(device),
    }


def _completed(row: dict[str, Any], found: dict[str, Any]) -> None:
    """A row's shares of a copy, and its time as a multiple of ours of the same case and mode."""
    from ceilings import attainable
    from timing import Work

    if "seconds" not in row:
        return
    copied = found["copy"]["bytes_a_second"]
    if row.get("bytes"):
        row["share_of_copy"] = row["bytes"] / row["seconds"] / copied
        work = Work(row["bytes"], row["special"], row["fma"])
        if limit := attainable(work, found["machine"], copied):
            row |= {"attainable": limit, "share_of_attainable": row["share_of_copy"] / limit}
    keys = ("regime", "case", "direction", "mode")
    for other in [row, *found["rows"]]:  # ours comes first
        same = all(other[key] == row[key] for key in keys)
        if same and other["implementation"] in OURS and "seconds" in other:
            row["times_ours"] = row["seconds"] / other["seconds"]


def _write(found: dict[str, Any], out: Path | None) -> None:
    if out is not None:
        half = out.with_suffix(".half")
        half.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        half.replace(out)


def _close(found: dict[str, Any]) -> None:
    """The bars, and 1 where something of ours is red."""
    from asked import table
    from progress import say

    say("done\n" + "\n".join(table(found)))
    failed = [row for row in found["rows"] if "failed" in row]
    for row in failed:
        say(f"FAILED ({row['regime']}) {row['case']} {row['direction']}: {row['failed']}")
    if failed or "failed" in found["tests"]:
        sys.exit(1)


if __name__ == "__main__":
    import torch

    if not torch.cuda.is_available():
        os.environ.setdefault("TRITON_INTERPRET", "1")  # before triton is imported
    elif os.environ.get("TRITON_INTERPRET") == "1":
        sys.exit(
            "TRITON_INTERPRET is 1 where there is a GPU: times of the interpreter would be taken "
            "for the GPU's.\n  Unset it."
        )
    main()
