"""One step of the iteration in two domains: of scaling vectors u, v and of their logarithms.

::

    exp   A = exp(L)    u = 1 / (A v)              M = u A v
    log   A = L         u = −logsumexp(L + v)      M = exp(L + u + v)

Without an exponential a half-step, the first is the fast one. It is taken where the logits of a
matrix span at most ``SPAN``: a scaling vector then spans no more (Birkhoff's theorem on Hilbert's
metric), so that with n ≤ 256 its entries stay within e^±46, and no sum underflows in float32. An
exponent is rounded by up to 2⁻²⁴ of the span, and with a larger one a matrix of two rows, of which
a closed form is known, would miss it by more than 1e-6. Where there are zeros nothing bounds the
scalings, and the span is infinite.

An entry outside a matrix belongs to an identity matrix beside it, so that no sum is 0.
"""

from __future__ import annotations

import triton
import triton.language as tl

from classay.kernels.interpreted import INTERPRETED

SPAN = tl.constexpr(40.0)
MOST = tl.constexpr(3.4028234663852886e38)  # the largest number of float32
ROUNDING = tl.constexpr(2.0**-23)  # of a float32 sum, relative, for each number that is summed
BITS = tl.constexpr(1.4426950408889634)  # of the logits, log₂ e


@triton.jit
def inverse(total):
    """1 / total of a normal number, to one unit in the last place."""
    if INTERPRETED:  # it knows no assembler
        return 1.0 / total
    # a division is right for numbers that no sum can be, and costs three times as much
    return tl.inline_asm_elementwise(
        "rcp.approx.ftz.f32 $0, $1;", "=f,f", [total], dtype=tl.float32, is_pure=True, pack=1
    )


@triton.jit
def times(x, y):
    """x y, rounded whatever it is added to.

    Of a product that two sums take in, the assembler chooses which of them rounds it once less, and
    it chooses otherwise in another launch.
    """
    if INTERPRETED:
        return x * y
    return tl.inline_asm_elementwise(
        "mul.rn.f32 $0, $1, $2;", "=f,f,f", [x, y], dtype=tl.float32, is_pure=True, pack=1
    )


@triton.jit
def power(x):
    """2^x to two units in the last place, where it is a normal number."""
    if INTERPRETED:
        return tl.exp2(x)
    return tl.inline_asm_elementwise(
        "ex2.approx.ftz.f32 $0, $1;", "=f,f", [x], dtype=tl.float32, is_pure=True, pack=1
    )


@triton.jit
def _larger(a, b):
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def largest(x, FIRST: tl.constexpr = 2):
    """The largest number of each matrix of a tile [i, matrix, j]; NaN where one is NaN.

    FIRST   the axis, 0 or 2, along which it is sought first
    """
    if INTERPRETED:  # it would reduce by a function of ours one number at a time
        none = tl.max(tl.max((x != x).to(tl.int32), 2, keep_dims=True), 0, keep_dims=True)
        high = tl.max(tl.max(tl.where(x == x, x, 0.0), 2, keep_dims=True), 0, keep_dims=True)
        return tl.where(none != 0, float("nan"), high)
    high = tl.reduce(x, FIRST, _larger, keep_dims=True)
    return tl.reduce(high, 2 - FIRST, _larger, keep_dims=True)


@triton.jit
def smallest(x, FIRST: tl.constexpr = 2):
    """The smallest number of each matrix of a tile, of those that are not NaN."""
    if INTERPRETED:  # it warns of rows that are NaN everywhere
        x = tl.where(x == x, x, 0.0)
    return tl.min(tl.min(x, FIRST, keep_dims=True), 2 - FIRST, keep_dims=True)


@triton.jit
def again(n):
    """n, of which the compiler does not know it: what is made of it is not kept but made anew."""
    if INTERPRETED:
        return n
    return tl.inline_asm_elementwise(
        "mov.u32 $0, $1;", "=r,r", [n], dtype=tl.int32, is_pure=False, pack=1
    )


@triton.jit
def scaling(a, other, AXIS: tl.constexpr, LOG: tl.constexpr, ROUNDED: tl.constexpr = False):
    """What makes the sums along an axis 1, given the scaling along the other.

    ROUNDED  whether a product is, before it is summed: where a thread has one number of a sum, its
             own might be rounded once less than those of others, and threads would differ
    """
    if LOG:
        # the sum begins with a again, so that no other tile has to be kept
        peak = tl.max(a + other, AXIS, keep_dims=True)
        return -peak - tl.log(tl.sum(tl.exp((a - peak) + other), AXIS, keep_dims=True))
    product = times(a, other) if ROUNDED else a * other
    return inverse(tl.sum(product, AXIS, keep_dims=True))


@triton.jit
def normalised(a, AXIS: tl.constexpr):
    """Logarithms, of which the sums along an axis have become 1."""
    a -= tl.max(a, AXIS, keep_dims=True)
    return a - tl.log(tl.sum(tl.exp(a), AXIS, keep_dims=True))


@triton.jit
def scaled(a, u, v, LOG: tl.constexpr):
    """The matrix that two scaling vectors make."""
    if LOG:
        return tl.exp(a + u + v)
    return times(a * u, v)


@triton.jit
def refused(x, temperature, zeros):
    """Where an entry is NaN or +∞, is driven to ∞ by the temperature, or is a −∞ not asked for."""
    # a quotient would overflow first, of which Triton's interpreter warns
    infinite = tl.abs(x) > MOST * tl.minimum(temperature, 1.0)
    asked = (x == float("-inf")) & (zeros != 0)
    return (x != x) | (infinite & (asked == 0))


@triton.jit
def apart(high, low, temperature, most):
    """Whether two finite logits, divided by the temperature, are further apart than ``most``.

    Their halves are, as their difference may be more than a float32 holds.
    """
    return high * 0.5 - low * 0.5 > most * 0.5 * temperature
