"""Which reductions of a kernel lie on lanes apart: Triton 3.6 adds up the wrong ones of them."""

from __future__ import annotations

import re

LAYOUT = re.compile(r"^(#\w+) = (#ttg\.(linear|blocked).*)$", re.MULTILINE)
REDUCTION = re.compile(
    r'"tt\.reduce"\(.*?axis = (\d+).*?\}\) : \(tensor<[\dx]+\w+, (.+?)>[,)]', re.DOTALL
)
SLICE = re.compile(r"#ttg\.slice<\{dim = (\d+), parent = (.*)\}>")
LANE = re.compile(r"lane = \[\[(.*?)\]\]")


def apart(text: str) -> list[str]:
    """The reductions of a TTGIR text that have a lane of another axis among those of their own.

    raises  NotImplementedError   a layout that is neither linear nor blocked, nor a slice of one
    """
    meant = {name: (whole, kind) for name, whole, kind in LAYOUT.findall(text)}
    found = []
    for number, layout in REDUCTION.findall(text):
        axis = int(number)
        while sliced := SLICE.fullmatch(layout):
            axis, layout = axis + (axis >= int(sliced[1])), sliced[2]
        if layout not in meant:
            raise NotImplementedError(layout)
        whole, kind = meant[layout]
        # lanes of a blocked layout go along one axis after the other
        if kind == "linear" and not _neighbours(whole, axis):
            found.append(f"axis {axis} of {whole}")
    return found


def _neighbours(layout: str, axis: int) -> bool:
    steps = LANE.search(layout)
    if steps is None:
        return True
    own = [step.split(", ")[axis] != "0" for step in steps[1].split("], [")]
    return "0" not in "".join(map("01".__getitem__, own)).strip("0")
