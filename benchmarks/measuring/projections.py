"""Doubly stochastic matrices by every code that can make them: what it costs, in three regimes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from peers import ITERATIONS, PEERS, Project
from timing import Call, Timed, Work
from torch import Tensor

from classay.kernels.sinkhorn import sinkhorn_fused, sinkhorn_fused_many, sinkhorn_reference

MIXED = 4 * (4, 8, 12, 16, 32, 33, 48, 64)  # sizes of the matrices of one call


class Case(NamedTuple):
    """So many matrices of a size, whose time is taken."""

    regime: str
    matrices: int
    n: int

    @property
    def words(self) -> str:
        """The case in a table."""
        return f"{self.matrices:,} of {self.n} × {self.n}"


def cases(tiny: bool) -> list[Case]:
    """Regimes (a) stacked static matrices, (c) large ones and (b) token-dynamic ones."""
    if tiny:
        return [Case("a", 2, 4), Case("a", 2, 16), Case("c", 1, 128), Case("b", 8, 4)]
    static = [Case("a", 32, n) for n in (4, 8, 16, 32, 64)]
    static += [Case("a", count, n) for count in (22, 64) for n in (4, 64)]
    # up to 1 GiB of logits
    dynamic = [
        Case("b", 2**p, n)
        for n in (4, 8, 16, 32, 64)
        for p in (10, 14, 18, 20, 22)
        if 2**p * n * n * 4 <= 2**30
    ]
    return [*static, *(Case("c", 32, n) for n in (128, 256)), *dynamic]


def timed(case: Case, device: str) -> Iterator[Timed]:
    """Every implementation there is, forward and backward, of the same logits.

    choices  backward is timed alone: the graph is kept, and the forward made once. Implementations
             that do not give the same matrix, such as those with an epsilon, are peers all the same
    """
    size, n = case.matrices * case.n**2, case.n
    # the exponential of every entry, and a reciprocal a row and a column of every iteration
    special = case.matrices * (n * n + 2 * n * ITERATIONS)
    forward = Work(8 * size, special, 2 * ITERATIONS * size)
    backward = Work(12 * size)  # logits and the matrix's gradient in, theirs out
    for name, build in {"fused": _fused, **PEERS}.items():
        ways = partial(_forward, build, case, device), partial(_backward, build, case, device)
        yield Timed(name, "forward", ways[0], forward, name == "fused")
        yield Timed(name, "backward", ways[1], backward, name == "fused")


def mixed(sizes: Sequence[int], device: str) -> Iterator[Timed]:
    """One matrix of every size, all in one call."""
    generator = torch.Generator().manual_seed(0)
    logits = [torch.randn(1, n, n, generator=generator).to(device) for n in sizes]
    upstream = [torch.randn(1, n, n, generator=generator).to(device) for n in sizes]
    ways: dict[str, Callable[[list[Tensor]], list[Any]]] = {
        "fused": lambda each: sinkhorn_fused_many(each, ITERATIONS, zeros=False),
        "torch, eager": lambda each: [sinkhorn_reference(x, ITERATIONS, zeros=False) for x in each],
    }

    def forward(project: Callable[[list[Tensor]], list[Any]]) -> Call:
        return partial(_without_graph, project, logits)

    def backward(project: Callable[[list[Tensor]], list[Any]]) -> Call:
        learned = [each.clone().requires_grad_() for each in logits]
        out = [found.matrix for found in project(learned)]
        return partial(torch.autograd.grad, out, learned, upstream, retain_graph=True)

    size = sum(n * n for n in sizes)
    for name, project in ways.items():
        ours = name == "fused"
        yield Timed(name, "forward", partial(forward, project), Work(8 * size), ours)
        yield Timed(name, "backward", partial(backward, project), Work(12 * size), ours)


def _fused(_: Tensor) -> Project:
    return lambda x: sinkhorn_fused(x, ITERATIONS, zeros=False).matrix


def _forward(build: Callable[[Tensor], Project], case: Case, device: str) -> Call:
    logits = _drawn(case, device, 0)
    return partial(_without_graph, build(logits), logits)


def _backward(build: Callable[[Tensor], Project], case: Case, device: str) -> Call:
    logits = _drawn(case, device, 0).requires_grad_()
    out, upstream = build(logits)(logits), _drawn(case, device, 1)
    return partial(torch.autograd.grad, out, logits, upstream, retain_graph=True)


def _drawn(case: Case, device: str, seed: int) -> Tensor:
    generator = torch.Generator(device).manual_seed(seed)
    return torch.randn(case.matrices, case.n, case.n, generator=generator, device=device)


def _without_graph(project: Callable[[Any], Any], logits: Any) -> Any:
    with torch.no_grad():
        return project(logits)
