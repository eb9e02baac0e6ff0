"""DER++: what the model said of rows of the past is what it has to go on saying of them.

::

    L(offered) + α · mean (h(x) − z)²_top-k + β · L(x′)          x, x′: two draws from the memory

h(x) are the logits, z those that were kept with the row, ``top-k`` the k tokens that were likeliest
when they were kept. DER is β = 0; with α = β = 0 what is left is naive LoRA.

source      Buzzega et al. 2020 (arXiv:2004.07211) §3, the objectives of DER and DER++; Vitter 1985
            (doi:10.1145/3147.3165) algorithm R for the memory
departures  z is taken at the end of the phase in which the row was learned, in evaluation mode, and
            not while it is trained on; rows enter the memory at that moment as well. Of the logits
            of a position the k largest are kept, values and tokens, where the paper keeps all: what
            becomes of the others is not held. There is no augmentation of text.
choices     the square is a mean over the kept logits, as in the authors' code, where the paper
            writes the norm of all of them, so α is of another size; positions without a label to
            learn are left out, as they are of L. k beyond the vocabulary keeps all of it. Both
            draws are fresh at every step and independent of each other; their rows stand behind the
            offered ones in one batch and are charged as tokens trained. A draw whose weight is 0 is
            not made. Taking z is charged in seconds, not in tokens; its bytes are charged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from classay.method import Phase
from classay.methods._memory import spread
from classay.methods._rehearsing import Rehearsing
from classay.packing import IGNORED

if TYPE_CHECKING:
    from torch import Tensor

    from classay.method import Batch, Terms

Strength = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, kw_only=True)
class Config:
    """What is kept, how much of it a step sees, and what it weighs."""

    capacity: Annotated[int, Field(gt=0)]  # rows in the memory
    share: Annotated[float, Field(ge=0)]  # rows of each draw for each row offered
    logits: Annotated[int, Field(gt=0)]  # k, kept a position
    alpha: Strength  # of the kept logits
    beta: Strength  # of the labels


class DerPP(Rehearsing):
    """One shared adapter, held to its past's labels and to what it said of them."""

    @classmethod
    def budgets(cls, config: Config, domains: int) -> float:
        return domains + config.share * len(_draws(config)) * (domains - 1)

    def begin_phase(self, phase: Phase) -> None:
        self.require_a_row_a_step(phase, "der_pp")
        super().begin_phase(phase)

    def curriculum(self, phase: Phase) -> Sequence[Batch]:
        import torch

        memory, offered, names = self.memory, phase.batches, _draws(self.config)
        if not len(memory) or not self.config.share or not names:
            return offered
        streams = {name: self.seeds.generator("der_pp", name, phase.index) for name in names}
        batches: list[Batch] = []
        counts = spread(len(offered), len(offered[0]["labels"]), self.config.share)
        for batch, count in zip(offered, counts, strict=True):
            drawn = {name: memory.draw(count, stream) for name, stream in streams.items()}
            whole = memory.behind(batch, [place for rows in drawn.values() for place in rows])
            batches.append({**whole, **{name: torch.tensor(rows) for name, rows in drawn.items()}})
        return batches

    def loss(self, batch: Batch) -> Terms:
        names = [name for name in ("logits", "replay") if name in batch]
        if not names:
            return super().loss(batch)
        sizes = [len(batch[name]) for name in names]
        sizes = [len(batch["labels"]) - sum(sizes), *sizes]
        logits = self.model(input_ids=batch["input_ids"], use_cache=False).logits
        parts = zip(logits.split(sizes), batch["labels"].split(sizes), strict=True)
        said = dict(zip(["lm", *names], parts, strict=True))
        terms = {"lm": cross_entropy(*said["lm"])}
        if "logits" in said:
            kept = [self.memory.columns[key][batch["logits"]] for key in ("values", "tokens")]
            terms["logits"] = self.config.alpha * distance(*said["logits"], *kept)
        if "replay" in said:
            terms["replay"] = self.config.beta * cross_entropy(*said["replay"])
        return terms

    def end_phase(self, phase: Phase) -> None:
        size = len(phase.batches[0]["labels"])

        def note(rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return self._said(rows["ids"], size)

        self.enter(phase, note if self.config.alpha else None)

    def _said(self, ids: Tensor, size: int) -> dict[str, Tensor]:
        """The largest logits at every position that predicts one: (rows, block − 1, k) each."""
        import torch

        values, tokens = [], []
        with torch.no_grad():
            for rows in ids.split(size):
                logits = self.model(input_ids=rows, use_cache=False).logits[:, :-1]
                top = logits.topk(min(self.config.logits, logits.shape[-1]), dim=-1)
                values.append(top.values)
                tokens.append(top.indices.int())
        return {"values": torch.cat(values), "tokens": torch.cat(tokens)}


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean over the tokens of some rows, as the model itself takes it."""
    from torch.nn.functional import cross_entropy

    said, learned = logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten()
    return cross_entropy(said, learned, ignore_index=IGNORED)


def distance(logits: Tensor, labels: Tensor, values: Tensor, tokens: Tensor) -> Tensor:
    """How far logits are from those that were kept: the mean square.

    logits          (rows, block, vocabulary)
    labels          (rows, block); positions before one that is ignored are left out
    values, tokens  (rows, block − 1, k); what was kept, and of which tokens
    """
    learned = labels[:, 1:] != IGNORED
    moved = logits[:, :-1].float().gather(-1, tokens.long()) - values.float()
    return ((moved**2).mean(-1) * learned).sum() / learned.sum()


def _draws(config: Config) -> list[str]:
    """The names of the draws that a step makes from the memory."""
    return [name for name, w in (("logits", config.alpha), ("replay", config.beta)) if w]


METHOD = DerPP
EXAMPLE = Config(capacity=8, share=0.5, logits=16, alpha=0.5, beta=0.5)  # in the conformance tests
VARIANTS = {"der": Config(capacity=8, share=0.5, logits=16, alpha=0.5, beta=0.0)}
OFF = Config(capacity=8, share=0.5, logits=16, alpha=0.0, beta=0.0)
