"""Fill the compilers' caches for one size, in a process beside others, before anything is timed.

python -P benchmarks/measuring/warming.py N    projections of N × N matrices; 0: the residual
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SIZES = (4, 8, 16, 32, 64, 128, 256, 0)
# kernels that are compiled anew for every number of matrices
BY_COUNT = ("liger-kernel mHC",)


def start() -> dict[int, subprocess.Popen[bytes]]:
    """A process for every size."""
    environment = os.environ | {"TORCHINDUCTOR_COMPILE_THREADS": "4"}
    command, nothing = [sys.executable, "-P", __file__], subprocess.DEVNULL
    return {
        n: subprocess.Popen([*command, str(n)], env=environment, stdout=nothing, stderr=nothing)
        for n in SIZES
    }


def finish(processes: dict[int, subprocess.Popen[bytes]], limit: int) -> list[int]:
    """Wait for all of them, and end what is not done; the sizes whose cache may be cold."""
    cold, until = [], time.monotonic() + limit
    for n, process in processes.items():
        try:
            failed = process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            failed = process.wait()
        if failed:
            cold.append(n)
    return cold


def _calls(n: int) -> Iterator[Any]:
    """What has to be called once."""
    from projections import cases, timed
    from residuals import mixes, residuals

    device = "cuda"
    if n == 0:
        for width in sorted({case.d for case in residuals(False)}):
            yield from mixes(next(case for case in residuals(False) if case.d == width), device)
        return
    seen = set()
    for case in sorted(case for case in cases(False) if case.n == n):
        for each in timed(case, device):
            key = (each.implementation, each.direction)
            if each.ours or each.implementation in BY_COUNT or key not in seen:
                yield each
            seen.add(key)


def main() -> int:
    """Call everything once; 1 where something could not be called."""
    import torch
    from timing import Unsuited

    torch.cuda.set_stream(torch.cuda.Stream())
    failed = 0
    for each in _calls(int(sys.argv[1])):
        try:
            each.prepare()()
        except (Unsuited, ModuleNotFoundError):
            continue
        except Exception:  # noqa: BLE001 - whoever times it says why it cannot be
            failed = 1
        torch.cuda.synchronize()
    return failed


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parent))  # -P leaves a script's own folder out
    sys.exit(main())
