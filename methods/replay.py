"""Experience replay: rows of earlier domains are mixed into every batch.

::

    reservoir    batch_s = offered_s ∪ {share · |offered_s| rows of the memory}
                 row n of the stream enters the memory with probability min(1, M/n), in place of a
                 uniform slot: after n rows every one of them is in it with probability M/n
    fixed_share  share of every domain's rows are kept for good, and in every later phase each of
                 them is in exactly one batch

One mean over the tokens of a batch in both.

source      Chaudhry et al. 2019 (arXiv:1902.10486) algorithm 1; Vitter 1985 (doi:10.1145/3147.3165)
            algorithm R for the reservoir; ``fixed_share`` is what is done with language models,
            e.g. 1 % a task in He et al. 2024 (SEEKR, arXiv:2411.06171)
departures  a domain's rows enter the memory when the domain is learned and not step by step, so
            that a phase replays the past alone
choices     replayed rows come on top of the budget and are charged as tokens trained; a share that
            is no whole number of rows a step is spread over the steps; rows of one step are drawn
            without replacement unless it needs more than there are. While the memory is empty
            nothing is drawn from any generator. Of ``fixed_share`` the quota is rounded to whole
            rows, by which the plan is off by up to half a row for each earlier domain; the rows
            kept are drawn uniformly, and shuffled anew for every phase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from classay.method import Phase
from classay.methods._memory import offered_rows, quota, require_a_row, spread
from classay.methods._rehearsing import Rehearsing

if TYPE_CHECKING:
    from classay.method import Batch


@dataclass(frozen=True, kw_only=True)
class Config:
    """How much is kept, and how much of it is seen again."""

    share: Annotated[float, Field(ge=0)]  # rows replayed for each row offered, a domain if fixed
    capacity: Annotated[int, Field(gt=0)] | None = None  # M, rows, of the reservoir alone
    memory: Literal["reservoir", "fixed_share"] = "reservoir"

    def __post_init__(self) -> None:
        if (self.capacity is None) == (self.memory == "reservoir"):
            raise ValueError(
                f"memory {self.memory!r} with capacity {self.capacity}; 'reservoir' needs a "
                f"number of rows, 'fixed_share' keeps a share of every domain: give it, or take "
                f"it out"
            )
        if self.memory == "fixed_share" and self.share > 1:
            raise ValueError(
                f"share {self.share} with memory 'fixed_share'; at most 1 can be kept of a "
                f"domain's rows: lower it, or use the reservoir"
            )


class Replay(Rehearsing):
    """One shared adapter, trained on the domain and on a sample of its past."""

    @classmethod
    def budgets(cls, config: Config, domains: int) -> float:
        if config.memory == "fixed_share":
            return domains + config.share * domains * (domains - 1) / 2
        return domains + config.share * (domains - 1)

    def begin_phase(self, phase: Phase) -> None:
        require_a_row(phase, self.config.share, "nothing would be replayed")
        super().begin_phase(phase)

    def curriculum(self, phase: Phase) -> Sequence[Batch]:
        memory, steps = self.memory, len(phase.batches)
        if not len(memory):
            return phase.batches
        generator = self.seeds.generator("replay", phase.index)
        if self.config.memory == "fixed_share":
            rest = iter(generator.permutation(len(memory)).tolist())
            counts = spread(steps, len(memory), 1 / steps)
            drawn = [[next(rest) for _ in range(count)] for count in counts]
        else:
            counts = spread(steps, len(phase.batches[0]["labels"]), self.config.share)
            drawn = [memory.draw(count, generator) if count else [] for count in counts]
        return [
            memory.behind(batch, rows) for batch, rows in zip(phase.batches, drawn, strict=True)
        ]

    def end_phase(self, phase: Phase) -> None:
        if self.config.memory == "reservoir":
            return super().end_phase(phase)
        memory, new = self.memory, offered_rows(phase)
        generator = self.seeds.generator("reservoir", phase.index)
        memory.enter(phase, quota(len(memory), new, _quota(self.config, phase), generator))


def _quota(config: Config, phase: Phase) -> int:
    """Rows that a domain leaves in the memory if all leave the same share."""
    return round(config.share * offered_rows(phase))


METHOD = Replay
EXAMPLE = Config(capacity=8, share=0.5)  # runs in the conformance tests
VARIANTS = {"fixed_share": Config(memory="fixed_share", share=0.25)}
OFF = Config(capacity=8, share=0.0)  # naive LoRA, byte for byte
