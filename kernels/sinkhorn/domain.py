"""One step of the iteration in two domains: of scaling vectors u, v and of their logarithms.

::

    exp   A = exp(L)    u = 1 / (A v)              M = u A v
    log   A = L         u = −logsumexp(L + v)      M = exp(L + u + v)

Without an exponential a half-step, the first is the fast one. It is taken where the logits of a
matrix span at most ``SPAN``: a scaling vector then spans no more (Birkhoff's theorem on Hilbert's
metric), so that with n ≤ 256 its entries stay within e^±66, and no sum underflows in float32. Where
there are zeros nothing bounds them, and the span is infinite.
"""

from __future__ import annotations

import triton
import triton.language as tl

SPAN = tl.constexpr(60.0)
MOST = tl.constexpr(3.4028234663852886e38)  # the largest number of float32
ROUNDING = tl.constexpr(2.0**-23)  # of a float32 sum, relative, for each number that is summed


@triton.jit
def scaling(a, other, AXIS: tl.constexpr, LOG: tl.constexpr):
    """What makes the sums along an axis 1, given the scaling along the other; 0 in padding."""
    if LOG:
        y = a + other
        peak = tl.max(y, AXIS, keep_dims=True)
        peak = tl.where(peak == float("-inf"), 0.0, peak)
        return inverse(peak, tl.sum(tl.exp(y - peak), AXIS, keep_dims=True), LOG)
    return inverse(0.0, tl.sum(a * other, AXIS, keep_dims=True), LOG)


@triton.jit
def inverse(peak, total, LOG: tl.constexpr):
    """The scaling that a sum, total · exp(peak), asks for; 0 in padding, where the sum is 0."""
    some = total > 0
    total = tl.where(some, total, 1.0)
    if LOG:
        return tl.where(some, -peak - tl.log(total), 0.0)
    return tl.where(some, tl.div_rn(tl.full(total.shape, 1.0, tl.float32), total), 0.0)


@triton.jit
def scaled(a, u, v, LOG: tl.constexpr):
    """The matrix that two scaling vectors make."""
    if LOG:
        return tl.exp(a + u + v)
    return a * u * v


@triton.jit
def refused(x, inside, temperature, zeros):
    """Where an entry is NaN or +∞, is driven to ∞ by the temperature, or is a −∞ not asked for."""
    # a quotient would overflow first, of which Triton's interpreter warns
    infinite = tl.abs(x) > MOST * tl.minimum(temperature, 1.0)
    asked = (x == float("-inf")) & (zeros != 0)
    return inside & ((x != x) | (infinite & (asked == 0)))
