"""``classay::stream_mix``: the kernel as an operator that autograd and torch.compile understand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from classay.kernels.compilation import Configuration, fp_fusion
from classay.kernels.forward_mode import without_tangent
from classay.kernels.multiprocessors import multiprocessors
from classay.kernels.stream_mix.arguments import check
from classay.kernels.stream_mix.shipped import MOST, mixing, programs, summing

TRITON = {torch.bfloat16: "bf16", torch.float32: "fp32"}  # their names in a signature


def stream_mix_fused(h: Tensor, m: Tensor, q: Tensor, alpha: Tensor) -> Tensor:
    """``stream_mix_reference`` on a GPU: same arguments, same result to float32 rounding.

    ::

        y = h + α Qᵀ ((M − I_n) ⊗ I_r) Q h

    h        (..., d)   bfloat16 or float32
    m        (n, n)     float32
    q        (n r, d)   float32, orthonormal rows
    alpha    ()         float32
    returns  (..., d)   the type of h
    raises   ValueError   what the reference refuses, float64, and more rows of q than fit
    choices  a token's bits do not depend on the batch it comes in, nor on its place there
             every gradient repeats its bits: see ``fused`` for the sums over tokens
             no gradient has a gradient of its own: who asks for one is told so
    """
    check(h, m, q, alpha)
    without_tangent("stream_mix_fused", h, m, q, alpha)
    if h.dtype not in TRITON:
        raise ValueError(
            f"stream_mix_fused got {str(h.dtype).removeprefix('torch.')}; its sums are float32's."
            f"\n  Use stream_mix_reference for a golden value."
        )
    if len(q) > MOST:
        raise ValueError(
            f"q has {len(q)} rows; one program of stream_mix_fused holds {MOST}.\n  Use fewer "
            f"streams or a lower rank, or stream_mix_reference."
        )
    return _stream_mix(h, m, q, alpha)[0]


def _mix(h: Tensor, m: Tensor, q: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """(y, s = Q h); s is float32, and what the backward would otherwise read h for."""
    (size, d), n = q.shape, len(m)
    flat = _rows(h, d)
    y = torch.empty_like(flat)
    streams = flat.new_empty((len(flat), size), dtype=torch.float32)
    program = mixing(n, size // n, d, TRITON[h.dtype])
    grid = programs(program, len(flat), multiprocessors(h.device))
    if grid:  # a grid of none is an error
        with torch.cuda.device_of(h):
            program.kernel[(grid,)](
                flat, m.contiguous(), q.contiguous(), alpha, y, streams, len(flat),
                **_options(program),
            )  # fmt: skip
    return y.view(h.shape), streams.view(*h.shape[:-1], size)


def _sums(streams: Tensor, g: Tensor, pulled: Tensor, h: Tensor) -> Tensor:
    """(P, W) as one tensor (2, k, d), float32; s and t (..., k) float32, g and h (..., d)."""
    k, d = streams.shape[-1], h.shape[-1]
    streams, pulled, g, h = _rows(streams, k), _rows(pulled, k), _rows(g, d), _rows(h, d)
    program = summing(k, d, TRITON[h.dtype])
    tile = program.constexprs
    pieces = -(-len(h) // (tile["TOKENS"] * tile["TILES"]))
    parts = streams.new_empty((2, pieces, k, d))
    if pieces:
        with torch.cuda.device_of(h):
            program.kernel[(pieces, -(-d // tile["WIDTH"]))](
                streams, g, pulled, h, parts, len(h), **_options(program)
            )
    return parts.sum(1)


def _options(program: Configuration) -> dict[str, Any]:
    return {
        **program.constexprs,
        "num_warps": program.warps,
        "num_stages": program.stages,
        "enable_fp_fusion": fp_fusion(),
    }


def _rows(tensor: Tensor, width: int) -> Tensor:
    flat = tensor.reshape(-1, width).contiguous()
    # Triton compiles anew for what begins off a multiple of 16 bytes, and other code may sum in
    # another order: a token that is sliced out of a batch must not notice
    return flat.clone() if flat.data_ptr() % 16 else flat


def _mix_shapes(h: Tensor, m: Tensor, q: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    return h.new_empty(h.shape), h.new_empty((*h.shape[:-1], len(q)), dtype=torch.float32)


def _sums_shape(streams: Tensor, g: Tensor, pulled: Tensor, h: Tensor) -> Tensor:
    return streams.new_empty((2, streams.shape[-1], h.shape[-1]))


def _keep(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(*inputs, output[1])


def _gradients(ctx: Any, dy: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    h, m, q, alpha, streams = ctx.saved_tensors
    dh, pulled = _stream_mix(dy, m.mT, q, alpha)
    if not any(ctx.needs_input_grad[1:]):
        return dh, None, None, None
    return dh, *_structure(_token_sums(streams, dy, pulled, h), m, q, alpha)


def _from_sums(sums: Tensor, m: Tensor, q: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(∂M, ∂Q, ∂α) from (P, W). An operator too: of its parts autograd would differentiate some."""
    # float64 costs nothing at n r rows, and no switch for TF32 reaches it
    n = len(m)
    p, w, wide = (t.double().view(n, -1) for t in (*sums, q.contiguous()))  # (n, r d)
    change, a = m.double() - torch.eye(n, dtype=torch.float64, device=m.device), alpha.double()
    s = wide @ p.mT
    dq = (a * (change @ p + change.mT @ w)).view(q.shape)
    return (a * s).to(m.dtype), dq.to(q.dtype), (change * s).sum().to(alpha.dtype)


def _structure_shapes(
    sums: Tensor, m: Tensor, q: Tensor, alpha: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return m.new_empty(m.shape), q.new_empty(q.shape), alpha.new_empty(())


_stream_mix = torch.library.custom_op("classay::stream_mix", _mix, mutates_args=())
_stream_mix.register_fake(_mix_shapes)
_stream_mix.register_autograd(_gradients, setup_context=_keep)
_token_sums = torch.library.custom_op("classay::stream_mix_token_sums", _sums, mutates_args=())
_token_sums.register_fake(_sums_shape)
_structure = torch.library.custom_op("classay::stream_mix_structure", _from_sums, mutates_args=())
_structure.register_fake(_structure_shapes)
