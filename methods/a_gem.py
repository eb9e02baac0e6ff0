"""A-GEM: no step may go uphill on a sample of the past; what would is projected onto its border.

::

    g ← g − (g·g_ref / ‖g_ref‖²) g_ref          if g·g_ref < 0, over all parameters as one vector

g is the gradient on what is offered, g_ref that on rows of the memory, both at the same θ.

source      Chaudhry et al. 2019 (arXiv:1812.00420) §4, the solution of its one-constraint problem;
            Vitter 1985 (doi:10.1145/3147.3165) algorithm R for the memory
departures  AdamW takes the projected gradient, where the paper has SGD: its step need not be
            orthogonal to g_ref, and neither is its weight decay. The memory is a reservoir over
            rows and not an equal number of examples a task; rows enter it when their domain is
            learned.
choices     a new sample of the memory at every step, in training mode as the batch itself. Its
            rows stand behind the offered ones in the batch of the step, so that the second pass is
            charged as tokens trained, though no step descends on them. A share that is no whole
            number of rows a step is spread over the steps; fewer than one row a step are refused.
            Where nothing opposes the past and nothing drops out this is naive LoRA to the bit; the
            trace shows g·g_ref.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from classay.method import Phase, Trace
from classay.methods._memory import spread
from classay.methods._rehearsing import Rehearsing

if TYPE_CHECKING:
    from torch import Tensor

    from classay.method import Batch, Terms

BEFORE, AFTER = "g·g_ref / ‖g‖‖g_ref‖, before", "g·g_ref / ‖g‖‖g_ref‖, after"
ROUNDING = 1e-5  # of a projection in float32, beside ‖g‖‖g_ref‖


@dataclass(frozen=True, kw_only=True)
class Config:
    """How much is kept, and how much of it a step is held against."""

    capacity: Annotated[int, Field(gt=0)]  # rows in the memory
    share: Annotated[float, Field(ge=0)]  # rows of the memory for each row offered


class AGem(Rehearsing):
    """One shared adapter, whose gradient may not oppose that of its past."""

    _reference: Batch | None = None  # rows of the memory that this step is held against
    _products: Tensor | None = None  # before and after the projection
    _past: Tensor | None = None  # g_ref of this step
    _length: Tensor | None = None  # of the projected gradient beside ‖g‖

    @classmethod
    def budgets(cls, config: Config, domains: int) -> float:
        return domains + config.share * (domains - 1)

    def begin_phase(self, phase: Phase) -> None:
        self.require_a_row_a_step(phase, "a_gem")
        self._products = self._past = None
        super().begin_phase(phase)

    def curriculum(self, phase: Phase) -> Sequence[Batch]:
        import torch

        memory, offered = self.memory, phase.batches
        if not len(memory) or not self.config.share:
            return offered
        generator = self.seeds.generator("a_gem", phase.index)
        counts = spread(len(offered), len(offered[0]["labels"]), self.config.share)
        drawn = [memory.draw(count, generator) for count in counts]
        return [
            {**memory.behind(batch, rows), "drawn": torch.tensor(rows)}
            for batch, rows in zip(offered, drawn, strict=True)
        ]

    def loss(self, batch: Batch) -> Terms:
        self._reference = None
        if "drawn" not in batch:
            return super().loss(batch)
        own = len(batch["labels"]) - len(batch["drawn"])
        self._reference = {key: batch[key][own:] for key in ("input_ids", "labels")}
        return super().loss({key: batch[key][:own] for key in ("input_ids", "labels")})

    def edit_gradients(self) -> None:
        import torch

        if self._reference is None:
            return
        parameters = list(self.parameters())
        past = torch.autograd.grad(super().loss(self._reference)["lm"], parameters)
        g = _vector([p.grad for p in parameters if p.grad is not None])
        self._past = _vector(past).double()
        projected, self._products = project(g, self._past)
        self._length = projected.double().norm() / g.double().norm().clamp_min(1e-300)
        pieces = projected.split([p.numel() for p in parameters])
        for parameter, piece in zip(parameters, pieces, strict=True):
            parameter.grad = piece.view_as(parameter)

    def trace(self, ended: bool) -> Trace | None:
        if self._products is None or self._past is None or self._length is None:
            return None
        # of the gradient that the step took, which in a stack the components behind this one may
        # have edited; clipping changes no angle
        taken = _vector([p.grad for p in self.parameters() if p.grad is not None]).double()
        lengths = (taken.norm() * self._past.norm()).clamp_min(1e-300)
        before, after = float(self._products[0]), float(taken @ self._past / lengths * self._length)
        promised = {AFTER: (-ROUNDING, 1.0 + ROUNDING)}
        return Trace(("all",), {BEFORE: [before], AFTER: [after]}, promised)


def project(g: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
    """A gradient without what opposes another one.

    g, past  (parameters,)
    returns  g − min(g·past, 0) / ‖past‖² · past, which is g to the bit if the two do not oppose
             each other; and g·past / ‖g‖‖past‖ before and after, both beside the ‖g‖ of before
    """
    import torch

    # a product of a million float32 is no number to call zero
    wide, reference = g.double(), past.double()
    product, square = wide @ reference, reference @ reference
    opposed = product < 0  # and then square > 0
    step = torch.where(opposed, product / square, torch.zeros_like(product))
    projected = torch.where(opposed, (wide - step * reference).to(g.dtype), g)
    length = (square.sqrt() * torch.linalg.vector_norm(wide)).clamp_min(1e-300)
    return projected, torch.stack([product, projected.double() @ reference]) / length


def _vector(parts: Sequence[Tensor]) -> Tensor:
    import torch

    return torch.cat([part.flatten() for part in parts])


METHOD = AGem
EXAMPLE = Config(capacity=8, share=0.5)  # runs in the conformance tests
OFF = Config(capacity=8, share=0.0)
