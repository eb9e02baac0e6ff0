"""Doubly stochastic matrices by every code that can make them: what it costs, in three regimes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from timing import Call
from torch import Tensor

from classay.kernels.sinkhorn import sinkhorn_reference
from classay.kernels.sinkhorn.op import sinkhorn_fused

ITERATIONS = 20
FORWARD, BACKWARD = 8, 12  # bytes a number: logits in, matrix out; and its gradient in, theirs out


class Case(NamedTuple):
    """So many matrices of a size, whose time is taken."""

    regime: str
    matrices: int
    n: int

    @property
    def words(self) -> str:
        """The case in a table."""
        return f"{self.matrices:,} of {self.n} × {self.n}"


class Timed(NamedTuple):
    """One call that can be timed."""

    implementation: str
    direction: str  # "forward" or "backward"
    call: Call
    bytes: int  # that have to be moved, whatever the code does


def cases(tiny: bool) -> list[Case]:
    """The regimes: (a) stacked static matrices, (b) token-dynamic ones, (c) large ones."""
    if tiny:
        return [Case("a", 2, 4), Case("a", 2, 16), Case("b", 64, 4), Case("c", 1, 128)]
    static = [Case("a", count, n) for count in (22, 32, 64) for n in (4, 8, 16, 32, 64)]
    # up to 2 GiB of logits
    dynamic = [
        Case("b", 2**p, n)
        for n in (4, 8, 16, 32, 64)
        for p in (10, 14, 18, 20, 22)
        if 2**p * n * n * 4 <= 2**31
    ]
    return [*static, *dynamic, *(Case("c", 32, n) for n in (128, 256))]


def timed(case: Case, device: str) -> Iterator[Timed]:
    """Every implementation there is, forward and backward, of the same logits.

    choices  backward is timed alone: the graph is kept, and the forward made once. Implementations
             that do not give the same matrix, such as those with an epsilon, are peers all the same
    """
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(case.matrices, case.n, case.n, generator=generator).to(device)
    upstream = torch.randn(case.matrices, case.n, case.n, generator=generator).to(device)
    size = case.matrices * case.n**2
    for name, project in _implementations(case, device):
        with_gradient = logits.clone().requires_grad_()
        yield Timed(name, "forward", partial(_without_graph, project, logits), FORWARD * size)
        out = project(with_gradient)
        again = partial(torch.autograd.grad, out, with_gradient, upstream, retain_graph=True)
        yield Timed(name, "backward", again, BACKWARD * size)


def _without_graph(project: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    with torch.no_grad():
        return project(logits)


def _implementations(case: Case, device: str) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
    yield "fused", lambda x: sinkhorn_fused(x, ITERATIONS, zeros=False).matrix
    yield "torch, eager", _reference
    if device == "cuda":
        yield "torch.compile", torch.compile(_reference, fullgraph=True)
    if (liger := _liger(case, device)) is not None:
        yield "liger-kernel mHC", liger


def _reference(logits: Tensor) -> Tensor:
    return sinkhorn_reference(logits, ITERATIONS, zeros=False).matrix


def _liger(case: Case, device: str) -> Callable[[Tensor], Tensor] | None:
    """liger-kernel's mHC projection, which takes sizes that are powers of two up to 16.

    departures  it adds an epsilon to every sum, begins with a softmax of the rows and computes two
                further vectors of each matrix, which are 0 here
    """
    if case.n > 16:
        return None
    try:
        from liger_kernel.ops.mhc import mhc_sinkhorn_bwd, mhc_split_sinkhorn_fwd
    except ImportError:
        return None
    n = case.n
    shift = torch.zeros(n * n + 2 * n, device=device)
    one = torch.ones((), device=device)

    class Projection(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, logits: Tensor) -> Tensor:
            mix = torch.cat([logits.new_zeros(len(logits), 2 * n), logits.flatten(1)], 1)
            form = {"tmax": ITERATIONS, "pre_eps": 0.0, "sinkhorn_eps": 1e-6, "post_mult": 2.0}
            *_, out, history = mhc_split_sinkhorn_fwd(
                mix, shift, one, one, one, **form, return_hist=True
            )
            ctx.save_for_backward(mix, history)
            return out

        @staticmethod
        def backward(ctx: Any, upstream: Tensor) -> Tensor:
            mix, history = ctx.saved_tensors
            return mhc_sinkhorn_bwd(
                mix, shift, one, upstream.contiguous(), tmax=ITERATIONS, sinkhorn_eps=1e-6,
                hist=history,
            )  # fmt: skip

    return Projection.apply
