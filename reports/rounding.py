"""The axis of a number whose promise may be about rounding: 10⁻⁸ is seen beside 2·10⁻⁶."""

from __future__ import annotations

from math import ceil, floor, log10
from typing import TYPE_CHECKING

from classay.mechanism import Range

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NARROW = 0.01  # a promise of less than this from end to end is about rounding
DECADES = 3  # that are logarithmic, from the tolerance down; what is less is linear
NO_TOLERANCE = 1e-12  # stands for it where a promise allows none


def anchor(promised: Range | None) -> float | None:
    """The value from which a narrow promise allows a tolerance; None: its axis is linear."""
    if promised is None or promised[1] - promised[0] >= NARROW:
        return None
    return 0.0 if promised[0] == 0.0 else (promised[0] + promised[1]) / 2


def scale(axes: Axes, found: Range, allowed: Range | None, narrow: bool) -> None:
    """Give an axis its scale, limits and ticks, so that all that was found is inside.

    found     the least and the greatest, from the anchor
    allowed   the same of what is promised; None: the axis begins at 0
    narrow    logarithmic on both sides of the anchor
    """
    ends = (*found, *(allowed or (0.0,)))
    low, high = min(ends), max(ends)
    if not narrow or not allowed:
        _linear(axes, low, high, allowed)
        return
    tolerance = allowed[1] or NO_TOLERANCE
    near = tolerance / 10**DECADES
    axes.set_yscale("symlog", linthresh=near)
    ticks = _ticks(low, high, allowed, tolerance)
    axes.set_yticks(ticks, [short(tick) for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_ylim(3 * low if low < 0 else -near / 4, 3 * max(high, near))


def short(value: float) -> str:
    """A number in two digits and its power of ten: 2·10⁻⁶."""
    if value == 0:
        return "0"
    digits, power = f"{abs(value):.1e}".split("e")
    raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    times = "" if digits == "1.0" else digits.removesuffix(".0") + "·"
    return f"{'−' if value < 0 else ''}{times}10{raised}"


def _linear(axes: Axes, low: float, high: float, allowed: Range | None) -> None:
    from matplotlib.ticker import MaxNLocator

    room = 0.12 * (high - low) or 1.0
    axes.set_ylim(low - room if allowed or low < 0 else 0.0, high + room)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    if allowed:
        ticks = sorted({*allowed, low, high})
        axes.set_yticks(ticks, [f"{tick:.3g}" for tick in ticks])


def _ticks(low: float, high: float, allowed: Range, tolerance: float) -> list[float]:
    """0, what is allowed, one power of ten on the way to it and, if it is far, one beyond."""
    places = {0.0, *allowed}
    if allowed[0] == 0.0 < allowed[1]:
        places.add(10.0 ** ceil(log10(tolerance) - 2))
    for sign, end in ((-1, low), (1, high)):
        if sign * end > 30 * tolerance:
            places.add(sign * 10.0 ** floor(log10(sign * end)))
    return sorted(places)
