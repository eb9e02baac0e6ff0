"""Triton's compiler for sm_90; no GPU is asked. The scripts beside it print what it makes."""

from __future__ import annotations

import io
import json
import os
from contextlib import redirect_stdout
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import CUDABackend
from triton.compiler import ASTSource, compile

from classay.kernels.compilation import Configuration, fp_fusion


def compiled(one: Configuration) -> Any:
    """A kernel as it is launched."""
    types = dict(one.signature)
    # torch aligns what it allocates, and Triton compiles for that
    aligned = {
        (i,): [["tt.divisibility", 16]]
        for i, kind in enumerate(types.values())
        if kind.startswith("*")
    }
    names = list(types)
    places = {(names.index(name),): value for name, value in one.constexprs.items()}
    source = ASTSource(one.kernel, types, places, aligned)
    options = {"num_warps": one.warps, "num_stages": one.stages}
    options |= {"enable_fp_fusion": fp_fusion(), "maxnreg": one.registers}
    return compile(source, GPUTarget("cuda", 90, 32), options)


class Compiled(NamedTuple):
    """What a launch is compiled to."""

    ttgir: str
    ptx: str
    said: str  # by Triton's own call of its own ptxas
    shared: int  # bytes of a program


def kept(one: Configuration, folder: Path) -> Compiled:
    """A kernel as it is launched, compiled once for all tests that are given the same folder."""
    plain = [one.kernel.__module__, one.kernel.__name__, dict(one.signature), dict(one.constexprs)]
    text = json.dumps([*plain, one.warps, one.registers, one.stages, fp_fusion()])
    path = folder / f"{sha256(text.encode()).hexdigest()}.json"
    if not path.exists():
        # what Triton has cached itself it does not give to ptxas again
        knobs.nvidia.dump_ptxas_log = knobs.compilation.always_compile = True
        with redirect_stdout(io.StringIO()) as said:
            binary = compiled(one)
        found = Compiled(
            binary.asm["ttgir"], binary.asm["ptx"], said.getvalue(), binary.metadata.shared
        )
        own = path.with_suffix(f".{os.getpid()}")  # another worker may be at the same
        own.write_text(json.dumps(found), "utf-8")
        own.replace(path)
    return Compiled(*json.loads(path.read_text("utf-8")))


class _LaidOut(Exception):
    """How far a kernel had to come."""


def laid_out(one: Configuration) -> str:
    """A kernel once Triton has spread it over threads; the rest takes most of the time."""

    def stop(backend: CUDABackend, module: Any, *rest: Any) -> None:
        raise _LaidOut(str(module))

    with patch.object(CUDABackend, "make_llir", stop):
        try:
            compiled(one)
        except _LaidOut as found:
            return str(found)
    raise LookupError("Triton has compiled a kernel without the stage that was waited for")
