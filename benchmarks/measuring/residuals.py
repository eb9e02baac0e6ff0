"""The CRMA residual by every implementation: what mixing the streams of a hidden state costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from compiling import of_any_number
from timing import Call, Timed, Work
from torch import Tensor

from classay.kernels.stream_mix import stream_mix_compiled, stream_mix_reference
from classay.kernels.stream_mix.operator import stream_mix_fused

STREAMS, RANK = 2, 4  # n and r of preset strong


class Residual(NamedTuple):
    """A hidden state whose streams are mixed."""

    tokens: int
    d: int

    @property
    def words(self) -> str:
        """The case in a table."""
        return f"{self.tokens:,} tokens of {self.d:,}"


def residuals(tiny: bool) -> list[Residual]:
    """Regime (d)."""
    if tiny:
        return [Residual(8, 64)]
    return [Residual(2**p, d) for d in (2048, 3584, 4096) for p in (10, 12, 13, 14)]


def mixes(case: Residual, device: str) -> Iterator[Timed]:
    """The residual by every implementation, forward and backward.

    choices  the bytes that have to be moved: h in and y out; of the way back h and the gradient of
             y in, that of h out, as M, Q and α learn
    """
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    ways: dict[str, Callable[..., Tensor]] = {
        "fused": stream_mix_fused,
        "torch, eager": stream_mix_reference,
    }
    if device == "cuda":
        ways["torch.compile"] = stream_mix_compiled
    size = case.tokens * case.d * dtype.itemsize
    for name, mix in ways.items():
        about = (mix, case, device, dtype)
        yield Timed(name, "forward", partial(_forward, *about), Work(2 * size), name == "fused")
        yield Timed(name, "backward", partial(_backward, *about), Work(3 * size), name == "fused")


def _forward(mix: Callable[..., Tensor], case: Residual, device: str, dtype: torch.dtype) -> Call:
    drawn = _drawn(case, device, dtype)

    def call() -> Tensor:
        with torch.no_grad():
            return mix(*drawn)

    return call


def _backward(mix: Callable[..., Tensor], case: Residual, device: str, dtype: torch.dtype) -> Call:
    learned = [tensor.requires_grad_() for tensor in _drawn(case, device, dtype)]
    out = mix(*learned)
    upstream = torch.randn_like(out)
    return partial(torch.autograd.grad, out, learned, upstream, retain_graph=True)


def _drawn(case: Residual, device: str, dtype: torch.dtype) -> list[Tensor]:
    """h, M, Q and α."""
    generator = torch.Generator(device).manual_seed(0)
    h = torch.randn(case.tokens, case.d, generator=generator, device=device).to(dtype)
    q = torch.randn(case.d, STREAMS * RANK, generator=generator, device=device)
    m = torch.full((STREAMS, STREAMS), 0.5, device=device)
    return [
        of_any_number(h),
        m,
        torch.linalg.qr(q)[0].mT.contiguous(),
        torch.tensor(0.3, device=device),
    ]
