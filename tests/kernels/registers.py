"""Compile what a kernel ships for sm_90 and say what it needs; no GPU is asked.

    python -P tests/kernels/registers.py classay.kernels.stream_mix.shipped

prints one JSON object a line: the kernel, the types of its pointers, its constants, its warps, the
registers of a thread and the bytes that do not fit into them.
"""

from __future__ import annotations

import io
import json
import re
import sys
from contextlib import redirect_stdout
from importlib import import_module

from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

# Triton's own call of its own ptxas, whose answer a cached kernel would not repeat
knobs.nvidia.dump_ptxas_log = True
knobs.compilation.always_compile = True


def needed(kernel, signature, constexprs, num_warps) -> dict:
    types = signature | dict.fromkeys(constexprs, "constexpr")
    # torch aligns what it allocates, and Triton compiles for that
    aligned = {
        (i,): [["tt.divisibility", 16]]
        for i, kind in enumerate(types.values())
        if kind.startswith("*")
    }
    source = ASTSource(kernel, types, constexprs, aligned)
    with redirect_stdout(io.StringIO()) as said:
        compile(source, GPUTarget("cuda", 90, 32), {"num_warps": num_warps})
    (spilled,), (registers,) = (
        re.findall(pattern, said.getvalue())
        for pattern in (r"(\d+) bytes spill stores", r"Used (\d+) registers")
    )
    return {
        "kernel": kernel.__name__,
        "pointers": sorted(set(signature.values()) - {"i32"}),
        "constexprs": constexprs,
        "warps": num_warps,
        "registers": int(registers),
        "spilled": int(spilled),
    }


if __name__ == "__main__":
    for shipped in import_module(sys.argv[1]).SHIPPED:
        sys.stdout.write(json.dumps(needed(*shipped)) + "\n")
