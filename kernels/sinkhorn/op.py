"""The kernels as operators of PyTorch: autograd, autocast and torch.compile go through them."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from classay.kernels.forward_mode import without_tangent
from classay.kernels.sinkhorn.reference import Certificate, Normalised, checked, divided
from classay.kernels.sinkhorn.support import lacks_total_support


def sinkhorn_fused(
    logits: Tensor, iterations: int, temperature: float | Tensor = 1.0, zeros: bool = True
) -> Normalised:
    """``sinkhorn_reference`` by Triton: the same arguments, the same result to float32's rounding.

    logits   (..., n, n)   float32 or bfloat16, n ≤ 256, on a GPU or under TRITON_INTERPRET=1
    returns  float32
    raises   TypeError, ValueError   as ``checked`` does; float64, or a larger n
             RuntimeError            neither a GPU nor Triton's interpreter
    choices  gradients are the exact adjoint of the finite iteration, whose scalings are made again.
             A temperature that is a tensor divides before the kernel, so that its gradient is
             autograd's; a number divides inside, after the largest logit is taken off.
             A matrix whose logits are further apart than float32's largest number is refused as
             one with ∞ is. A gradient ∂M of more than 1e20 may overflow on its way back where the
             logits span nearly 40
    """
    return sinkhorn_fused_many([logits], iterations, temperature, zeros)[0]


def sinkhorn_fused_many(
    logits: Sequence[Tensor],
    iterations: int,
    temperature: float | Tensor = 1.0,
    zeros: bool = True,
) -> list[Normalised]:
    """``sinkhorn_fused`` of matrices of different sizes at once.

    logits       (..., n_i, n_i) each, of one number format and on one device
    temperature  a number, or a tensor that broadcasts against the (...) of each
    choices      one launch each way, whatever the sizes: a table tells every program which are its
                 own. Which padded sizes occur is compiled in, so that a new set of them compiles;
                 so does the first launch of more than a GPU runs at once, of some of them
    """
    from classay.kernels.sinkhorn.launch import last

    for each in logits:
        _kernel_takes(each, iterations, temperature)
    if not logits:
        return []
    if isinstance(temperature, Tensor):
        logits, temperature = [divided(each, temperature) for each in logits], 1.0
    # a size may be a symbol of torch.compile's, by which nothing is sorted
    order = sorted(range(len(logits)), key=lambda k: last(operator.index(logits[k].shape[-1])))
    shapes = [logits[k].shape for k in order]
    sizes, counts = [shape[-1] for shape in shapes], [math.prod(shape[:-2]) for shape in shapes]
    # a reshape alone may be a view that leaves out every second number
    flat = [logits[k].reshape(-1).contiguous() for k in order]
    joined = flat[0] if len(flat) == 1 else torch.cat(flat)
    out, certificate = _sinkhorn(joined, counts, sizes, iterations, temperature, zeros)
    matrices = out.split([count * n * n for count, n in zip(counts, sizes, strict=True)])
    proofs = certificate.detach().split(counts, 1)
    found = {
        k: Normalised(m.view(shape), Certificate(*proof.view(4, *shape[:-2]).unbind()))
        for k, shape, m, proof in zip(order, shapes, matrices, proofs, strict=True)
    }
    return [found[k] for k in range(len(logits))]


@torch.library.custom_op("classay::sinkhorn", mutates_args=())
def _sinkhorn(
    logits: Tensor,
    counts: Sequence[int],
    sizes: Sequence[int],
    iterations: int,
    temperature: float,
    zeros: bool,
) -> tuple[Tensor, Tensor]:
    from classay.kernels.sinkhorn.launch import forward

    logits = _without_refused(_flat(logits, counts, sizes), counts, sizes, zeros)
    return forward(logits, counts, sizes, iterations, temperature, zeros)


@_sinkhorn.register_fake
def _(logits: Tensor, counts: Any, sizes: Any, *_: Any) -> tuple[Tensor, Tensor]:
    out = torch.empty_like(logits, dtype=torch.float32)
    return out, out.new_empty(4, sum(counts))


@torch.library.custom_op("classay::sinkhorn_backward", mutates_args=())
def _sinkhorn_backward(
    logits: Tensor,
    dout: Tensor,
    counts: Sequence[int],
    sizes: Sequence[int],
    iterations: int,
    temperature: float,
    zeros: bool,
) -> Tensor:
    from classay.kernels.sinkhorn.launch import backward

    logits = _without_refused(_flat(logits, counts, sizes), counts, sizes, zeros)
    return backward(
        logits, _flat(dout, counts, sizes), counts, sizes, iterations, temperature, zeros
    )


@_sinkhorn_backward.register_fake
def _(logits: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(logits)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(inputs[0])
    ctx.settings = inputs[1:]


def _differentiate(ctx: Any, dout: Tensor, _: Tensor) -> tuple[Any, ...]:
    (logits,) = ctx.saved_tensors
    return _sinkhorn_backward(logits, dout, *ctx.settings), None, None, None, None, None


_sinkhorn.register_autograd(_differentiate, setup_context=_keep)


def _flat(numbers: Tensor, counts: Sequence[int], sizes: Sequence[int]) -> Tensor:
    """Numbers as the kernels read them: one after the other, as many as the matrices have."""
    needed = sum(count * n * n for count, n in zip(counts, sizes, strict=True))
    if numbers.dim() != 1 or len(numbers) != needed:
        raise ValueError(
            f"classay::sinkhorn got numbers of shape {list(numbers.shape)}; one dimension of "
            f"{needed} was needed.\n  Call sinkhorn_fused_many, which lays them out."
        )
    return numbers.contiguous()


def _without_refused(
    logits: Tensor, counts: Sequence[int], sizes: Sequence[int], zeros: bool
) -> Tensor:
    """The logits, a matrix whose zeros leave no total support turned into NaN."""
    if not zeros or not torch.isneginf(logits).any():
        return logits
    logits, start = logits.clone(), 0
    for count, n in zip(counts, sizes, strict=True):
        part = logits[start : start + count * n * n].view(count, n, n)
        part[lacks_total_support(part)] = math.nan
        start += count * n * n
    return logits


def _kernel_takes(logits: Tensor, iterations: int, temperature: float | Tensor) -> None:
    checked(logits, iterations, temperature)
    without_tangent("the Sinkhorn kernels", logits, temperature)
    if logits.dtype == torch.float64:
        raise TypeError(
            "the Sinkhorn kernels got logits of torch.float64; float32 or bfloat16 was needed.\n"
            "  Call sinkhorn_reference for a golden value."
        )
    if not logits.is_cuda and os.environ.get("TRITON_INTERPRET") != "1":
        raise RuntimeError(
            f"the Sinkhorn kernels got logits on {logits.device}; a CUDA device was needed.\n"
            f"  Call sinkhorn, which runs the reference there, or set TRITON_INTERPRET=1 before "
            f"triton is imported to test them."
        )
