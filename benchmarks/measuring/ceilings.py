"""What the times belong to: the machine, and the least time that its parts need for some work."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from timing import Work

VERSIONS = (
    "torch", "triton", "numpy", "transformers", "peft", "liger-kernel", "hyper-connections",
    "fla-core", "classay",
)  # fmt: skip
SPECIAL, FMA = 16, 128  # results a clock of one multiprocessor of sm_90


def machine(device: str) -> dict[str, Any]:
    """The machine, as far as a time depends on it."""
    found: dict[str, Any] = {
        "system": platform.system(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in VERSIONS},
    }
    if device == "cuda":
        about = torch.cuda.get_device_properties(0)
        found |= {
            "gpu": about.name,
            "memory_bytes": about.total_memory,
            "multiprocessors": about.multi_processor_count,
            "clock": _greatest_clock(),
            "cuda": torch.version.cuda,
        }
    return found


def attainable(work: Work, machine: dict[str, Any], copied: float) -> float | None:
    """The share of a copy's bandwidth that the busiest part of the machine leaves.

    ::

        memory / max(memory, special, FMA)      the times that each part needs, all of them at once

    copied   bytes a second of a copy
    returns  None where no operations were counted, or the clock is not known
    source   results a clock for compute capability 9.0: the CUDA C++ Programming Guide's table of
             arithmetic throughput, 16 of the special functions and 128 of float32's FMA
    choices  the greatest clock, so that no share of it is flattered. By hand, for n = 4 and T = 20
             on 132 multiprocessors at 1.98 GHz with a copy of 4.3e12 B/s: 16 + 2 · 4 · 20 = 176
             special functions take 176 / (132 · 16 · 1.98e9) = 42.1 ps, 2 · 16 · 20 = 640 FMAs 19.1
             ps and 128 bytes 29.8 ps, and 29.8 / 42.1 = 71 %
    """
    clock = machine.get("clock")
    if not clock or not work.special:
        return None
    ticks: float = machine["multiprocessors"] * clock  # a second
    memory = work.bytes / copied
    return memory / max(memory, work.special / (SPECIAL * ticks), work.fma / (FMA * ticks))


def _greatest_clock() -> float | None:
    """Of the multiprocessors, in Hz."""
    query = ["nvidia-smi", "--query-gpu=clocks.max.sm", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20)
        return 1e6 * float(done.stdout.split()[0])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
