"""SDFT (2024): before a domain is learned, the model puts its text into words of its own.

::

    ỹ ~ f_θ(· | x, y, x)                               x, y: the two parts of an offered row
    y′ = ỹ if Σ_v min(#_v ỹ, #_v y) ≥ overlap · |y|, else y
    L = −log f_θ(y′ | x) − log f_θ(x)

#_v counts a token: a rewrite verifies if enough of the original's tokens are in it, wherever. θ is
the model as the phase finds it, with the adapter of the domains before.

source      Yang et al. 2024 (arXiv:2402.13669) §3, the rewriting of a response, its selection and
            the loss
departures  packed rows of plain text have no instruction and no response: the first part of a row
            stands for the one, its later part for the other, and the first part is learned from
            too. No words ask for a rewrite: the model sees the whole row, then its first part
            again, and goes on. What verifies is not an answer that can be extracted but an overlap
            of tokens, which is as strong as its threshold. A rewrite is as long as the original, so
            that as many tokens are offered. The paper's model is that before all fine-tuning, and
            is an instructed one.
choices     greedy, or drawn at a temperature; a row without a label in its later part stays as it
            is; of the others only labelled tokens are rewritten. Rewritten rows are kept while
            their phase lasts, and charged as long. Writing is charged in seconds, not in tokens:
            it reads every row twice and is no training batch.
            The batches that are recorded are those that were trained on, and not the offered ones,
            which every phase declares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from classay.method import Cost, Method, Phase, State, Trace
from classay.methods._generation import check, cut, write, written
from classay.packing import IGNORED

if TYPE_CHECKING:
    from torch import Tensor

    from classay.method import Batch

KEPT = "rewrites that verified, share of rows"


@dataclass(frozen=True, kw_only=True)
class Config:
    """How much of a row is rewritten, and what of that is believed."""

    overlap: Annotated[float, Field(ge=0, le=1)]  # least share of the original's tokens
    temperature: Annotated[float, Field(ge=0)]  # 0: the likeliest token
    rewritten: Annotated[float, Field(ge=0, lt=1)] = 0.5  # of a row: its later part


class SdftRewrite(Method):
    """One shared adapter, trained on the domain in the model's own words."""

    stackable = False
    rewrites = True
    _rows: Tensor | None = None  # of the phase that is being learned: (rows, block)
    _verified = 0.0  # share of the rows whose rewrite was kept

    def begin_phase(self, phase: Phase) -> None:
        import torch

        super().begin_phase(phase)
        self._rows, self._verified = None, 0.0
        if not self.config.rewritten:
            return
        check(self.model, phase, self.config.rewritten, "methods.sdft_rewrite.rewritten")
        device = phase.batches[0]["input_ids"].device
        generator = torch.Generator(device)
        generator.manual_seed(self.seeds.integer("sdft_rewrite", phase.index))
        start = cut(phase.batches[0]["input_ids"].shape[1], self.config.rewritten)
        rows, kept = [], []
        for batch in phase.batches:
            ids = batch["input_ids"]
            new = write(self.model, batch, start, ids, self.config.temperature, generator)
            own = written(batch, start)
            believed = own.any(1) & (common(new, ids, own) >= self.config.overlap * own.sum(1))
            rows.append(torch.where(believed.unsqueeze(1), new, ids))
            kept.append(believed)
        self._rows, self._verified = torch.cat(rows), torch.cat(kept).double().mean().item()

    def curriculum(self, phase: Phase) -> Sequence[Batch]:
        import torch

        if self._rows is None:
            return phase.batches
        rows = self._rows.split([len(batch["labels"]) for batch in phase.batches])
        return [
            {"input_ids": new, "labels": torch.where(batch["labels"] == IGNORED, IGNORED, new)}
            for batch, new in zip(phase.batches, rows, strict=True)
        ]

    def trace(self, ended: bool) -> Trace | None:
        return Trace(("all",), {KEPT: [self._verified]}, {})

    def end_phase(self, phase: Phase) -> None:
        self._rows = None

    def cost(self) -> Cost:
        kept = () if self._rows is None else (self._rows,)
        return Cost(super().cost().trainable, sum(t.nbytes for t in kept), sum(map(len, kept)))

    def state(self) -> State:
        tensors, about = super().state()
        if self._rows is not None:
            tensors["memory/rewritten"] = self._rows
        return State(tensors, about | {"verified": self._verified})

    def restore(self, state: State) -> None:
        super().restore(state)
        self._rows = state.tensors.get("memory/rewritten")
        self._verified = state.about["verified"]


def common(new: Tensor, old: Tensor, own: Tensor) -> Tensor:
    """How many tokens two versions of a row have in common, each as often as both have it.

    new, old  (rows, block)
    own       (rows, block); what is compared
    returns   (rows,)
    """
    import torch

    # The k-th time a token stands in a row it has a name of its own, and names are equal or not.
    width = own.shape[1]
    earlier = torch.ones(width, width, dtype=torch.bool, device=own.device).tril(-1)

    def names(ids: Tensor) -> Tensor:
        same = (ids.unsqueeze(2) == ids.unsqueeze(1)) & own.unsqueeze(1) & earlier
        return ids * width + same.sum(2)

    both = names(new).unsqueeze(2) == names(old).unsqueeze(1)
    return (both & own.unsqueeze(2) & own.unsqueeze(1)).sum((1, 2))


METHOD = SdftRewrite
EXAMPLE = Config(overlap=0.0, temperature=1.0)  # runs in the conformance tests
VARIANTS = {"greedy": Config(overlap=0.25, temperature=0.0)}
OFF = Config(overlap=0.0, temperature=0.0, rewritten=0.0)
