"""Matrices too large for registers: one a program, a tile of rows at a time.

They are those of more than 128 rows, those of 65 to 127 on the way back, and those of 65 to 128 in
the log domain.

An iteration is one sweep: a tile's row scaling is whole in the tile, and what it adds to the column
sums is kept. Logits are read again and exponentiated again in every sweep, from the L2 cache. The
gradient is that of ``resident``, of whose φ, γ and scalings 4 · iterations + 1 vectors are stored
and no matrix.
"""

from __future__ import annotations

import triton
import triton.language as tl

from classay.kernels.interpreted import INTERPRETED
from classay.kernels.sinkhorn.domain import (
    BITS,
    MOST,
    ROUNDING,
    SPAN,
    apart,
    inverse,
    power,
    refused,
    scaled,
    scaling,
    times,
)  # fmt: skip

TILE = tl.constexpr(16 * 128)  # numbers of a tile, the most that spill no register; half with masks


@triton.jit
def places(k, n, ROWS: tl.constexpr, N: tl.constexpr):
    """Rows, numbers in the matrix, and whether they are there, of its tile k."""
    i = k * ROWS + tl.arange(0, ROWS)[:, None]
    j = tl.arange(0, N)[None, :]
    return i, i * n + j, (i < n) & (j < n)


@triton.jit
def measured(logits, n, temperature, zeros, ROWS: tl.constexpr, N: tl.constexpr):
    """The largest logit, whether the matrix is bad and whether it is wide."""
    high = tl.full([ROWS, N], float("-inf"), tl.float32)
    low = tl.full([ROWS, N], float("inf"), tl.float32)
    wrong = tl.zeros([ROWS, N], tl.int32)  # 2 where NaN comes of it, 1 at a structural zero
    for k in range(N // ROWS):
        _, place, inside = places(k, n, ROWS, N)
        x = tl.load(logits + place, mask=inside, other=0.0).to(tl.float32)
        bad, zero = refused(x, temperature, zeros), x == float("-inf")
        wrong = tl.maximum(wrong, tl.where(bad, 2, tl.where(zero, 1, 0)))
        finite = inside & (bad == 0) & (zero == 0)
        high = tl.maximum(high, tl.where(finite, x, float("-inf")))
        low = tl.minimum(low, tl.where(finite, x, float("inf")))
    worst = tl.max(wrong)
    peak = tl.where(worst == 2, 0.0, tl.max(high))
    low = tl.where(worst == 2, 0.0, tl.min(low))
    bad = (worst == 2) | apart(peak, low, tl.minimum(temperature, 1.0), MOST)
    wide = (worst == 1) | apart(peak, low, temperature, SPAN)
    return tl.where(bad, 0.0, peak), bad, (bad == 0) & wide


@triton.jit
def tile(
    logits, i, place, inside, peak, bad, temperature,
    N: tl.constexpr, PADDED: tl.constexpr, LOG: tl.constexpr,
):  # fmt: skip
    """A, or its logarithm, with an identity matrix in its padding."""
    x = tl.load(logits + place, mask=inside, other=0.0).to(tl.float32)
    if INTERPRETED:  # it warns of what is not there, too
        x = tl.where(inside, x, peak)
    x = tl.where(bad, 0.0, x - peak)
    a = x / temperature if LOG else power(x * (BITS / temperature))
    if PADDED:
        one, none = (0.0, float("-inf")) if LOG else (1.0, 0.0)
        a = tl.where(inside, a, tl.where(i == tl.arange(0, N)[None, :], one, none))
    return a


@triton.jit
def _swept(
    logits, n, v, peak, bad, temperature,
    ROWS: tl.constexpr, N: tl.constexpr, PADDED: tl.constexpr, LOG: tl.constexpr,
):  # fmt: skip
    """The column scaling after one more iteration, (1, N)."""
    top = tl.full([1, N], float("-inf"), tl.float32)
    total = tl.zeros([1 if LOG else ROWS, N], tl.float32)
    for k in range(N // ROWS):
        i, place, inside = places(k, n, ROWS, N)
        a = tile(logits, i, place, inside, peak, bad, temperature, N, PADDED, LOG)
        u = scaling(a, v, 1, LOG, True)
        if LOG:
            y = a + u
            higher = tl.maximum(top, tl.max(y, 0, keep_dims=True))
            # of a column that has only zeros in the tiles so far
            finite = tl.where(higher == float("-inf"), 0.0, higher)
            kept = total * tl.exp(top - finite)
            total = kept + tl.sum(tl.exp(y - finite), 0, keep_dims=True)
            top = higher
        else:
            total += a * u
    if LOG:
        return -top - tl.log(total)
    return inverse(tl.sum(total, 0, keep_dims=True))


@triton.jit
def _normalised(
    logits, out, n, peak, bad, temperature,
    ITERATIONS: tl.constexpr, ROWS: tl.constexpr, N: tl.constexpr,
    PADDED: tl.constexpr, LOG: tl.constexpr,
):  # fmt: skip
    """Write the matrix; returns what the certificate is made of."""
    before = tl.full([1, N], 0.0 if LOG else 1.0, tl.float32)
    for _ in range(ITERATIONS - 1):
        before = _swept(logits, n, before, peak, bad, temperature, ROWS, N, PADDED, LOG)
    v = _swept(logits, n, before, peak, bad, temperature, ROWS, N, PADDED, LOG)

    columns = tl.zeros([ROWS, N], tl.float32)
    worst, most = tl.zeros([ROWS, 1], tl.float32), tl.zeros([ROWS, 1], tl.float32)
    least = tl.full([ROWS, N], float("inf"), tl.float32)
    for k in range(N // ROWS):
        i, place, inside = places(k, n, ROWS, N)
        a = tile(logits, i, place, inside, peak, bad, temperature, N, PADDED, LOG)
        m = scaled(a, scaling(a, before, 1, LOG, True), v, LOG)
        tl.store(out + place, tl.where(bad, float("nan"), m), mask=inside)
        rows = tl.sum(m, 1, keep_dims=True)
        columns += m
        worst, most = tl.maximum(worst, tl.abs(rows - 1.0)), tl.maximum(most, rows)
        least = tl.minimum(least, tl.where(inside, m, float("inf")))
    sums = tl.sum(columns, 0)
    return tl.max(worst), tl.max(tl.abs(sums - 1.0)), tl.min(least), tl.max(most) * tl.max(sums)


@triton.jit
def forward(
    logits, out, certificate, batch, n, temperature, zeros,
    ITERATIONS: tl.constexpr, N: tl.constexpr, PADDED: tl.constexpr,
):  # fmt: skip
    """A matrix and its certificate, at these pointers."""
    ROWS: tl.constexpr = TILE // (2 * N if PADDED else N)
    peak, bad, wide = measured(logits, n, temperature, zeros, ROWS, N)
    if wide:
        worst, worst_column, least, product = _normalised(
            logits, out, n, peak, bad, temperature, ITERATIONS, ROWS, N, PADDED, True
        )
    else:
        worst, worst_column, least, product = _normalised(
            logits, out, n, peak, bad, temperature, ITERATIONS, ROWS, N, PADDED, False
        )
    bound = tl.sqrt_rn(product) * (1.0 + n * ROUNDING)
    tl.store(certificate, tl.where(bad, float("nan"), worst))
    tl.store(certificate + batch, tl.where(bad, float("nan"), worst_column))
    tl.store(certificate + 2 * batch, tl.where(bad, float("nan"), least))
    tl.store(certificate + 3 * batch, tl.where(bad, float("nan"), bound))


@triton.jit
def _adjoint(
    logits, dout, dlogits, scratch, n, peak, bad, temperature,
    ITERATIONS: tl.constexpr, ROWS: tl.constexpr, N: tl.constexpr,
    PADDED: tl.constexpr, LOG: tl.constexpr,
):  # fmt: skip
    j = tl.arange(0, N)[None, :]
    one = 0.0 if LOG else 1.0  # of a scaling that changes nothing
    # (iterations + 1, n) column scalings, then (iterations, n) each of γ, φ and row scalings
    vs = scratch
    gammas = vs + (ITERATIONS + 1) * n
    phis, us = gammas + ITERATIONS * n, gammas + 2 * ITERATIONS * n
    v = tl.full([1, N], one, tl.float32)
    for t in range(ITERATIONS):
        tl.store(vs + t * n + j, v, mask=j < n)
        v = _swept(logits, n, v, peak, bad, temperature, ROWS, N, PADDED, LOG)
    tl.store(vs + ITERATIONS * n + j, v, mask=j < n)
    # what one thread stored another may load
    tl.debug_barrier()

    gamma = tl.zeros([ROWS, N], tl.float32)
    before = tl.load(vs + (ITERATIONS - 1) * n + j, mask=j < n, other=one)
    for k in range(N // ROWS):
        i, place, inside = places(k, n, ROWS, N)
        a = tile(logits, i, place, inside, peak, bad, temperature, N, PADDED, LOG)
        d = tl.load(dout + place, mask=inside, other=0.0)
        gamma += times(d, scaled(a, scaling(a, before, 1, LOG, True), v, LOG))
    gamma = tl.sum(gamma, 0, keep_dims=True)

    for back in range(ITERATIONS):
        t = ITERATIONS - 1 - back
        before = tl.load(vs + t * n + j, mask=j < n, other=one)
        tl.store(gammas + t * n + j, gamma, mask=j < n)
        earlier = tl.zeros([ROWS, N], tl.float32)
        for k in range(N // ROWS):
            i, place, inside = places(k, n, ROWS, N)
            a = tile(logits, i, place, inside, peak, bad, temperature, N, PADDED, LOG)
            u = scaling(a, before, 1, LOG, True)
            # only the last iteration has a matrix behind it
            d = tl.load(dout + place, mask=inside & (back == 0), other=0.0)
            phi = tl.sum(times(d - gamma, scaled(a, u, v, LOG)), 1, keep_dims=True)  # [ROWS, 1]
            earlier -= phi * scaled(a, u, before, LOG)
            tl.store(phis + t * n + i, phi, mask=i < n)
            tl.store(us + t * n + i, u, mask=i < n)
        gamma, v = tl.sum(earlier, 0, keep_dims=True), before
    tl.debug_barrier()

    for k in range(N // ROWS):
        i, place, inside = places(k, n, ROWS, N)
        a = tile(logits, i, place, inside, peak, bad, temperature, N, PADDED, LOG)
        d = tl.load(dout + place, mask=inside, other=0.0)
        v = tl.load(vs + ITERATIONS * n + j, mask=j < n, other=one)
        u = tl.load(us + (ITERATIONS - 1) * n + i, mask=i < n, other=one)
        d = times(d, scaled(a, u, v, LOG))
        for back in range(ITERATIONS):
            t = ITERATIONS - 1 - back
            u = tl.load(us + t * n + i, mask=i < n, other=one)
            gamma = tl.load(gammas + t * n + j, mask=j < n, other=0.0)
            d -= gamma * scaled(a, u, v, LOG)
            v = tl.load(vs + t * n + j, mask=j < n, other=one)
            phi = tl.load(phis + t * n + i, mask=i < n, other=0.0)
            d -= phi * scaled(a, u, v, LOG)
        d = tl.where(bad, float("nan"), d)
        if temperature != 1.0:
            d /= temperature
        tl.store(dlogits + place, d, mask=inside)


@triton.jit
def backward(
    logits, dout, dlogits, scratch, n, temperature, zeros,
    ITERATIONS: tl.constexpr, N: tl.constexpr, PADDED: tl.constexpr,
):  # fmt: skip
    """The gradient of the logits, at these pointers."""
    ROWS: tl.constexpr = TILE // (2 * N if PADDED else N)
    peak, bad, wide = measured(logits, n, temperature, zeros, ROWS, N)
    if wide:
        _adjoint(
            logits, dout, dlogits, scratch, n, peak, bad, temperature,
            ITERATIONS, ROWS, N, PADDED, True,
        )  # fmt: skip
    else:
        _adjoint(
            logits, dout, dlogits, scratch, n, peak, bad, temperature,
            ITERATIONS, ROWS, N, PADDED, False,
        )  # fmt: skip
