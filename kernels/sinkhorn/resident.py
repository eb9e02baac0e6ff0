"""Matrices that stay in registers: a program holds a tile of them.

They are those of up to 64 rows, and of up to 128 on the way forward.

The backward keeps, of every iteration, only the column scaling before it: it runs the iteration
again, then walks it in reverse and makes each row scaling anew. For x ← x − logsumexp(x) = y ::

    ∂x = ∂y − exp(y) · sum(∂y)

which is the adjoint of the finite iteration, converged or not, in O(iterations · n) memory. Of all
iterations, with D = ∂M ∘ M, Q the matrix after a column step and P after the row step before it::

    φ_i = [last] Σ_j D_ij − Σ_j γ_j Q_ij        γ = Σ_i D_ij of the last
    γ_j ← −Σ_i φ_i P_ij
    ∂L = D − Σ_t (γ Q + φ P)
"""

from __future__ import annotations

import triton
import triton.language as tl

from classay.kernels.sinkhorn import streaming
from classay.kernels.sinkhorn.domain import (
    ROUNDING,
    again,
    normalised,
    scaled,
    scaling,
    smallest,
    times,
)
from classay.kernels.sinkhorn.tiles import (
    axis_first,
    columns_of,
    flattened,
    gathered,
    loaded,
    narrow,
    places,
    spread,
    tiled,
    wide,
)


@triton.jit
def _iterated(a, ITERATIONS: tl.constexpr, N: tl.constexpr, P: tl.constexpr, LOG: tl.constexpr):
    if LOG:
        # what the first iteration takes off is as large as the logits' range, and what the others
        # do is small: kept apart it would be rounded as coarsely in every entry
        a = normalised(normalised(a, 2), 0)
    u = tl.full([N, P, 1], 0.0 if LOG else 1.0, tl.float32)
    v = tl.full([1, P, N], 0.0 if LOG else 1.0, tl.float32)
    for _ in range(ITERATIONS - 1 if LOG else ITERATIONS):
        u = scaling(a, v, 2, LOG)
        v = scaling(a, u, 0, LOG)
    return scaled(a, u, v, LOG)


@triton.jit
def _written(
    m, out, certificate, batch, begin, n, count, bad, own,
    N: tl.constexpr, R: tl.constexpr, C: tl.constexpr, E: tl.constexpr, P: tl.constexpr,
    PADDED: tl.constexpr, LOG: tl.constexpr,
):  # fmt: skip
    """Store matrices and certificates; in the log domain only its own."""
    rows, columns = tl.sum(m, 2, keep_dims=True), tl.sum(m, 0, keep_dims=True)
    worst_row = tl.max(tl.abs(rows - 1.0), 0, keep_dims=True)
    worst_column = tl.max(tl.abs(columns - 1.0), 2, keep_dims=True)
    product = tl.max(rows, 0, keep_dims=True) * tl.max(columns, 2, keep_dims=True)
    bound = tl.sqrt_rn(product) * (1.0 + n * ROUNDING)
    begin = again(begin)
    if PADDED:
        n = again(n)
    _, _, _, place, inside = places(begin, n, count, N, R, C, E, P)
    p = begin + tl.arange(0, P)[None, :, None]
    to, wanted = certificate + p, p < count
    if LOG:
        inside &= flattened(tl.broadcast_to(own, [N, P, N]), N, R, C, E, P)
        wanted &= own
        m = tl.where(bad, float("nan"), m)
        worst_row = tl.where(bad, float("nan"), worst_row)
        worst_column = tl.where(bad, float("nan"), worst_column)
        bound = tl.where(bad, float("nan"), bound)
    tl.store(out + place, flattened(m, N, R, C, E, P), mask=inside)
    if PADDED:
        _, _, _, _, within = places(0, n, P, N, R, C, E, P)
        m = tl.where(tiled(within, N, R, C, E, P), m, float("inf"))
    least = smallest(m, axis_first(R, C, P))
    if LOG:
        least = tl.where(bad, float("nan"), least)
    tl.store(to, worst_row, mask=wanted)
    tl.store(to + batch, worst_column, mask=wanted)
    tl.store(to + 2 * batch, least, mask=wanted)
    tl.store(to + 3 * batch, bound, mask=wanted)


@triton.jit
def _some(which, begin, count, P: tl.constexpr):
    there = begin + tl.arange(0, P)[None, :, None] < count
    return tl.max((which & there).to(tl.int32)) != 0


