"""Matrices that stay in registers, n ≤ 64: up to P of one size in a program, each padded to N × N.

The backward keeps, of every iteration, only the column scaling before it: it runs the iteration
again, then walks it in reverse and makes each row scaling anew. For x ← x − logsumexp(x) = y ::

    ∂x = ∂y − exp(y) · sum(∂y)

which is the adjoint of the finite iteration, converged or not, in O(iterations · n) memory.
"""

from __future__ import annotations

import triton
import triton.language as tl

from classay.kernels.compilation import Configuration
from classay.kernels.sinkhorn.domain import ROUNDING, SPAN, refused, scaled, scaling

# N: (P, warps), a few numbers of a tile in a thread; chosen so that no register is spilled
SIZES = {2: (128, 4), 4: (32, 4), 8: (8, 4), 16: (2, 4), 32: (1, 2), 64: (1, 32)}


@triton.jit
def _places(n, count, N: tl.constexpr, P: tl.constexpr):
    p = tl.arange(0, P)[:, None, None]
    i = tl.arange(0, N)[None, :, None]
    j = tl.arange(0, N)[None, None, :]
    return (p * n + i) * n + j, (p < count) & (i < n) & (j < n)


@triton.jit
def _spread(x, inside, temperature, zeros):
    """Logits with 0 as the largest of each matrix, and which matrices are bad, which wide."""
    wrong = refused(x, inside, temperature, zeros).to(tl.int32)
    bad = tl.max(tl.max(wrong, 2, keep_dims=True), 1, keep_dims=True) != 0  # [P, 1, 1]
    x = tl.where(bad & inside, 0.0, x)
    peak = tl.max(tl.max(x, 2, keep_dims=True), 1, keep_dims=True)
    peak = tl.where(peak == float("-inf"), 0.0, peak)  # of a matrix that is not there
    low = tl.where(inside, x, float("inf"))
    least = tl.min(tl.min(low, 2, keep_dims=True), 1, keep_dims=True)
    wide = ((peak - least) / temperature) > SPAN
    return (x - peak) / temperature, bad, wide


@triton.jit
def _begun(a, LOG: tl.constexpr):
    u = tl.zeros([a.shape[0], a.shape[1], 1], tl.float32)
    return u, tl.full([a.shape[0], 1, a.shape[2]], 0.0 if LOG else 1.0, tl.float32)


@triton.jit
def _iterated(a, ITERATIONS: tl.constexpr, LOG: tl.constexpr):
    u, v = _begun(a, LOG)
    for _ in range(ITERATIONS):
        u = scaling(a, v, 2, LOG)
        v = scaling(a, u, 1, LOG)
    return scaled(a, u, v, LOG)


@triton.jit
def _forward(
    logits, table, out, certificate, batch, temperature, zeros,
    ITERATIONS: tl.constexpr, N: tl.constexpr, P: tl.constexpr,
):  # fmt: skip
    row = table + tl.program_id(0) * 5
    start, n, count, first = tl.load(row), tl.load(row + 1), tl.load(row + 2), tl.load(row + 3)
    place, inside = _places(n, count, N, P)
    x = tl.load(logits + start + place, mask=inside, other=float("-inf")).to(tl.float32)
    x, bad, wide = _spread(x, inside, temperature, zeros)  # [P, N, N]
    m = _iterated(tl.exp(tl.where(wide & inside, 0.0, x)), ITERATIONS, False)
    if tl.max(wide.to(tl.int32)) != 0:
        m = tl.where(wide, _iterated(x, ITERATIONS, True), m)
    m = tl.where(bad, float("nan"), m)
    tl.store(out + start + place, m, mask=inside)

    m = tl.where(bad | (inside == 0), 0.0, m)
    rows, columns = tl.sum(m, 2, keep_dims=True), tl.sum(m, 1, keep_dims=True)
    i, j = tl.arange(0, N)[None, :, None], tl.arange(0, N)[None, None, :]
    worst_row = tl.max(tl.where(i < n, tl.abs(rows - 1.0), 0.0), 1, keep_dims=True)  # [P, 1, 1]
    worst_column = tl.max(tl.where(j < n, tl.abs(columns - 1.0), 0.0), 2, keep_dims=True)
    low = tl.where(inside, m, float("inf"))
    least = tl.min(tl.min(low, 2, keep_dims=True), 1, keep_dims=True)
    product = tl.max(rows, 1, keep_dims=True) * tl.max(columns, 2, keep_dims=True)
    bound = tl.sqrt_rn(product) * (1.0 + n.to(tl.float32) * ROUNDING)
    p = tl.arange(0, P)[:, None, None]
    to = certificate + first + p
    tl.store(to, tl.where(bad, float("nan"), worst_row), mask=p < count)
    tl.store(to + batch, tl.where(bad, float("nan"), worst_column), mask=p < count)
    tl.store(to + 2 * batch, tl.where(bad, float("nan"), least), mask=p < count)
    tl.store(to + 3 * batch, tl.where(bad, float("nan"), bound), mask=p < count)


