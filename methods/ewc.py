"""EWC: a quadratic a learned domain, or one for all, holds the weights that they were sensitive to.

::

    separate    L(θ) + (λ/2) Σ_k Σ_i F_k,i (θ_i − θ*_k,i)²         over the domains k learned before
    online      L(θ) + (λ/2) Σ_i F̃_t,i (θ_i − θ*_t,i)²,  F̃_t = γ F̃_(t−1) + F_t      t: the last one

    F_k,i = (1/n) Σ_x (∂ℓ(x; θ*_k)/∂θ_i)² / z_k         over n rows x of domain k

ℓ is the loss that is trained on: the mean over the tokens of one packed row. F is a mean of
squares: two rows with opposite gradients add up, they do not cancel. ``fisher`` names other ways to
estimate it, with other labels, and one, ``batched``, in which they do cancel: see ``_fisher``.

source      Kirkpatrick et al. 2017 (arXiv:1612.00796) eq. 3; Schwarz et al. 2018
            (arXiv:1805.06370), "online EWC"; the ways to estimate F as van de Ven 2025
            (arXiv:2502.11756) tells them apart
departures  θ are the adapter's weights, because the base is frozen; a row of packed text stands for
            an example, so documents that share a row share a gradient
choices     one gradient a row, in evaluation mode; the rows are drawn without replacement from the
            phase's own training batches by a stream of their own; z_k is 1, or the greatest or the
            mean F of domain k over all of θ at once, before γ. λ means something only together with
            ``fisher``, ``examples`` and ``normalisation``. The passes over these rows are charged
            in seconds, not in tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from classay.errors import ConfigError
from classay.method import Cost, Method, Phase, State
from classay.methods import _fisher
from classay.packing import IGNORED

if TYPE_CHECKING:
    from torch import Tensor

    from classay.method import Batch, Terms


@dataclass(frozen=True, kw_only=True)
class Config:
    """λ, and everything that its size depends on."""

    strength: Annotated[float, Field(ge=0)]  # λ
    examples: Annotated[int, Field(gt=0)]  # n, rows a domain
    normalisation: Literal["none", "max", "mean"]  # z
    fisher: _fisher.Variant = "empirical"
    form: Literal["separate", "online"] = "separate"
    decay: Annotated[float, Field(ge=0, le=1)] | None = None  # γ, of ``online`` alone

    def __post_init__(self) -> None:
        if (self.decay is None) == (self.form == "online"):
            raise ValueError(
                f"form {self.form!r} with decay {self.decay}; 'online' needs a number, 'separate' "
                f"forgets nothing: give it, or take it out"
            )


class EWC(Method):
    """One shared adapter, tied to where each domain, or the last, left it."""

    plain_first_phase = True
    # F and θ*: (domains, parameters) each, of ``online`` (1, parameters)
    _past: tuple[Tensor, Tensor] | None = None

    def begin_phase(self, phase: Phase) -> None:
        rows, needed = len(_rows(phase)["labels"]), self.config.examples
        if rows < needed:
            raise ConfigError(
                f"domain {phase.domain!r} is offered {rows} rows with a label to learn, and "
                f"methods.ewc.examples asks for {needed}.\n"
                f"  Lower examples, or raise training.tokens_per_domain."
            )
        super().begin_phase(phase)

    def loss(self, batch: Batch) -> Terms:
        terms = super().loss(batch)
        if self._past is not None:
            fisher, anchor = self._past
            moved = self._weights() - anchor
            terms["ewc"] = self.config.strength / 2 * (fisher * moved**2).sum()
        return terms

    def end_phase(self, phase: Phase) -> None:
        import torch

        fisher, anchor = self._fisher(phase).unsqueeze(0), self._weights().detach().unsqueeze(0)
        if self._past is not None:
            if self.config.decay is not None:
                fisher = self.config.decay * self._past[0] + fisher
            else:
                fisher = torch.cat([self._past[0], fisher])
                anchor = torch.cat([self._past[1], anchor])
        self._past = (fisher, anchor)

    def cost(self) -> Cost:
        kept = self._past or ()
        return Cost(super().cost().trainable, sum(tensor.nbytes for tensor in kept), 0)

    def state(self) -> State:
        tensors, about = super().state()
        if self._past is not None:
            tensors |= {"memory/fisher": self._past[0], "memory/anchor": self._past[1]}
        return State(tensors, about)

    def restore(self, state: State) -> None:
        super().restore(state)
        if "memory/fisher" in state.tensors:
            self._past = (state.tensors["memory/fisher"], state.tensors["memory/anchor"])

    def _weights(self) -> Tensor:
        """θ as one vector."""
        import torch

        return torch.cat([parameter.flatten() for parameter in self.parameters()])

    def _fisher(self, phase: Phase) -> Tensor:
        """The diagonal of the Fisher matrix, (parameters,)."""
        import torch

        rows, settings = _rows(phase), self.config
        generator = self.seeds.generator("fisher", phase.index)
        drawn = generator.choice(len(rows["labels"]), settings.examples, replace=False).tolist()
        size = len(phase.batches[0]["labels"]) if settings.fisher == "batched" else 1
        fisher = _fisher.diagonal(
            self.model,
            list(self.parameters()),
            [
                {key: table[drawn[start : start + size]] for key, table in rows.items()}
                for start in range(0, len(drawn), size)
            ],
            settings.fisher,
            self.seeds.generator("fisher labels", phase.index),
        )
        scale = {"none": torch.ones_like, "max": torch.max, "mean": torch.mean}
        divisor = scale[settings.normalisation](fisher)
        # all zero: the loss does not depend on θ, and a quotient would be no number
        return torch.where(divisor > 0, fisher / divisor, fisher)


def _rows(phase: Phase) -> dict[str, Tensor]:
    """The offered rows that hold a label to learn: without one a row has no loss."""
    import torch

    rows = {key: torch.cat([batch[key] for batch in phase.batches]) for key in phase.batches[0]}
    learned = (rows["labels"][:, 1:] != IGNORED).any(dim=1)
    return {key: table[learned] for key, table in rows.items()}


METHOD = EWC
EXAMPLE = Config(strength=100.0, examples=8, normalisation="max")  # runs in the conformance tests
OFF = Config(strength=0.0, examples=8, normalisation="max")  # naive LoRA, byte for byte
VARIANTS = {
    "online": Config(strength=100.0, examples=8, normalisation="max", form="online", decay=0.9),
    "sampled": Config(strength=100.0, examples=4, normalisation="max", fisher="sampled"),
    "batched": Config(strength=100.0, examples=8, normalisation="max", fisher="batched"),
}
