"""Matrices too large for registers, 64 < n ≤ 256: one a program, a tile of rows at a time.

An iteration is one sweep: a tile's row scaling is whole in the tile, and what it adds to the column
sums is kept. Logits are read again and exponentiated again in every sweep, from the L2 cache. The
gradient is that of ``resident``, with its sums over the matrix kept as vectors::

    φ_i = [last] Σ_j D_ij − Σ_j γ_j Q_ij        Q = M after the column step
    γ_j ← −Σ_i φ_i P_ij                         P = M after the row step
    ∂L = D − Σ_t (γ Q + φ P)                    D = ∂M ∘ M

so that 4 · iterations + 1 vectors are stored and no matrix.
"""

from __future__ import annotations

import triton
import triton.language as tl

from classay.kernels.compilation import Configuration
from classay.kernels.sinkhorn.domain import ROUNDING, SPAN, inverse, refused, scaled, scaling

# N: (ROWS, warps), the most rows of a tile that spill no register
SIZES = {128: (16, 4), 256: (16, 8)}


@triton.jit
def _places(k, n, ROWS: tl.constexpr, N: tl.constexpr):
    i = k * ROWS + tl.arange(0, ROWS)[:, None]
    j = tl.arange(0, N)[None, :]
    return i, i * n + j, (i < n) & (j < n)


