"""Compile what a kernel ships for sm_90 and say what it needs; no GPU is asked.

    python -P tests/kernels/registers.py classay.kernels.stream_mix.shipped SHIPPED FIRST STEP

prints one JSON object a line, of that list every STEP-th from the FIRST on: the kernel, the
types of its pointers, its constants, its warps, the registers of a thread, the bytes that do not
fit into them and those of shared memory, and its reductions over lanes apart.
"""

from __future__ import annotations

import io
import json
import re
import sys
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path

from triton import knobs

sys.path.append(str(Path(__file__).parent))  # which -P leaves out
from hopper import compiled
from reductions import apart

# Triton's own call of its own ptxas, whose answer a cached kernel would not repeat
knobs.nvidia.dump_ptxas_log = True
knobs.compilation.always_compile = True


def needed(one) -> dict:
    with redirect_stdout(io.StringIO()) as said:
        binary = compiled(one)
    (spilled,), (registers,) = (
        re.findall(pattern, said.getvalue())
        for pattern in (r"(\d+) bytes spill stores", r"Used (\d+) registers")
    )
    return {
        "kernel": f"{one.kernel.__module__}.{one.kernel.__name__}",
        "pointers": sorted({kind for kind in one.signature.values() if kind.startswith("*")}),
        "constexprs": dict(one.constexprs),
        "warps": one.warps,
        "registers": int(registers),
        "spilled": int(spilled),
        "shared": binary.metadata.shared,
        "apart": apart(binary.asm["ttgir"]),
    }


if __name__ == "__main__":
    module, name, first, step = sys.argv[1:]
    for shipped in getattr(import_module(module), name)[int(first) :: int(step)]:
        sys.stdout.write(json.dumps(needed(shipped)) + "\n")
