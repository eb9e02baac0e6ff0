"""docs/performance.md, from what was measured of the kernels.

python -P benchmarks/kernel_tables.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "performance.md"
REGIMES = {
    "a": "Stacked static matrices: latency",
    "b": "Token-dynamic matrices: bandwidth",
    "c": "Large matrices",
    "d": "The CRMA residual",
    "e": "Whole training steps",
}
INTERPRETED = (
    "The kernels ran in Triton's interpreter, on a CPU. That says that the command works, and "
    "nothing of their speed."
)
INTRODUCTION = """<!-- Written by benchmarks/kernel_tables.py from benchmarks/results. -->

# What the kernels cost

`python -P benchmarks/kernels.py` measures; it prints no time while a test of the kernels fails.
Time is the median of calls that are timed one by one. "Of a copy" is the share of the bandwidth
that a copy reached on the same machine, in bytes that have to be moved. "Times ours" is a time as a
multiple of the fused kernel's, or of LoRA's step, in the same process.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page([json.loads(p.read_text("utf-8")) for p in _files()]), "utf-8")


def page(measured: list[dict[str, Any]]) -> str:
    """The page, one part a machine."""
    if all(found["interpreted"] for found in measured):
        measured_on = "No GPU has measured them yet: the times below are those of an interpreter.\n"
    else:
        measured_on = ""
    return "\n".join([INTRODUCTION, measured_on, *map(_part, measured)]).rstrip() + "\n"


def _files() -> list[Path]:
    return sorted(RESULTS.glob("kernels_*.json"))


def _part(found: dict[str, Any]) -> str:
    machine = found["machine"]
    name = machine.get("gpu") or f"{machine['machine']}, without a GPU"
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items() if v)
    rate = found["copy"]["bytes_a_second"] / 1e9
    lines = [
        f"## {name}",
        "",
        f"`{found['command']}`; {versions}; products and sums contracted: "
        f"{'yes' if found['fp_fusion'] else 'no'}; a copy carries {rate:,.1f} GB/s; tests of the "
        f"kernels: {found['tests'].split(' in ')[0].strip('= ')}.",
    ]
    if found["interpreted"]:
        lines += ["", INTERPRETED]
    for regime, title in REGIMES.items():
        rows = [row for row in found["rows"] if row["regime"] == regime]
        if rows:
            lines += ["", f"### ({regime}) {title}", "", *_table(rows)]
    return "\n".join(lines) + "\n"


def _table(rows: list[dict[str, Any]]) -> list[str]:
    heads = ("case", "implementation", "direction", "mode", "time", "of a copy", "times ours")
    lines = [f"| {' | '.join(heads)} |", "|---|---|---|---|---:|---:|---:|"]
    for row in rows:
        cells = [row[key] for key in heads[:4]]
        if "seconds" in row:
            share = row.get("share_of_copy")
            cells += [
                f"{1e6 * row['seconds']:,.1f} µs",
                f"{100 * share:.1f} %" if share else "–",
                f"{row['times_ours']:.2f}",
            ]
        else:
            cells += [row["did_not_run"].replace("|", "/"), "–", "–"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
