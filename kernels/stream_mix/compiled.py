"""Mixing the streams by torch.compile: how far a compiler gets without a kernel of ours."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from classay.kernels.stream_mix.reference import stream_mix_reference


def stream_mix_compiled(h: Tensor, m: Tensor, q: Tensor, alpha: Tensor) -> Tensor:
    """``stream_mix_reference``, compiled when first called: equal to float32 rounding.

    ::

        y = h + α Qᵀ ((M − I_n) ⊗ I_r) Q h

    h        (..., d)   bfloat16 or float32
    m        (n, n)     float32
    q        (n r, d)   float32, orthonormal rows
    alpha    ()         float32
    returns  (..., d)   the type of h
    raises   ValueError   what the reference refuses
    choices  nothing chooses it: it stands between the reference and the kernel in benchmarks
    """
    return _compiled()(h, m, q, alpha)


@cache
def _compiled() -> Callable[..., Tensor]:
    return torch.compile(stream_mix_reference, fullgraph=True)
