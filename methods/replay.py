"""Experience replay: rows of earlier domains are mixed into every batch.

::

    batch_s = offered_s ∪ {share · |offered_s| rows of the memory}        one mean over its tokens

    row n of the stream enters the memory with probability min(1, M/n), in place of a uniform slot

so that after n rows every one of them is in the memory of M with probability M/n.

source      Chaudhry et al. 2019 (arXiv:1902.10486) algorithm 1; Vitter 1985 (doi:10.1145/3147.3165)
            algorithm R for the memory
departures  a domain's rows enter the memory when the domain is learned and not step by step, so
            that a phase replays the past alone
choices     replayed rows come on top of the budget and are charged as tokens trained; a share that
            is no whole number of rows a step is spread over the steps; rows of one step are drawn
            without replacement unless it needs more than there are. While the memory is empty
            nothing is drawn from any generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from classay.method import Cost, Method, Phase, State

if TYPE_CHECKING:
    from numpy.random import Generator
    from torch import Tensor

    from classay.method import Batch


@dataclass(frozen=True, kw_only=True)
class Config:
    """How much is kept, and how much of it is seen again."""

    capacity: Annotated[int, Field(gt=0)]  # M, rows
    share: Annotated[float, Field(ge=0)]  # rows replayed for each row offered


class Replay(Method):
    """One shared adapter, trained on the domain and on a sample of its past."""

    plain_first_phase = True
    _memory: tuple[Tensor, Tensor] | None = None  # ids and labels: (rows, block) each
    _origins: Sequence[Sequence[int]] = ()  # of every row in the memory: phase, row of the phase
    _seen = 0  # rows offered so far, kept or not

    @classmethod
    def budgets(cls, config: Config, domains: int) -> float:
        return domains + config.share * (domains - 1)

    def curriculum(self, phase: Phase) -> Sequence[Batch]:
        if self._memory is None:
            return phase.batches
        generator = self.seeds.generator("replay", phase.index)
        rows = len(phase.batches[0]["labels"])

        def due(steps: int) -> int:
            return round(steps * rows * self.config.share)

        return [
            self._mixed(batch, due(step + 1) - due(step), generator)
            for step, batch in enumerate(phase.batches)
        ]

    def end_phase(self, phase: Phase) -> None:
        import torch

        offered = [torch.cat([b[key] for b in phase.batches]) for key in ("input_ids", "labels")]
        held, new = len(self._origins), len(offered[0])
        generator = self.seeds.generator("reservoir", phase.index)
        kept = _reservoir(held, self._seen, new, self.config.capacity, generator)
        self._seen += new
        if self._memory is not None:
            offered = [torch.cat(pair) for pair in zip(self._memory, offered, strict=True)]
        self._memory = (offered[0][kept], offered[1][kept])
        origins = [*self._origins, *([phase.index, row] for row in range(new))]
        self._origins = [origins[place] for place in kept]

    def cost(self) -> Cost:
        kept = self._memory or ()
        return Cost(super().cost().trainable, sum(t.nbytes for t in kept), len(self._origins))

    def state(self) -> State:
        tensors, about = super().state()
        if self._memory is not None:
            tensors |= {"memory/ids": self._memory[0], "memory/labels": self._memory[1]}
        return State(tensors, {**about, "seen": self._seen, "memory": list(self._origins)})

    def restore(self, state: State) -> None:
        super().restore(state)
        self._seen, self._origins = state.about["seen"], state.about["memory"]
        if "memory/ids" in state.tensors:
            self._memory = (state.tensors["memory/ids"], state.tensors["memory/labels"])

    def _mixed(self, batch: Batch, count: int, generator: Generator) -> Batch:
        import torch

        if self._memory is None or count == 0:
            return batch
        held = len(self._origins)
        drawn = generator.choice(held, count, replace=count > held).tolist()
        memory = {"input_ids": self._memory[0][drawn], "labels": self._memory[1][drawn]}
        return {key: torch.cat([batch[key], rows]) for key, rows in memory.items()}


def _reservoir(held: int, seen: int, new: int, capacity: int, generator: Generator) -> list[int]:
    """Algorithm R over rows that come after those that were seen.

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


METHOD = Replay
EXAMPLE = Config(capacity=8, share=0.5)  # runs in the conformance tests
OFF = Config(capacity=8, share=0.0)  # naive LoRA, byte for byte
