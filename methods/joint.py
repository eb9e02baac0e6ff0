"""Joint training: after each domain, retrain from scratch on all domains so far.

::

    θ_t = argmin_θ Σ_{k ≤ t} L_k(θ)          a fresh θ at every t, (t + 1) times the budget

The status quo that continual learning wants to replace, and the bound that it is measured against.
It keeps every example it was ever offered and pays for every repetition; both are charged.

source      the "joint" or "multi-task" upper bound of the field, e.g. Lopez-Paz & Ranzato 2017
            (arXiv:1706.08840) §4; Chaudhry et al. 2018 (arXiv:1801.10112) for intransigence
departures  none
choices     batches take rows of all domains in turn, so every batch is a mixture and every block is
            seen exactly once a phase; with one domain they are the offered batches
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classay.method import Cost, Method, Phase, State

if TYPE_CHECKING:
    from torch import Tensor

    from classay.method import Batch


@dataclass(frozen=True, kw_only=True)
class Config:
    """Nothing to set."""


class Joint(Method):
    """A fresh adapter, trained on everything offered so far."""

    bound = True
    stackable = False
    plain_first_phase = True
    _rows: tuple[Tensor, Tensor] | None = None  # ids and labels: (blocks a domain, domains, block)

    @classmethod
    def budgets(cls, config: Config, domains: int) -> float:
        return domains * (domains + 1) // 2

    def begin_phase(self, phase: Phase) -> None:
        import torch

        offered = [torch.cat([b[key] for b in phase.batches]) for key in ("input_ids", "labels")]
        rows = [table.unsqueeze(1) for table in offered]
        if self._rows is not None:
            rows = [torch.cat(pair, dim=1) for pair in zip(self._rows, rows, strict=True)]
        self._rows = (rows[0], rows[1])
        self.adapters.fresh("joint", phase.index)

    def curriculum(self, phase: Phase) -> Sequence[Batch]:
        size = len(phase.batches[0]["input_ids"])
        ids, labels = (table.flatten(0, 1).split(size) for table in self._kept())
        return [{"input_ids": i, "labels": m} for i, m in zip(ids, labels, strict=True)]

    def cost(self) -> Cost:
        kept = self._kept() if self._rows is not None else ()
        examples = kept[0].shape[0] * kept[0].shape[1] if kept else 0
        return Cost(super().cost().trainable, sum(t.nbytes for t in kept), examples)

    def state(self) -> State:
        tensors, about = super().state()
        ids, labels = self._kept()
        return State({**tensors, "memory/ids": ids, "memory/labels": labels}, about)

    def restore(self, state: State) -> None:
        super().restore(state)
        if "memory/ids" in state.tensors:
            self._rows = (state.tensors["memory/ids"], state.tensors["memory/labels"])

    def _kept(self) -> tuple[Tensor, Tensor]:
        if self._rows is None:
            raise RuntimeError("joint was asked for its examples before its first phase began")
        return self._rows


METHOD = Joint
EXAMPLE = Config()  # runs in the conformance tests
