"""Other people's code for doubly stochastic matrices, each with the sizes that it can do.

Left out: DeepSeek's TileKernels, which asks for torch 2.13 and TileLang, and NVIDIA's
TransformerEngine, of which pip finds no wheel for PyTorch and so has to compile it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from compiling import of_any_number
from timing import Unsuited
from torch import Tensor

from classay.kernels.sinkhorn import sinkhorn_reference

ITERATIONS = 20
Project = Callable[[Tensor], Tensor]  # logits to matrices
COMPILED = (4, 16, 64, 128)  # n; 40 unrolled half-steps take half a minute to compile, each way


def eager(_: Tensor) -> Project:
    """The definition, in PyTorch."""
    return _reference


def compiled(logits: Tensor) -> Project:
    """The definition under torch.compile, compiled once for any number of matrices of a size.

    raises  Unsuited   its compile time is not spent on this size
    """
    if not logits.is_cuda:
        raise Unsuited("timed on a GPU only")
    if logits.shape[-1] not in COMPILED:
        raise Unsuited("not timed: compile time")
    of_any_number(logits)
    _compile(logits.shape[-1], logits.device)
    return _compiled


def liger(logits: Tensor) -> Project:
    """liger-kernel's mHC projection.

    raises      Unsuited, ImportError
    departures  it adds an epsilon to every sum, begins with a softmax of the rows and computes two
                further vectors of each matrix, which are 0 here
    """
    from liger_kernel.ops.mhc import mhc_sinkhorn_bwd, mhc_split_sinkhorn_fwd

    count, n = logits.shape[:2]
    if n not in (2, 4, 8, 16):
        raise Unsuited("powers of two up to 16 only")
    if count * ITERATIONS * n * n >= 2**31:
        # beyond it the kernel reads outside of its history, which ends the whole process
        raise Unsuited("its 32-bit offsets do not reach so many matrices")
    # in its own form, which is nothing that it has to be timed for
    mix = torch.cat([logits.new_zeros(count, 2 * n), logits.detach().flatten(1)], 1)
    shift = logits.new_zeros(n * n + 2 * n)
    one = logits.new_ones(())
    settings = {"tmax": ITERATIONS, "sinkhorn_eps": 1e-6}

    class Projection(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, logits: Tensor) -> Tensor:
            kept = logits.requires_grad
            _, _, out, *ctx.history = mhc_split_sinkhorn_fwd(
                mix, shift, one, one, one, pre_eps=0.0, post_mult=2.0, return_hist=kept, **settings
            )
            return out

        @staticmethod
        def backward(ctx: Any, upstream: Tensor) -> Tensor:
            upstream = upstream.contiguous()
            (history,) = ctx.history
            return mhc_sinkhorn_bwd(mix, shift, one, upstream, hist=history, **settings)

    return Projection.apply


def hyper_connections(logits: Tensor) -> Project:
    """hyper-connections' kernel.

    raises      Unsuited, ImportError
    departures  columns first; its backward takes the last matrix for that of every iteration, which
                is right only once they have converged
    """
    from hyper_connections.triton_sinkhorn import TritonSinkhornFunction

    if logits.shape[-1] > 64:
        raise Unsuited("not timed: its unrolled iterations take minutes to compile")
    # not its triton_sinkhorn, which turns to PyTorch without a word when the kernel fails
    return lambda x: TritonSinkhornFunction.apply(x, ITERATIONS)


def flash_linear_attention(logits: Tensor) -> Project:
    """The kernel of flash-linear-attention's core.

    raises      Unsuited, ImportError
    departures  columns first
    """
    from fla.ops.utils.sinkhorn import sinkhorn

    _suits_fla(logits)
    return lambda x: sinkhorn(x, ITERATIONS)


def gluon(logits: Tensor) -> Project:
    """The same library's kernel in Gluon, which it takes where FLA_GLUON=1 asks for it.

    raises      Unsuited, ImportError
    departures  columns first
    """
    from fla.ops.utils.sinkhorn.gluon import sinkhorn_fwd_gluon

    _suits_fla(logits)

    class Projection(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, logits: Tensor) -> Tensor:
            ctx.save_for_backward(logits)
            out, ctx.back = sinkhorn_fwd_gluon(logits, ITERATIONS)
            return out

        @staticmethod
        def backward(ctx: Any, upstream: Tensor) -> Tensor:
            (logits,) = ctx.saved_tensors
            return ctx.back(logits, upstream.contiguous(), ITERATIONS)

    return Projection.apply


PEERS: dict[str, Callable[[Tensor], Project]] = {
    "torch, eager": eager,
    "torch.compile": compiled,
    "liger-kernel mHC": liger,
    "hyper-connections": hyper_connections,
    "flash-linear-attention": flash_linear_attention,
    "flash-linear-attention, Gluon": gluon,
}


def _suits_fla(logits: Tensor) -> None:
    if logits.shape[-1] > 8:
        raise Unsuited("up to 8 rows only")
    if not logits.is_cuda:
        raise Unsuited("on a GPU only")


def _reference(logits: Tensor) -> Tensor:
    return sinkhorn_reference(logits, ITERATIONS, zeros=False).matrix


_compiled = torch.compile(_reference, fullgraph=True)


@cache
def _compile(n: int, device: torch.device) -> None:
    """Compile for many matrices, as for few of them nothing but the launch counts."""
    many = of_any_number(torch.zeros(2**22 // n**2, n, n, device=device))
    with torch.no_grad():
        _compiled(many)
    many.requires_grad_()
    torch.autograd.grad(_compiled(many).sum(), many)
