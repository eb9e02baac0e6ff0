"""Rows of earlier domains: which of them are kept, where each came from, which are drawn again.

What the methods that rehearse have in common; no method of its own.

source      Vitter 1985 (doi:10.1145/3147.3165) algorithm R for the reservoir
departures  a domain's rows enter when the domain is learned and not step by step
choices     rows are drawn without replacement unless more are needed than there are
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from classay.errors import ConfigError

if TYPE_CHECKING:
    from numpy.random import Generator
    from torch import Tensor

    from classay.method import Batch, Phase, State

    Columns = dict[str, Tensor]
    Note = Callable[[Columns], Mapping[str, Tensor]]


class Memory:
    """Rows that earlier domains left, and what was noted beside each of them."""

    def __init__(self) -> None:
        # "ids" and "labels": (rows, block) each; any further column has as many rows
        self.columns: Columns = {}
        self.origins: Sequence[Sequence[int]] = ()  # of every row: phase, row of the phase
        self.seen = 0  # rows offered so far, kept or not

    def __len__(self) -> int:
        return len(self.origins)

    @property
    def nbytes(self) -> int:
        """Bytes of everything that is kept."""
        return sum(column.nbytes for column in self.columns.values())

    def enter(
        self,
        phase: Phase,
        kept: Sequence[int],
        note: Note | None = None,
    ) -> None:
        """Fill the memory anew, from what it holds and from what a phase was offered.

        kept  the place that every slot is filled from: the rows held are places 0, 1, …, and those
              offered come behind them
        note  further columns of the offered rows that are kept, which it is given
        """
        import torch

        held, new = len(self), offered_rows(phase)
        places = [place for place in kept if place >= held]
        if places:
            chosen = [place - held for place in places]
            fresh = {
                column: torch.cat([batch[key] for batch in phase.batches])[chosen]
                for column, key in (("ids", "input_ids"), ("labels", "labels"))
            }
            fresh |= note(fresh) if note else {}
            self.columns = {
                key: torch.cat([self.columns[key], rows]) if held else rows
                for key, rows in fresh.items()
            }
        row = {place: index for index, place in enumerate([*range(held), *places])}
        order = [row[place] for place in kept]
        self.columns = {key: column[order] for key, column in self.columns.items()}
        origins = [*self.origins, *([phase.index, row] for row in range(new))]
        self.origins = [origins[place] for place in kept]
        self.seen += new

    def draw(self, count: int, generator: Generator) -> list[int]:
        """Some of the rows, each as likely as any other."""
        drawn: list[int] = generator.choice(len(self), count, replace=count > len(self)).tolist()
        return drawn

    def behind(self, batch: Batch, places: Sequence[int]) -> Batch:
        """A batch with these rows of the memory behind its own."""
        import torch

        if not places:
            return batch
        rows = {"input_ids": self.columns["ids"][places], "labels": self.columns["labels"][places]}
        return {key: torch.cat([batch[key], table]) for key, table in rows.items()}

    def state(self) -> tuple[Columns, dict[str, Any]]:
        """What a new process needs: tensors, and plain JSON."""
        tensors = {f"memory/{key}": column for key, column in self.columns.items() if len(self)}
        return tensors, {"seen": self.seen, "memory": list(self.origins)}

    def restore(self, state: State) -> None:
        """Become what ``state`` was taken from."""
        self.seen, self.origins = state.about["seen"], state.about["memory"]
        self.columns = {
            key.removeprefix("memory/"): tensor
            for key, tensor in state.tensors.items()
            if key.startswith("memory/")
        }


def offered_rows(phase: Phase) -> int:
    """How many rows a phase was offered."""
    return sum(len(batch["labels"]) for batch in phase.batches)


def require_a_row(phase: Phase, share: float, otherwise: str) -> None:
    """Refuse a share above 0 of which rounding leaves nothing: it would be another method.

    share      of the rows that a phase is offered
    otherwise  what would come of it, e.g. "nothing would be replayed"
    raises     ConfigError
    """
    rows = offered_rows(phase)
    if share > 0 and not round(share * rows):
        raise ConfigError(
            f"domain {phase.domain!r} is offered {rows} rows, of which a share of {share:g} is "
            f"less than half a row: {otherwise}.\n"
            f"  Raise the method's share or training.tokens_per_domain, or set the share to 0."
        )


def spread(steps: int, rows: int, share: float) -> list[int]:
    """How many rows are due at each of some steps, as even as whole numbers allow.

    rows   offered a step
    share  due for each row offered
    """
    due = [round(step * rows * share) for step in range(steps + 1)]
    return [after - before for before, after in pairwise(due)]


def reservoir(held: int, seen: int, new: int, capacity: int, generator: Generator) -> list[int]:
    """Algorithm R over rows that come after those that were seen.

    ::

        row n of the stream enters with probability min(1, M/n), in place of a uniform slot

    so that after n rows every one of them is in a memory of M with probability M/n.

    held     rows in the memory; places 0 … held − 1
    seen     rows that were offered before
    new      rows that are offered now; places held, held + 1, …
    returns  the place that every slot of the memory is filled from
    """
    kept = list(range(held))
    for place in range(held, held + new):
        seen += 1
        if len(kept) < capacity:
            kept.append(place)
        elif (slot := int(generator.integers(seen))) < capacity:
            kept[slot] = place
    return kept


def quota(held: int, new: int, count: int, generator: Generator) -> list[int]:
    """As many rows of every domain, drawn without replacement and never given up again.

    held     rows in the memory; places 0 … held − 1
    new      rows that are offered now; places held, held + 1, …
    count    how many of these are kept
    returns  the place that every slot of the memory is filled from, in the order of the stream
    """
    chosen = generator.choice(new, count, replace=False).tolist()
    return [*range(held), *(held + row for row in sorted(chosen))]