@triton.jit
def forward(
    logits, out, certificate, batch, n, count, temperature, zeros,
    ITERATIONS: tl.constexpr, N: tl.constexpr, PADDED: tl.constexpr,
    P: tl.constexpr, FEW: tl.constexpr,
):  # fmt: skip
    """The matrices of one tile and their certificates; the pointers are those of the first.

    P, FEW   matrices in a tile, and in one of the log domain; 0 where that is streamed, of which a
             tile holds one
    """
    R: tl.constexpr = 16 if N > 8 else N
    C: tl.constexpr = 8 if N > 4 else N
    E: tl.constexpr = 1 if PADDED else 4 if N > 2 else N
    flat = loaded(logits, 0, n, count, N, R, C, E, P, PADDED)
    a, left = narrow(flat, n, temperature, N, R, C, E, P, PADDED)
    m = _iterated(a, ITERATIONS, N, P, False)
    _written(m, out, certificate, batch, 0, n, count, left, left, N, R, C, E, P, PADDED, False)
    if _some(left, 0, count, P):
        # the rest is written over what stands in its place
        tl.debug_barrier()
        if FEW == 0:
            tl.static_assert(P == 1)
            streaming.forward(
                logits, out, certificate, batch, n, temperature, zeros, ITERATIONS, N, PADDED
            )
        else:
            LESS: tl.constexpr = 8 if N > 8 else N
            NARROW: tl.constexpr = 4 if N > 4 else N
            tl.static_assert(P % FEW == 0)
            for part in range(P // FEW):
                at = part * FEW
                few = loaded(logits, at, n, count, N, LESS, NARROW, E, FEW, PADDED)
                a_few, bad, own = wide(few, n, temperature, zeros, N, LESS, NARROW, E, FEW, PADDED)
                m_few = _iterated(a_few, ITERATIONS, N, FEW, True)
                _written(
                    m_few, out, certificate, batch, at, n, count, bad, own,
                    N, LESS, NARROW, E, FEW, PADDED, True,
                )  # fmt: skip


@triton.jit
def _kept(
    a, history, n, there,
    ITERATIONS: tl.constexpr, N: tl.constexpr, R: tl.constexpr, C: tl.constexpr, E: tl.constexpr,
    P: tl.constexpr, LOG: tl.constexpr,
):  # fmt: skip
    """Iterate and store the column scaling before every iteration; returns the last scalings."""
    u = tl.full([N, P, 1], 0.0 if LOG else 1.0, tl.float32)
    v = tl.full([1, P, N], 0.0 if LOG else 1.0, tl.float32)
    for t in range(ITERATIONS):
        tl.store(history + t * n, gathered(v, N, R, C, E, P), mask=there)
        u = scaling(a, v, 2, LOG)
        v = scaling(a, u, 0, LOG)
    # what one thread stored another may load
    tl.debug_barrier()
    return u, v


@triton.jit
def _reversed_narrow(
    a, d, history, n, there,
    ITERATIONS: tl.constexpr, N: tl.constexpr, R: tl.constexpr, C: tl.constexpr, E: tl.constexpr,
    P: tl.constexpr,
):  # fmt: skip
    """∂L = A ∘ S, whose sums over the matrix stay vectors.

    S begins as ∂M ∘ u vᵀ, and of every iteration loses u (γ ∘ v)ᵀ and (φ ∘ u) vᵀ of the v before it
    """
    u, last = _kept(a, history, n, there, ITERATIONS, N, R, C, E, P, False)
    d = times(d * u, last)
    sums = tl.sum(times(a, d), 0, keep_dims=True)  # [1, P, N]; γ, but for a factor −v later on
    behind = tl.sum(times(a, d), 2, keep_dims=True)  # [N, P, 1]; only the last iteration has some
    v = gathered(last, N, R, C, E, P)
    before = tl.load(history + (ITERATIONS - 1) * n, mask=there, other=1.0)
    earlier = there & (ITERATIONS > 1)
    following = tl.load(history + (ITERATIONS - 2) * n, mask=earlier, other=1.0)
    for back in range(ITERATIONS):
        # the row scaling of the next iteration to be walked back waits for no sum of this one
        earlier = there & (back < ITERATIONS - 2)
        further = tl.load(history + (ITERATIONS - 3 - back) * n, mask=earlier, other=1.0)
        u_following = scaling(a, spread(following, N, R, C, E, P), 2, False)
        w = sums * spread(tl.where(back == 0, 1.0, -v), N, R, C, E, P) * spread(v, N, R, C, E, P)
        phi = behind - u * tl.sum(a * w, 2, keep_dims=True)
        f = phi * u
        d = d - u * w - f * spread(before, N, R, C, E, P)
        sums = tl.sum(a * f, 0, keep_dims=True)
        behind = tl.zeros([N, P, 1], tl.float32)
        u, v, before, following = u_following, before, following, further
    tl.debug_barrier()
    return a * d


@triton.jit
def _reversed_wide(
    a, d, history, n, there,
    ITERATIONS: tl.constexpr, N: tl.constexpr, R: tl.constexpr, C: tl.constexpr, E: tl.constexpr,
    P: tl.constexpr,
):  # fmt: skip
    u, last = _kept(a, history, n, there, ITERATIONS, N, R, C, E, P, True)
    d = times(d, scaled(a, u, last, True))
    v = gathered(last, N, R, C, E, P)
    for back in range(ITERATIONS):
        before = tl.load(history + (ITERATIONS - 1 - back) * n, mask=there, other=0.0)
        u = scaling(a, spread(before, N, R, C, E, P), 2, True)
        d -= scaled(a, u, spread(v, N, R, C, E, P), True) * tl.sum(d, 0, keep_dims=True)
        d -= scaled(a, u, spread(before, N, R, C, E, P), True) * tl.sum(d, 2, keep_dims=True)
        v = before
    tl.debug_barrier()
    return d


@triton.jit
def _gradient(
    dout, begin, n, count,
    N: tl.constexpr, R: tl.constexpr, C: tl.constexpr, E: tl.constexpr,
    P: tl.constexpr, PADDED: tl.constexpr,
):  # fmt: skip
    begin = again(begin)
    if PADDED:
        n = again(n)
    _, _, _, place, inside = places(begin, n, count, N, R, C, E, P)
    return tiled(tl.load(dout + place, mask=inside, other=0.0), N, R, C, E, P)


@triton.jit
def _returned(
    d, dlogits, begin, n, count, temperature, bad, own,
    N: tl.constexpr, R: tl.constexpr, C: tl.constexpr, E: tl.constexpr,
    P: tl.constexpr, PADDED: tl.constexpr, LOG: tl.constexpr,
):  # fmt: skip
    """Store gradients; in the log domain only its own."""
    begin = again(begin)
    if PADDED:
        n = again(n)
    _, _, _, place, inside = places(begin, n, count, N, R, C, E, P)
    if temperature != 1.0:
        d /= temperature
    if LOG:
        d = tl.where(bad, float("nan"), d)
        inside &= flattened(tl.broadcast_to(own, [N, P, N]), N, R, C, E, P)
    tl.store(dlogits + place, flattened(d, N, R, C, E, P), mask=inside)


@triton.jit
def backward(
    logits, dout, dlogits, scratch, n, count, temperature, zeros,
    ITERATIONS: tl.constexpr, N: tl.constexpr, PADDED: tl.constexpr, P: tl.constexpr,
):  # fmt: skip
    """The gradients of the logits, a tile after the other; the pointers are those of the first.

    scratch  P n ITERATIONS numbers
    """
    R: tl.constexpr = 8 if N > 8 else N
    C: tl.constexpr = 4 if N > 4 else N
    E: tl.constexpr = 1 if PADDED else C
    begin = count * 0  # a loop carries no constant
    while begin < count:
        columns, there = columns_of(n, count - begin, ITERATIONS, N, R, C, E, P)
        history = scratch + columns
        flat = loaded(logits, begin, n, count, N, R, C, E, P, PADDED)
        g = _gradient(dout, begin, n, count, N, R, C, E, P, PADDED)
        a, left = narrow(flat, n, temperature, N, R, C, E, P, PADDED)
        d = _reversed_narrow(a, g, history, n, there, ITERATIONS, N, R, C, E, P)
        _returned(
            d, dlogits, begin, n, count, temperature, left, left, N, R, C, E, P, PADDED, False
        )
        if _some(left, begin, count, P):
            # the rest is written over what stands in its place
            tl.debug_barrier()
            flat = loaded(logits, begin, n, count, N, R, C, E, P, PADDED)
            g = _gradient(dout, begin, n, count, N, R, C, E, P, PADDED)
            a, bad, own = wide(flat, n, temperature, zeros, N, R, C, E, P, PADDED)
            d = _reversed_wide(a, g, history, n, there, ITERATIONS, N, R, C, E, P)
            _returned(
                d, dlogits, begin, n, count, temperature, bad, own, N, R, C, E, P, PADDED, True
            )
        begin += P
