"""LoRAHub: an adapter a domain, and one weighted sum of their matrices that answers everything.

::

    Â = Σ_i w_i A_i,   B̂ = Σ_i w_i B_i,   ΔŴ = (α/r) B̂ Â = (α/r) Σ_i Σ_j w_i w_j B_i A_j

    min_w  L(w) + (c/t) Σ_i |w_i|         w ∈ [−1.5, 1.5]ᵗ,  c = 0.05,  without a gradient

The terms B_i A_j with i ≠ j belong to it: two adapters that were trained apart are multiplied.

source      Huang et al. 2023 (arXiv:2307.13269), the sections Compose and Adapt; sail-sg/lorahub at
            commit df73afe for c, the bounds and the start at 0
departures  SciPy's differential evolution (best1bin, population 8) in place of Nevergrad's NGOpt,
            which is one more library; w = 0 is one member of its first population and the others
            are uniform in the bounds. L is the mean over batches, weighted by their rows, where the
            code divides the sum of batch means by the number of examples. The hub holds the
            adapters of this stream's own domains, not of many other tasks
choices     from the second domain on, w is searched from nothing at the end of every phase: one
            adapter alone is left as it is and answers. What is composed is an adapter itself, and
            plain PEFT loads it. The number of evaluations is fixed: no tolerance ends the search.
            These forward passes are charged in seconds, not in tokens. ``no_memory`` evaluates
            rows of the current domain alone, ``memory`` as many of every domain
ablation    ``composition``: the domain's own adapter answers, which is FROZEN's answer
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from classay.method import Method, Phase, State
from classay.methods._composing import Composing
from classay.methods._rows import Variant

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

COMPOSED = "composed"
BOUND, POPULATION = 1.5, 8
SPARSITY = 0.05  # c


@dataclass(frozen=True, kw_only=True)
class Config:
    """What w is fitted on, and for how long it is searched."""

    variant: Variant
    examples: Annotated[int, Field(gt=0)]  # rows of one domain
    evaluations: Annotated[int, Field(ge=0)]  # of all those rows; 0: nothing is composed

    def __post_init__(self) -> None:
        if self.evaluations % POPULATION:
            raise ValueError(
                f"evaluations is {self.evaluations}; a multiple of the population of {POPULATION} "
                f"was needed, or 0 for no composition: take {self.evaluations // POPULATION + 1} "
                f"times {POPULATION}"
            )


class LoRAHub(Composing):
    """No router: the composed adapter answers every question."""

    weights: tuple[float, ...] = ()  # w, in the order of learning

    @classmethod
    def composes(cls, config: Config) -> bool:
        return config.evaluations > 0

    @property
    def fitted(self) -> bool:
        return COMPOSED in self.adapters.names

    def composed(self) -> AbstractContextManager[object]:
        return self.adapters.answering(COMPOSED)

    def end_phase(self, phase: Phase) -> None:
        if self.several:
            self._search(phase)
            self.adapters.use(COMPOSED)
        super().end_phase(phase)

    def state(self) -> State:
        tensors, about = super().state()
        return State(tensors, {**about, "weights": list(self.weights)})

    def restore(self, state: State) -> None:
        super().restore(state)
        self.weights = tuple(state.about["weights"])

    def _search(self, phase: Phase) -> None:
        import torch
        from scipy.optimize import differential_evolution

        size = len(phase.batches[0]["labels"])
        chunks = {key: table.split(size) for key, table in self.rows.all(phase).items()}
        batches = [
            dict(zip(chunks, pair, strict=True)) for pair in zip(*chunks.values(), strict=True)
        ]
        rows = [len(batch["labels"]) for batch in batches]
        shapes, table = self._table()

        def objective(w: NDArray[np.float64]) -> float:
            self._compose(w, shapes, table)
            with self.composed():
                losses = [float(Method.loss(self, batch)["lm"]) for batch in batches]
            return float(np.average(losses, weights=rows)) + SPARSITY * float(np.abs(w).mean())

        generator = self.seeds.generator("lorahub", phase.index)
        count = len(self.learned)
        first = generator.uniform(-BOUND, BOUND, (POPULATION, count))
        first[0] = 0.0
        with torch.no_grad():
            found = differential_evolution(
                objective,
                [(-BOUND, BOUND)] * count,
                init=first,
                maxiter=self.config.evaluations // POPULATION - 1,
                tol=0.0,
                polish=False,
                seed=generator,
            )
            self._compose(found.x, shapes, table)
        self.weights = tuple(map(float, found.x))

    def _table(self) -> tuple[dict[str, tuple[int, ...]], Tensor]:
        """Every tensor's shape, and every adapter as one row: (adapters, numbers)."""
        import torch

        adapters = [self.adapters.tensors(name) for name in self.learned]
        flat = [torch.cat([t.flatten() for t in own.values()]) for own in adapters]
        return {key: tuple(t.shape) for key, t in adapters[0].items()}, torch.stack(flat)

    def _compose(
        self, w: NDArray[np.float64], shapes: dict[str, tuple[int, ...]], table: Tensor
    ) -> None:
        import torch

        # Â and B̂ are both linear in w: one product for all of them
        summed = torch.from_numpy(w).to(table) @ table
        parts = summed.split([int(np.prod(shape)) for shape in shapes.values()])
        tensors = {k: part.view(shapes[k]) for k, part in zip(shapes, parts, strict=True)}
        self.adapters.load(COMPOSED, tensors)


METHOD = LoRAHub
EXAMPLE = Config(variant="no_memory", examples=4, evaluations=16)  # runs in the conformance tests
VARIANTS = {"memory": Config(variant="memory", examples=4, evaluations=16)}
OFF = Config(variant="no_memory", examples=4, evaluations=0)
PARENT = "frozen"
