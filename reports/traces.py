"""What a mechanism was over the stream: small multiples of envelopes, each beside its promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, pairwise
from math import ceil
from typing import TYPE_CHECKING

from classay.mechanism import Envelope
from classay.reports.rounding import anchor, scale
from classay.reports.svg import ACCENT, BAD, INK, MUTED, RC, RULE, SIZE, WIDTH, cut, element

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = tuple[list[float], list[float], list[float]]  # step, least, greatest
BUCKETS = 120  # of a curve: a panel has about as many pixels on a telephone
COLUMNS = 2


def traces(
    panels: Mapping[str, Sequence[Envelope]],
    ends: Sequence[int],
    *,
    name: str,
    title: str,
    description: str,
) -> str:
    """One panel a number: its envelope over the optimizer steps, and the range promised.

    panels   name of a number -> its envelope in every phase
    ends     the step at which each phase ends, a thin line
    name     prefix of every id, another for every figure of a page
    returns  an ``<svg>`` element
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = ceil(len(panels) / COLUMNS)
    pitch, plot, bottom, left, gap = 1.16, 0.66, 0.44, 0.64, 0.1
    height, width = rows * pitch + bottom, WIDTH / COLUMNS
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, height))
        figure.patch.set_visible(False)
        for i, (number, phases) in enumerate(panels.items()):
            row, column = divmod(i, COLUMNS)
            axes = figure.add_axes(
                (
                    (column * width + left) / WIDTH,
                    1 - (row * pitch + pitch) / height,
                    (width - left - gap) / WIDTH,
                    plot / height,
                )
            )
            _panel(axes, number, phases, ends, left)
            if i + COLUMNS >= len(panels):
                _phases(axes, ends)
        return element(figure, name, title, description)


def thin(envelope: Envelope, most: int) -> Points:
    """An envelope in at most so many points: each is the least and the greatest of its neighbours.

    returns  (step, least, greatest), each a list; no value is outside what is returned
    """
    size = ceil(len(envelope.steps) / most)
    starts = range(0, len(envelope.steps), size)
    steps = [envelope.steps[i : i + size] for i in starts]
    return (
        [(part[0] + part[-1]) / 2 for part in steps],
        [min(envelope.least[i : i + size]) for i in starts],
        [max(envelope.greatest[i : i + size]) for i in starts],
    )


def _panel(
    axes: Axes,
    number: str,
    phases: Sequence[Envelope],
    ends: Sequence[int],
    left: float,
) -> None:
    promised, middle = phases[0].promised, anchor(phases[0].promised)
    zero = middle or 0.0
    most = max(1, BUCKETS // len(phases))
    parts = [thin(phase, most) for phase in phases]
    steps, least, greatest = (list(chain.from_iterable(part)) for part in zip(*parts, strict=True))
    least, greatest = [v - zero for v in least], [v - zero for v in greatest]
    allowed = promised and (promised[0] - zero, promised[1] - zero)
    _frame(axes, ends)
    if allowed:
        axes.axhspan(*allowed, color=ACCENT, alpha=0.1, lw=0, zorder=1)
        for limit in allowed:
            axes.axhline(limit, color=BAD, lw=1.0, dashes=(4, 3), zorder=2)
    if any(len(phase.steps) > 1 for phase in phases):
        axes.fill_between(steps, least, greatest, color=(ACCENT, 0.35), ec=ACCENT, lw=1.1, zorder=3)
    else:
        axes.vlines(steps, least, greatest, color=ACCENT, lw=1.4, zorder=3)
        axes.plot(steps * 2, least + greatest, "o", color=ACCENT, ms=3.2, mew=0, zorder=3)
    if allowed:
        out = [p for p in zip(steps, least, strict=True) if p[1] < allowed[0]]
        out += [p for p in zip(steps, greatest, strict=True) if p[1] > allowed[1]]
        axes.plot([p[0] for p in out], [p[1] for p in out], "x", color=BAD, ms=5, mew=1.4, zorder=4)
    scale(axes, (min(least), max(greatest)), allowed, middle is not None)
    outside, measured = sum(p.outside for p in phases), sum(p.measured for p in phases)
    said = f"{outside:,} of {measured:,} outside" if promised else "only shown"
    moved = f" − {zero:g}" if zero else ""
    for text, up, colour, weight in (
        (cut(number, 25 - len(moved)) + moved, 15, INK, "bold"),
        (said, 4, BAD if outside else MUTED, "normal"),
    ):
        axes.annotate(
            text, (0, 1), (-left * 72 + 4, up), xycoords="axes fraction",
            textcoords="offset points", fontsize=SIZE - 1, annotation_clip=False,
            color=colour, weight=weight,
        )  # fmt: skip


def _frame(axes: Axes, ends: Sequence[int]) -> None:
    axes.patch.set_visible(False)
    for side in ("right", "top"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set(color=MUTED, linewidth=0.8)
    axes.tick_params(color=MUTED, labelcolor=MUTED, length=3, width=0.8, labelsize=SIZE - 1, pad=2)
    axes.set_xlim(0, ends[-1] * 1.02)
    axes.set_xticks([])
    for end in ends[:-1]:
        axes.axvline(end, color=RULE, lw=0.8, zorder=0)


def _phases(axes: Axes, ends: Sequence[int]) -> None:
    every = ceil(len(ends) / 6)  # labels that stand side by side without touching
    middles = [(a + b) / 2 for a, b in pairwise([0, *ends])]
    labels = [str(i + 1) if i % every == 0 else "" for i in range(len(ends))]
    axes.set_xticks(middles, labels)
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel(
        f"phase ({ends[-1]:,} steps in all)", color=MUTED, labelpad=2, fontsize=SIZE - 1
    )
