"""Mixing the streams of a projection of every token, and nothing else of it."""

import logging
from functools import cache

import torch
from torch import Tensor

from classay.kernels.stream_mix.compiled import stream_mix_compiled
from classay.kernels.stream_mix.reference import stream_mix_reference

__all__ = ["stream_mix", "stream_mix_compiled", "stream_mix_reference"]

LOG = logging.getLogger("classay.kernels")


def stream_mix(h: Tensor, m: Tensor, q: Tensor, alpha: Tensor) -> Tensor:
    """The fused kernel where it can run, the reference elsewhere; the tests hold them equal.

    ::

        y = h + α Qᵀ ((M − I_n) ⊗ I_r) Q h

    h        (..., d)   bfloat16 or float32
    m        (n, n)     float32
    q        (n r, d)   float32, orthonormal rows
    alpha    ()         float32
    returns  (..., d)   the type of h; computed in float32, rounded once
    raises   ValueError   shapes that do not fit, types it does not compute in, two devices
    choices  the device decides and nothing else does, so that no environment changes a number;
             that the reference was taken is logged once a process
    """
    if h.is_cuda:
        from classay.kernels.stream_mix.operator import stream_mix_fused

        return stream_mix_fused(h, m, q, alpha)
    if not torch.compiler.is_compiling():  # a compiled graph holds no log
        _say(h.device.type)
    return stream_mix_reference(h, m, q, alpha)


@cache
def _say(device: str) -> None:
    LOG.info("stream_mix computes with its reference on %s: the fused kernel needs CUDA", device)
