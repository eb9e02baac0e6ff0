"""Spectral regularisation: the largest singular value of every matrix is pulled to a constant.

::

    factors      L + λ Σ_{M ∈ {A_l, B_l}} (σ₁(M)ᵏ − 1)²
    effective    L + λ Σ_l ((σ₁(W_l) / σ₁(W0_l))ᵏ − 1)²         W_l = W0_l + (α/r) B_l A_l

``factors`` is the paper's term on what an adapter trains. B begins at 0 and is drawn to norm 1, so
that updates grow. ``effective`` is 0 at the start and holds the norm that the base has.

source      Lewandowski et al. 2024 (arXiv:2406.06811), where the regulariser is defined; it is
            meant to keep a network able to learn, not to keep what it has learned
departures  the base is frozen, so norms are those of the adapter, or of the adapted matrix over the
            base's own; an adapter has no bias, so no (‖b‖ᵏ)² is left; ``factors`` takes exact
            singular values from the r × r Gram matrix, where the paper iterates
choices     in every phase, the first as well. σ₁ = 0 has no derivative; the term's gradient there
            is 0, its limit for k ≥ 2, and a smaller k is refused. ``effective`` iterates on the
            base first and then once a step, one matrix at a time, because a product of several
            would copy the base; the term is one product a shape, its singular vectors held fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field

from classay.method import Cost, Method, Phase, State
from classay.quantisation import dense

if TYPE_CHECKING:
    from torch import Tensor

    from classay.method import Batch, Terms

    Triple = tuple[Tensor, Tensor, Tensor]

ON_THE_BASE = 200  # power iterations before the first step


@dataclass(frozen=True, kw_only=True)
class Config:
    """Whose norms, and how strongly."""

    variant: Literal["factors", "effective"]
    strength: Annotated[float, Field(ge=0)]  # λ
    exponent: Annotated[float, Field(ge=2)] = 2.0  # k


class Leading(NamedTuple):
    """The leading singular vectors of all matrices of one shape, as far as they are known."""

    left: Tensor  # u: (modules, out)
    right: Tensor  # v: (modules, in)
    base: Tensor  # uᵀ W0 v: (modules,)
    norm: Tensor  # σ₁(W0): (modules,)


class SpectralRegularization(Method):
    """One shared adapter, whose norms are held."""

    _leading: tuple[Leading, ...] = ()  # one a shape, in the order of ``_modules``

    def begin_phase(self, phase: Phase) -> None:
        import torch

        super().begin_phase(phase)
        if phase.index == 0 and self.config.variant == "effective":
            for (out, width), modules in self._modules().items():
                draw = self.seeds.generator("spectral", out, width).standard_normal
                drawn = torch.from_numpy(draw((len(modules), width))).to(next(self.parameters()))
                left, right, norm = self._iterated(modules, drawn, ON_THE_BASE)
                self._leading += (Leading(left, right, norm, norm.clone()),)

    def loss(self, batch: Batch) -> Terms:
        import torch

        terms = self._effective() if self._leading else self._factors()
        return {**super().loss(batch), "spectral": self.config.strength * torch.stack(terms).sum()}

    def after_step(self) -> None:
        self._leading = tuple(
            Leading(*self._iterated(modules, pairs.right, 1), pairs.norm)
            for modules, pairs in zip(self._modules().values(), self._leading, strict=False)
        )

    def cost(self) -> Cost:
        kept = sum(tensor.nbytes for pairs in self._leading for tensor in pairs)
        return Cost(super().cost().trainable, kept, 0)

    def state(self) -> State:
        tensors, about = super().state()
        for shape, pairs in enumerate(self._leading):
            tensors |= {f"memory/{key}/{shape}": t for key, t in pairs._asdict().items()}
        return State(tensors, about)

    def restore(self, state: State) -> None:
        super().restore(state)
        shapes = sum(key.startswith("memory/left/") for key in state.tensors)
        self._leading = tuple(
            Leading(*(state.tensors[f"memory/{key}/{shape}"] for key in Leading._fields))
            for shape in range(shapes)
        )

    def _factors(self) -> list[Tensor]:
        import torch

        by_shape: dict[tuple[int, ...], list[Tensor]] = {}
        for matrix in self.parameters():
            by_shape.setdefault(tuple(matrix.shape), []).append(matrix)
        exponent = self.config.exponent
        return [term(torch.stack(own), None, exponent).sum() for own in by_shape.values()]

    def _effective(self) -> list[Tensor]:
        """With u and v held fixed, uᵀ W v has the derivative of σ₁, which is u vᵀ."""
        import torch

        terms = []
        for modules, pairs in zip(self._modules().values(), self._leading, strict=True):
            down, up = map(torch.stack, zip(*map(self._pair, modules), strict=True))
            moved = pairs.left.unsqueeze(1) @ (up @ (down @ pairs.right.unsqueeze(2)))
            ratio = (pairs.base + moved.flatten()) / pairs.norm
            terms.append((ratio**self.config.exponent - 1).square().sum())
        return terms

    def _modules(self) -> dict[tuple[int, int], list[Any]]:
        """The adapted modules, those of one shape together."""
        by_shape: dict[tuple[int, int], list[Any]] = {}
        for module in self.model.modules():
            if self.adapters.active in getattr(module, "lora_A", ()):
                shape = (module.out_features, module.in_features)
                by_shape.setdefault(shape, []).append(module)
        return by_shape

    def _pair(self, module: Any) -> tuple[Tensor, Tensor]:
        """A and (α/r) B."""
        active = self.adapters.active
        down, up = module.lora_A[active].weight, module.lora_B[active].weight
        return down, module.scaling[active] * up

    def _iterated(self, modules: Sequence[Any], rights: Tensor, count: int) -> Triple:
        """u, v and uᵀ W0 v of the matrices as they are now, by power iteration from these v."""
        import torch
        from torch.nn.functional import normalize

        found = []
        for module, right in zip(modules, rights, strict=True):
            w = dense(module.base_layer.weight).to(right)
            if getattr(module, "fan_in_fan_out", False):  # GPT-2's Conv1D holds (in, out)
                w = w.T
            down, up = (matrix.detach() for matrix in self._pair(module))
            for _ in range(count):
                left = normalize(w @ right + up @ (down @ right), dim=0)
                pulled = w.T @ left
                right = normalize(pulled + down.T @ (up.T @ left), dim=0)
            found.append((left, right, pulled @ right))
        left, right, base = (torch.stack(own) for own in zip(*found, strict=True))
        return left, right, base


def term(weight: Tensor, bias: Tensor | None, exponent: float) -> Tensor:
    """(σ₁(W)ᵏ − 1)² + (‖b‖ᵏ)²: the regulariser of one matrix, or of many of one shape.

    weight   (…, out, in)
    bias     (…, out), or None where there is none
    returns  (…)
    """
    import torch

    gram = weight @ weight.mT if weight.shape[-2] <= weight.shape[-1] else weight.mT @ weight
    # rounding can leave the squared norm of a matrix of zeros below 0
    squared = torch.linalg.eigvalsh(gram)[..., -1].clamp(min=0)
    size = (squared ** (exponent / 2) - 1).square()
    return size if bias is None else size + bias.square().sum(-1) ** exponent


METHOD = SpectralRegularization
EXAMPLE = Config(variant="factors", strength=0.02)  # runs in the conformance tests
VARIANTS = {"effective": Config(variant="effective", strength=1.0)}
OFF = Config(variant="factors", strength=0.0)
