"""A drawing of matplotlib's as an SVG element of the page: no script, no font, no link outside.

The same numbers give the same bytes. Colours and fonts are those of the page (its style sheet's
variables), so a chart is legible on white and on dark; matplotlib, which knows no variables, draws
with stand-ins that are replaced at the end.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, RULE, ACCENT, BAD = "#010101", "#020202", "#030303", "#040404", "#050505"
VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    RULE: "var(--rule)",
    ACCENT: "var(--accent)",
    BAD: "var(--bad)",
}
WIDTH = 4.2  # inches, which CSS makes the width of a telephone
SIZE = 9.5  # points
OFTEN = 9  # elements of one style
RC: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "classay",
    "svg.id": None,
    "text.parse_math": False,
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that every machine measures alike
    "font.size": SIZE,
    "axes.unicode_minus": True,
    "path.simplify": False,
}


def cut(label: str, longest: int = 18) -> str:
    """A label of at most so many letters."""
    return label if len(label) <= longest else f"{label[: longest - 1]}…"


def element(figure: Figure, name: str, title: str, description: str) -> str:
    """A figure as an ``<svg>`` element.

    name     prefix of every id, another for every figure of a page
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    out = io.StringIO()
    FigureCanvasSVG(figure).print_svg(
        out, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    drawn = out.getvalue()
    box = re.search(r'viewBox="[^"]*"', drawn)
    inside = drawn[drawn.index(">", drawn.index("<svg")) + 1 : drawn.rindex("</svg>")]
    inside = re.sub(r"<metadata>.*?</metadata>", "", inside, flags=re.DOTALL)
    # matplotlib's own style sheet would style the whole page
    inside = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", inside, flags=re.DOTALL)
    inside = re.sub(r"<!--.*?-->", "", inside, flags=re.DOTALL)
    inside = re.sub(r'\bid="', f'id="{name}-', inside)
    inside = inside.replace('xlink:href="#', f'href="#{name}-').replace("url(#", f"url(#{name}-")
    inside = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--sans)", inside)
    inside = re.sub(r'\b(?:d|x|y|width|height|transform)="[^"]*"', _shortened, inside)
    for colour, variable in VARIABLES.items():
        inside = inside.replace(colour, variable)
    inside = _styled_once(_without_idle_ids(inside), name)
    return (
        f'<svg class="chart" role="img" {box[0] if box else ""} '
        f'aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(description)}</desc>'
        f"{' '.join(inside.split())}</svg>"
    )


def _without_idle_ids(inside: str) -> str:
    """Without the ids that nothing refers to, which is nearly all of them."""
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', inside))
    return re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", inside)


def _styled_once(inside: str, name: str) -> str:
    """Every style that many elements have, such as that of a point, written down once."""
    counts = Counter(re.findall(r'style="([^"]*)"', inside))
    often = [style for style, count in counts.items() if count >= OFTEN]
    rules = "".join(f".{name}-s{i}{{{style}}}" for i, style in enumerate(often))
    for i, style in enumerate(often):
        inside = inside.replace(f'style="{style}"', f'class="{name}-s{i}"')
    return f"<style>{rules}</style>{inside}" if rules else inside


def _shortened(attribute: re.Match[str]) -> str:
    """An attribute with its lengths to a hundredth of a point, which nobody sees."""
    return re.sub(r"-?\d+\.\d{3,}", lambda n: f"{round(float(n[0]), 2):g}", attribute[0])
