"""docs/performance.md, from what was measured of the kernels.

python -P benchmarks/kernel_tables.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent / "measuring"))

from asked import table

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
COLUMNS = {
    "a": {"time", "of a copy", "times ours"},
    "b": {"time", "of a copy", "at most", "of at most", "times ours"},
    "c": {"time", "of a copy", "times ours"},
    "d": {"time", "of a copy", "times ours"},
    "e": {"time", "over LoRA's step", "of LoRA's step", "memory", "times ours"},
}
INTERPRETED = (
    "The kernels ran in Triton's interpreter, on a CPU. That says that the command works, and "
    "nothing of their speed."
)
INTRODUCTION = """<!-- Written by benchmarks/kernel_tables.py from benchmarks/results. -->

# What the kernels cost

`python -P benchmarks/kernels.py` measures; it takes no time while a test of the kernels fails.
Time is the median of calls that are timed one by one: "eager" with the host's time in it, "queued"
without it, as the GPU is busy when the call is made; "CUDA graph" is a twentieth of the time of a
graph that holds the call twenty times, of which all but the first find in L2 what fits into it: its
share of a copy may exceed 100 %. "Of a copy" is the share of the bandwidth that a copy reached on
the same machine, in bytes that have to be moved: of a projection 8 a number forward and 12
backward, of the residual twice its size forward and three times backward. "At most" is the share
that the machine's special functions and FMAs leave, if they all ran at once with its memory. "Times
ours" is a time as a multiple of the fused kernel's, or of LoRA's step, in the same process. Two
peers were never timed: DeepSeek's TileKernels asks for torch 2.13 and TileLang, and NVIDIA's
TransformerEngine has to be compiled for PyTorch.
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
    lines = [f"## {_name(found['machine'])}", "", _circumstances(found)]
    if not found["complete"]:
        lines += ["", "The command was cut off: what is missing below was not measured."]
    if found["interpreted"]:
        lines += ["", INTERPRETED]
    else:
        lines += ["", "### What was asked", "", *table(found)]
    for regime, title in REGIMES.items():
        rows = [row for row in found["rows"] if row["regime"] == regime]
        if rows:
            lines += ["", f"### ({regime}) {title}", "", *_table(rows), *_absent(rows)]
    return "\n".join(lines) + "\n"


def _name(machine: dict[str, Any]) -> str:
    return machine.get("gpu") or f"{machine['machine']}, without a GPU"


def _circumstances(found: dict[str, Any]) -> str:
    machine, tests = found["machine"], found["tests"]
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items() if v)
    clock = machine.get("clock")
    return (
        f"`{found['command']}`; {versions}; products and sums contracted: "
        f"{'yes' if found['fp_fusion'] else 'no'}; a copy carries "
        f"{found['copy']['bytes_a_second'] / 1e9:,.1f} GB/s"
        + (f"; {machine['multiprocessors']} SMs of at most {clock / 1e6:,.0f} MHz" if clock else "")
        + f"; tests of the kernels: {tests['kernels'].split(' in ')[0]}; of the harness on a GPU: "
        f"{tests['gpu'].split(' in ')[0]}."
    )


def _table(rows: list[dict[str, Any]]) -> list[str]:
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "time": lambda row: f"{1e6 * row['seconds']:,.1f} µs",
        "of a copy": lambda row: _percent(row.get("share_of_copy")),
        "at most": lambda row: _percent(row.get("attainable")),
        "of at most": lambda row: _percent(row.get("share_of_attainable")),
        "over LoRA's step": lambda row: _percent(row.get("over_lora")),
        "of LoRA's step": lambda row: _percent(row.get("share_of_step")),
        "memory": lambda row: _gib(row.get("peak_bytes")),
        "times ours": lambda row: f"{row['times_ours']:.2f}" if "times_ours" in row else "–",
    }
    for name in set(columns) - COLUMNS[rows[0]["regime"]]:
        del columns[name]
    names = ["case", "implementation", "direction", "mode"]
    lines = [f"| {' | '.join([*names, *columns])} |", "|---|---|---|---|" + "---:|" * len(columns)]
    for row in (row for row in rows if "seconds" in row):
        cells = [row[name] for name in names] + [words(row) for words in columns.values()]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _absent(rows: list[dict[str, Any]]) -> list[str]:
    """What was not timed, and why: one line for every reason."""
    cases: dict[str, list[str]] = {}
    for row in rows:
        if reason := row.get("did_not_run") or row.get("failed"):
            words = f"{row['implementation']}: {reason}"
            if row["case"] not in cases.setdefault(words, []):
                cases[words].append(row["case"])
    lines = [f"- {words} ({'; '.join(found)})" for words, found in cases.items()]
    return ["", "Not timed:", "", *lines] if lines else []


def _gib(count: int | None) -> str:
    return f"{count / 2**30:.1f} GiB" if count else "–"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f} %"


if __name__ == "__main__":
    main()
