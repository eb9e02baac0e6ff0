"""Mixing the streams in plain PyTorch: the definition that the fused kernel is tested against."""

from __future__ import annotations

import torch
from torch import Tensor

from classay.kernels.stream_mix.arguments import check


def stream_mix_reference(h: Tensor, m: Tensor, q: Tensor, alpha: Tensor) -> Tensor:
    """Mix n streams of r coordinates, a projection of every token, and put them back.

    ::

        y = h + α Qᵀ ((M − I_n) ⊗ I_r) Q h

    h        (..., d)   bfloat16, float32 or float64; one vector a token
    m        (n, n)     float32; what becomes of stream i is M[i, j] of stream j
    q        (n r, d)   float32; orthonormal rows, the first r are the first stream
    alpha    ()         float32; how much of the change is made
    returns  (..., d)   the type of h; computed in the type of m, rounded once
    raises   ValueError   shapes that do not fit, types it does not compute in, two devices
    source   the residual mixing of CRMA-R, see ``classay.methods.crma``
    choices  pass everything in float64 for a golden value and its gradients
             autocast does not reach inside: the streams would lose what is small in α (M − I)
    """
    check(h, m, q, alpha)
    with torch.autocast(h.device.type, enabled=False):
        change = alpha * (m - torch.eye(len(m), dtype=m.dtype, device=m.device))
        wide = h.to(m.dtype)
        streams = (wide @ q.mT).unflatten(-1, (len(m), -1))  # (..., n, r)
        return (wide + (change @ streams).flatten(-2) @ q).to(h.dtype)