@triton.jit
def _reversed(a, d, history, n, there, ITERATIONS: tl.constexpr, LOG: tl.constexpr):
    u, v = _begun(a, LOG)  # [P, N, 1], [P, 1, N]
    for t in range(ITERATIONS):
        tl.store(history + t * n, v, mask=there)
        u = scaling(a, v, 2, LOG)
        v = scaling(a, u, 1, LOG)
    # what one thread stored another may load
    tl.debug_barrier()
    d = d * scaled(a, u, v, LOG)
    for back in range(ITERATIONS):
        before = tl.load(history + (ITERATIONS - 1 - back) * n, mask=there, other=0.0)
        u = scaling(a, before, 2, LOG)
        d -= scaled(a, u, v, LOG) * tl.sum(d, 1, keep_dims=True)
        d -= scaled(a, u, before, LOG) * tl.sum(d, 2, keep_dims=True)
        v = before
    tl.debug_barrier()
    return d


@triton.jit
def _backward(
    logits, table, dout, dlogits, scratch, temperature, zeros,
    ITERATIONS: tl.constexpr, N: tl.constexpr, P: tl.constexpr,
):  # fmt: skip
    row = table + tl.program_id(0) * 5
    start, n, count, vectors = tl.load(row), tl.load(row + 1), tl.load(row + 2), tl.load(row + 4)
    place, inside = _places(n, count, N, P)
    x = tl.load(logits + start + place, mask=inside, other=float("-inf")).to(tl.float32)
    g = tl.load(dout + start + place, mask=inside, other=0.0)
    x, bad, wide = _spread(x, inside, temperature, zeros)  # [P, N, N]
    p, j = tl.arange(0, P)[:, None, None], tl.arange(0, N)[None, None, :]
    history = scratch + (vectors + p * n) * ITERATIONS + j
    there = (p < count) & (j < n)
    narrow = tl.exp(tl.where(wide & inside, 0.0, x))
    d = _reversed(narrow, g, history, n, there, ITERATIONS, False)
    if tl.max(wide.to(tl.int32)) != 0:
        d = tl.where(wide, _reversed(x, g, history, n, there, ITERATIONS, True), d)
    d = tl.where(bad, float("nan"), d / temperature)
    tl.store(dlogits + start + place, d, mask=inside)


_LAST = {"temperature": "fp32", "zeros": "i32"}
_LAST |= dict.fromkeys(("ITERATIONS", "N", "P"), "constexpr")
SHIPPED = [
    Configuration(kernel, signature | _LAST, {"ITERATIONS": 20, "N": n, "P": p}, warps)
    for n, (p, warps) in SIZES.items()
    for logits in ("*fp32", "*bf16")
    for kernel, signature in (
        (
            _forward,
            {"logits": logits, "table": "*i64", "out": "*fp32", "certificate": "*fp32"}
            | {"batch": "i32"},
        ),
        (
            _backward,
            {"logits": logits, "table": "*i64", "dout": "*fp32", "dlogits": logits}
            | {"scratch": "*fp32"},
        ),
    )
]
