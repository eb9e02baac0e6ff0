"""What was learned against what was forgotten: every seed a point, every method a mark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from classay.reports.svg import ACCENT, BAD, INK, MUTED, RC, RULE, SIZE, WIDTH, cut, element

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHAPES = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h")
Points = Mapping[str, Sequence[tuple[float, float]]]


def plane(
    points: Points, *, name: str, title: str, description: str, x: str, y: str, margin: float
) -> str:
    """One point a seed, at what it learned and what it forgot.

    Up to as many methods as there are shapes have a shape each. Of more, each has a number, which
    stands at the mean of its seeds.

    points   label of a method -> (x, y) a seed
    name     prefix of every id, another for every figure of a page
    x, y     what the axes are, with their units
    margin   of y, a dashed line
    returns  an ``<svg>`` element
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows, numbered = (len(points) + 1) // 2, len(points) > len(SHAPES)
    top, bottom = 0.14 + 0.24 * rows, 0.5
    height = (4.4 if numbered else 2.9) + top + bottom
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, height))
        axes = figure.add_axes(
            (0.62 / WIDTH, bottom / height, 1 - 0.76 / WIDTH, 1 - (top + bottom) / height)
        )
        axes.patch.set_visible(False)
        figure.patch.set_visible(False)
        for side in ("right", "top"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set(color=MUTED, linewidth=0.8)
        axes.tick_params(color=MUTED, labelcolor=MUTED, length=3, width=0.8)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(6))
        axes.grid(color=RULE, lw=0.7)
        axes.set_axisbelow(True)
        axes.axhline(0, color=MUTED, lw=1.0, zorder=1)
        axes.axhline(margin, color=BAD, lw=1.1, dashes=(4, 3), zorder=1)
        axes.set_xlabel(x, color=MUTED, labelpad=5, x=1.0, ha="right")
        axes.set_ylabel(y, color=MUTED, labelpad=4)
        if numbered:
            _numbers(axes, points)
        else:
            _shapes(axes, points)
        axes.margins(0.08, 0.1)
        figure.legend(
            loc="upper left", bbox_to_anchor=(0.02, 1.0), ncols=2, frameon=False, labelcolor=INK,
            handletextpad=0.3, columnspacing=1.2, borderpad=0.1, labelspacing=0.35,
        )  # fmt: skip
        return element(figure, name, title, description)


def _shapes(axes: Axes, points: Points) -> None:
    for shape, (label, at) in zip(SHAPES, points.items(), strict=False):
        axes.plot(
            [p[0] for p in at], [p[1] for p in at], shape, color=ACCENT, ms=5.5, mew=0,
            alpha=0.85, label=cut(label), zorder=3,
        )  # fmt: skip


def _numbers(axes: Axes, points: Points) -> None:
    for number, (label, at) in enumerate(points.items(), 1):
        xs, ys = zip(*at, strict=True)
        axes.plot(xs, ys, "o", color=ACCENT, ms=3, mew=0, alpha=0.5, zorder=3)
        axes.plot([], [], " ", label=f"{number}  {cut(label)}")
        axes.annotate(
            str(number), (sum(xs) / len(xs), sum(ys) / len(ys)), (0, 3),
            textcoords="offset points", ha="center", color=INK, fontsize=SIZE - 2, zorder=4,
        )  # fmt: skip
