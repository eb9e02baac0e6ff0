"""What is trained on in one step, and which rows of it each component is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from classay.method import Batch

TEXT = {"input_ids", "labels"}


class Step(dict[str, "Tensor"]):
    """One step's rows, and which of them each component is given."""

    def __init__(self, whole: Batch, parts: Sequence[Batch], lead: int) -> None:
        super().__init__(whole)
        self.parts, self.lead = parts, lead  # lead: the component whose lm is the stack's


def step(offered: Batch, own: Sequence[Batch]) -> Step:
    """What is trained on in one step: the offered rows, then those of each component."""
    rows = len(offered["labels"])
    plain = [part for part in own if part.keys() == TEXT]
    common = _together(offered, [part for part in plain if len(part["labels"]) > rows])
    noted = [part for part in own if part.keys() != TEXT and len(part["labels"]) > rows]
    parts = [common if part.keys() == TEXT else part for part in own]
    lead = next((i for i, part in enumerate(own) if part.keys() == TEXT), 0)
    return Step(_together(common, noted, rows), parts, lead)


def _together(first: Batch, more: Sequence[Batch], rows: int | None = None) -> Batch:
    """A batch, and behind it what others have behind their first rows."""
    import torch

    skip = len(first["labels"]) if rows is None else rows
    if not more:
        return first
    return {k: torch.cat([first[k], *(part[k][skip:] for part in more)]) for k in sorted(TEXT)}


def begins(own: Batch, offered: Batch) -> bool:
    """Whether a batch begins with the offered rows."""
    import torch

    rows = len(offered["labels"])
    return all(torch.equal(own[key][:rows], offered[key]) for key in sorted(TEXT))
