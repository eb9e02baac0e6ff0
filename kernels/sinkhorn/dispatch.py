"""Which code normalises: the kernels on a GPU, the reference everywhere else."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from classay.kernels.sinkhorn.op import sinkhorn_fused_many
from classay.kernels.sinkhorn.reference import Normalised, sinkhorn_reference

FUSED = 256  # the most rows of a matrix that a kernel holds
_LOG = logging.getLogger("classay.kernels")


def sinkhorn(
    logits: Tensor, iterations: int, temperature: float | Tensor = 1.0, zeros: bool = True
) -> Normalised:
    """Rows and columns of ``exp(logits / temperature)`` normalised in turn, rows first.

    ::

        M = lim diag(u) exp(logits / temperature) diag(v)      of which this is a finite iterate

    logits       (..., n, n)   float32 or bfloat16, computed in float32; float64
    iterations   at least 1
    temperature  above 0; a number, or a tensor that broadcasts against (...) and gets a gradient
    zeros        −∞ is a zero where the zeros leave total support. Without it every −∞ is refused as
                 NaN is, and nothing is read back from a GPU
    returns      the matrix, float32 or float64, with a certificate of what it misses; see
                 ``Normalised``. A refused matrix is NaN everywhere, and so is its certificate
    raises       TypeError, ValueError   of a number format, a shape or a number without meaning
    source       Sinkhorn & Knopp 1967, Pacific J. Math. 21(2)
    choices      the kernels on a GPU. The reference without one, in float64 and above 256 rows: no
                 environment variable decides. The logger ``classay.kernels`` says so once
    """
    return sinkhorn_many([logits], iterations, temperature, zeros)[0]


def sinkhorn_many(
    logits: Sequence[Tensor],
    iterations: int,
    temperature: float | Tensor = 1.0,
    zeros: bool = True,
) -> list[Normalised]:
    """``sinkhorn`` of matrices of different sizes, all of them at once.

    logits       (..., n_i, n_i) each, of one number format and on one device
    temperature  a number, or a tensor that broadcasts against the (...) of each
    choices      one launch each way, as ``sinkhorn_fused_many`` says
    """
    if all(map(_fused, logits)):
        return sinkhorn_fused_many(logits, iterations, temperature, zeros)
    if not torch.compiler.is_compiling():
        _say_once()
    return [sinkhorn_reference(each, iterations, temperature, zeros) for each in logits]


def _fused(logits: Tensor) -> bool:
    known = logits.dtype in (torch.float32, torch.bfloat16)
    return logits.is_cuda and known and logits.shape[-1] <= FUSED


@cache
def _say_once() -> None:
    _LOG.info(
        "sinkhorn runs its reference in plain PyTorch; its kernels run on a CUDA device, in "
        "float32 or bfloat16 and up to %d rows",
        FUSED,
    )