@triton.jit
def _measured(logits, n, temperature, zeros, ROWS: tl.constexpr, N: tl.constexpr):
    """The largest logit, whether the matrix is bad and whether it is wide."""
    high = tl.full([ROWS, N], float("-inf"), tl.float32)
    low = tl.full([ROWS, N], float("inf"), tl.float32)
    wrong = tl.zeros([ROWS, N], tl.int32)
    for k in range(N // ROWS):
        _, place, inside = _places(k, n, ROWS, N)
        x = tl.load(logits + place, mask=inside, other=0.0).to(tl.float32)
        bad = refused(x, inside, temperature, zeros)
        wrong = tl.where(bad, 1, wrong)
        high = tl.maximum(high, tl.where(inside & (bad == 0), x, float("-inf")))
        low = tl.minimum(low, tl.where(inside & (bad == 0), x, float("inf")))
    bad = tl.max(wrong) != 0
    peak = tl.where(bad, 0.0, tl.max(high))
    return peak, bad, (bad == 0) & ((peak - tl.where(bad, 0.0, tl.min(low))) / temperature > SPAN)


@triton.jit
def _tile(logits, place, inside, peak, bad, temperature, LOG: tl.constexpr):
    x = tl.load(logits + place, mask=inside, other=float("-inf")).to(tl.float32)
    x = (tl.where(bad & inside, 0.0, x) - peak) / temperature
    if LOG:
        return x
    return tl.exp(x)


@triton.jit
def _swept(
    logits, n, v, peak, bad, temperature,
    ROWS: tl.constexpr, N: tl.constexpr, LOG: tl.constexpr,
):  # fmt: skip
    """The column scaling after one more iteration, (1, N)."""
    top = tl.full([1, N], float("-inf") if LOG else 0.0, tl.float32)
    total = tl.zeros([1, N], tl.float32)
    for k in range(N // ROWS):
        _, place, inside = _places(k, n, ROWS, N)
        a = _tile(logits, place, inside, peak, bad, temperature, LOG)
        u = scaling(a, v, 1, LOG)
        if LOG:
            y = a + u
            higher = tl.maximum(top, tl.max(y, 0, keep_dims=True))
            finite = tl.where(higher == float("-inf"), 0.0, higher)
            kept = total * tl.exp(top - finite)
            total = kept + tl.sum(tl.exp(y - finite), 0, keep_dims=True)
            top = higher
        else:
            total += tl.sum(a * u, 0, keep_dims=True)
    return inverse(tl.where(total > 0, top, 0.0), total, LOG)


@triton.jit
def _normalised(
    logits, out, n, peak, bad, temperature,
    ITERATIONS: tl.constexpr, ROWS: tl.constexpr, N: tl.constexpr, LOG: tl.constexpr,
):  # fmt: skip
    """Write the matrix; returns what the certificate is made of."""
    before = tl.full([1, N], 0.0 if LOG else 1.0, tl.float32)
    for _ in range(ITERATIONS - 1):
        before = _swept(logits, n, before, peak, bad, temperature, ROWS, N, LOG)
    v = _swept(logits, n, before, peak, bad, temperature, ROWS, N, LOG)

    columns = tl.zeros([1, N], tl.float32)
    worst, most, least = 0.0, 0.0, float("inf")
    for k in range(N // ROWS):
        i, place, inside = _places(k, n, ROWS, N)
        a = _tile(logits, place, inside, peak, bad, temperature, LOG)
        m = scaled(a, scaling(a, before, 1, LOG), v, LOG)
        tl.store(out + place, tl.where(bad, float("nan"), m), mask=inside)
        rows = tl.sum(m, 1, keep_dims=True)
        columns += tl.sum(m, 0, keep_dims=True)
        worst = tl.maximum(worst, tl.max(tl.where(i < n, tl.abs(rows - 1.0), 0.0)))
        most = tl.maximum(most, tl.max(rows))
        least = tl.minimum(least, tl.min(tl.where(inside, m, float("inf"))))
    j = tl.arange(0, N)[None, :]
    worst_column = tl.max(tl.where(j < n, tl.abs(columns - 1.0), 0.0))
    return worst, worst_column, least, most * tl.max(columns)


@triton.jit
def _forward(
    logits, table, out, certificate, batch, temperature, zeros,
    ITERATIONS: tl.constexpr, N: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    row = table + tl.program_id(0) * 5
    start, n, first = tl.load(row), tl.load(row + 1), tl.load(row + 3)
    logits, out, to = logits + start, out + start, certificate + first
    peak, bad, wide = _measured(logits, n, temperature, zeros, ROWS, N)
    if wide:
        worst, worst_column, least, product = _normalised(
            logits, out, n, peak, bad, temperature, ITERATIONS, ROWS, N, True
        )
    else:
        worst, worst_column, least, product = _normalised(
            logits, out, n, peak, bad, temperature, ITERATIONS, ROWS, N, False
        )
    bound = tl.sqrt_rn(product) * (1.0 + n.to(tl.float32) * ROUNDING)
    tl.store(to, tl.where(bad, float("nan"), worst))
    tl.store(to + batch, tl.where(bad, float("nan"), worst_column))
    tl.store(to + 2 * batch, tl.where(bad, float("nan"), least))
    tl.store(to + 3 * batch, tl.where(bad, float("nan"), bound))


@triton.jit
def _adjoint(
    logits, dout, dlogits, scratch, n, peak, bad, temperature,
    ITERATIONS: tl.constexpr, ROWS: tl.constexpr, N: tl.constexpr, LOG: tl.constexpr,
):  # fmt: skip
    j = tl.arange(0, N)[None, :]
    # (iterations + 1, n) column scalings, then (iterations, n) each of γ, φ and row scalings
    vs = scratch
    gammas = vs + (ITERATIONS + 1) * n
    phis, us = gammas + ITERATIONS * n, gammas + 2 * ITERATIONS * n
    v = tl.full([1, N], 0.0 if LOG else 1.0, tl.float32)
    for t in range(ITERATIONS):
        tl.store(vs + t * n + j, v, mask=j < n)
        v = _swept(logits, n, v, peak, bad, temperature, ROWS, N, LOG)
    tl.store(vs + ITERATIONS * n + j, v, mask=j < n)
    # what one thread stored another may load
    tl.debug_barrier()

    gamma = tl.zeros([1, N], tl.float32)
    before = tl.load(vs + (ITERATIONS - 1) * n + j, mask=j < n, other=0.0)
    for k in range(N // ROWS):
        _, place, inside = _places(k, n, ROWS, N)
        a = _tile(logits, place, inside, peak, bad, temperature, LOG)
        d = tl.load(dout + place, mask=inside, other=0.0)
        d *= scaled(a, scaling(a, before, 1, LOG), v, LOG)
        gamma += tl.sum(d, 0, keep_dims=True)

    for back in range(ITERATIONS):
        t = ITERATIONS - 1 - back
        before = tl.load(vs + t * n + j, mask=j < n, other=0.0)
        tl.store(gammas + t * n + j, gamma, mask=j < n)
        earlier = tl.zeros([1, N], tl.float32)
        for k in range(N // ROWS):
            i, place, inside = _places(k, n, ROWS, N)
            a = _tile(logits, place, inside, peak, bad, temperature, LOG)
            u = scaling(a, before, 1, LOG)
            # only the last iteration has a matrix behind it
            d = tl.load(dout + place, mask=inside & (back == 0), other=0.0)
            phi = tl.sum((d - gamma) * scaled(a, u, v, LOG), 1, keep_dims=True)  # [ROWS, 1]
            earlier -= tl.sum(phi * scaled(a, u, before, LOG), 0, keep_dims=True)
            tl.store(phis + t * n + i, phi, mask=i < n)
            tl.store(us + t * n + i, u, mask=i < n)
        gamma, v = earlier, before
    tl.debug_barrier()

    for k in range(N // ROWS):
        i, place, inside = _places(k, n, ROWS, N)
        a = _tile(logits, place, inside, peak, bad, temperature, LOG)
        d = tl.load(dout + place, mask=inside, other=0.0)
        v = tl.load(vs + ITERATIONS * n + j, mask=j < n, other=0.0)
        u = tl.load(us + (ITERATIONS - 1) * n + i, mask=i < n, other=0.0)
        d *= scaled(a, u, v, LOG)
        for back in range(ITERATIONS):
            t = ITERATIONS - 1 - back
            u = tl.load(us + t * n + i, mask=i < n, other=0.0)
            gamma = tl.load(gammas + t * n + j, mask=j < n, other=0.0)
            d -= gamma * scaled(a, u, v, LOG)
            v = tl.load(vs + t * n + j, mask=j < n, other=0.0)
            phi = tl.load(phis + t * n + i, mask=i < n, other=0.0)
            d -= phi * scaled(a, u, v, LOG)
        tl.store(dlogits + place, tl.where(bad, float("nan"), d / temperature), mask=inside)


@triton.jit
def _backward(
    logits, table, dout, dlogits, scratch, temperature, zeros,
    ITERATIONS: tl.constexpr, N: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    row = table + tl.program_id(0) * 5
    start, n, vectors = tl.load(row), tl.load(row + 1), tl.load(row + 4)
    logits, dout, dlogits = logits + start, dout + start, dlogits + start
    scratch += vectors * (4 * ITERATIONS + 1)
    peak, bad, wide = _measured(logits, n, temperature, zeros, ROWS, N)
    if wide:
        _adjoint(
            logits, dout, dlogits, scratch, n, peak, bad, temperature, ITERATIONS, ROWS, N, True
        )
    else:
        _adjoint(
            logits, dout, dlogits, scratch, n, peak, bad, temperature, ITERATIONS, ROWS, N, False
        )


_LAST = {"temperature": "fp32", "zeros": "i32"}
_LAST |= dict.fromkeys(("ITERATIONS", "N", "ROWS"), "constexpr")
SHIPPED = [
    Configuration(kernel, signature | _LAST, {"ITERATIONS": 20, "N": n, "ROWS": rows}, warps)
    for n, (rows, warps) in SIZES.items()
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
