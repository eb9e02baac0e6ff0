"""Triton's compiler for sm_90; no GPU is asked. The scripts beside it print what it makes."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

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
