"""Compile what a kernel ships for sm_90 and say what it needs; no GPU is asked.

    python -P tests/kernels/registers.py classay.kernels.stream_mix.shipped …

prints one JSON object a line: the kernel, the types of its pointers, its constants, its warps, the
registers of a thread, the bytes that do not fit into them and those of shared memory.
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

from classay.kernels.compilation import fp_fusion

# Triton's own call of its own ptxas, whose answer a cached kernel would not repeat
knobs.nvidia.dump_ptxas_log = True
knobs.compilation.always_compile = True


def needed(kernel, signature, constexprs, warps, most, stages) -> dict:
    types = dict(signature)
    # torch aligns what it allocates, and Triton compiles for that
    aligned = {
        (i,): [["tt.divisibility", 16]]
        for i, kind in enumerate(types.values())
        if kind.startswith("*")
    }
    names = list(types)
    places = {(names.index(name),): value for name, value in constexprs.items()}
    source = ASTSource(kernel, types, places, aligned)
    options = {"num_warps": warps, "num_stages": stages}
    options |= {"enable_fp_fusion": fp_fusion(), "maxnreg": most}
    with redirect_stdout(io.StringIO()) as said:
        binary = compile(source, GPUTarget("cuda", 90, 32), options)
    (spilled,), (registers,) = (
        re.findall(pattern, said.getvalue())
        for pattern in (r"(\d+) bytes spill stores", r"Used (\d+) registers")
    )
    return {
        "kernel": f"{kernel.__module__}.{kernel.__name__}",
        "pointers": sorted({kind for kind in types.values() if kind.startswith("*")}),
        "constexprs": dict(constexprs),
        "warps": warps,
        "registers": int(registers),
        "spilled": int(spilled),
        "shared": binary.metadata.shared,
    }


if __name__ == "__main__":
    for module in sys.argv[1:]:
        for shipped in import_module(module).SHIPPED:
            sys.stdout.write(json.dumps(needed(*shipped)) + "\n")
