"""Compile what a kernel ships for sm_90 and say what it needs; no GPU is asked.

    python -P tests/kernels/registers.py FOLDER classay.kernels.sinkhorn.program SHIPPED FIRST STEP

prints one JSON object a line, of that list every STEP-th from the FIRST on: the kernel, the types
of its pointers, its constants, its warps, the registers of a thread, the bytes that do not fit into
them and those of shared memory, and its reductions over lanes apart. What it has compiled is kept
in FOLDER.
"""

from __future__ import annotations

import json
import re
import sys
from importlib import import_module
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # which -P leaves out
from hopper import kept
from reductions import apart


def needed(one, folder: Path) -> dict:
    found = kept(one, folder)
    (spilled,), (registers,) = (
        re.findall(pattern, found.said)
        for pattern in (r"(\d+) bytes spill stores", r"Used (\d+) registers")
    )
    return {
        "kernel": f"{one.kernel.__module__}.{one.kernel.__name__}",
        "pointers": sorted({kind for kind in one.signature.values() if kind.startswith("*")}),
        "constexprs": dict(one.constexprs),
        "warps": one.warps,
        "registers": int(registers),
        "spilled": int(spilled),
        "shared": found.shared,
        "apart": apart(found.ttgir),
    }


if __name__ == "__main__":
    folder, module, name, first, step = sys.argv[1:]
    for shipped in getattr(import_module(module), name)[int(first) :: int(step)]:
        sys.stdout.write(json.dumps(needed(shipped, Path(folder))) + "\n")
