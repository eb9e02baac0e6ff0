"""InfLoRA: a branch a domain, whose lora_A reads nothing that earlier domains sent through.

::

    before domain t    A_t = c (U_r)ᵀ,   U of P H: the inputs of the new domain, where still free
    domain t           W x + (α/r) Σ_{i ≤ t} B_i A_i x;   B_t alone is trained, from 0 on
    after domain t     M ← [M, U_k],   least k with ‖M Mᵀ H‖²_F + Σ_{j ≤ k} σ_j² ≥ ε_t ‖H‖²_F
                       σ and U of P H,   ε_t = min(1, threshold + rise · t)

    P = I − M Mᵀ = N Nᵀ        M of what is protected, N of what is free: the smaller one is kept

    paper       H = X (in, tokens), the inputs of the module;   c = 1
    released    H = X Xᵀ, so that U and σ² are those of its square;   c = 1/√3;   after the first
                domain one direction less is kept than the criterion asks for, but one at least

All branches answer every question, summed. A step of B_t changes W along the rows of A_t alone,
which lie across M.

source      Liang & Li 2024 (arXiv:2404.00228), its design of B_t (our lora_A) and DualGPM;
            liangyanshuo/InfLoRA for ``released``, update_DualGPM at commit 0d102e9 and cur_matrix
            at 2c77454
departures  the branches sit where the suite puts adapters, in place of the keys and values, and
            with PEFT's factor α/r; ε rises by a constant, because the released schedule divides by
            the number of domains to come; dropout as the suite says, where the code trains in
            evaluation mode; where the inputs have fewer than r directions that are free, the rows
            that are left over are 0, where the code takes what its SVD returns
choices     H is taken from ``examples`` rows of the domain, once before it is learned and once
            after, charged in seconds; the model before has the branches of earlier domains
            which of M and N is kept changes memory only: P is the same
            lora_A depends on the seed through earlier branches, and rows and dropout that are drawn
no OFF      with a threshold of 0 nothing is protected, and what is left, a lora_A made of the
            inputs and frozen, is no other method here
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from classay.method import Cost, Invariant, Phase, State, Trace
from classay.methods import _activations as inputs
from classay.methods import _subspaces as subspaces
from classay.methods._summed import Summed

if TYPE_CHECKING:
    from torch import Tensor, nn

    from classay.adapters import Adapters
    from classay.seeding import Seeds

# What a fresh adapter takes from the inputs of its domain, in place of seed, phase and module.
DESIGNED = "lora_A"
SCALE = {"paper": 1.0, "released": 3**-0.5}
ROUNDING = 1e-5  # promised of float32: rows and columns of length 1 or less
BASIS, DUAL = "memory/basis/", "memory/dual/"
ACROSS = "A_t along M, max |A_t M Mᵀ|"
HELD = "rank of M / inputs"
ORTHONORMAL = "kept basis, max |Δ| from orthonormal"


@dataclass(frozen=True, kw_only=True)
class Config(subspaces.Criterion):
    """Which of the two, and how much of the inputs is protected."""

    variant: Literal["paper", "released"]


class InfLoRA(Summed):
    """One adapter a domain, half of it designed; no router, because all of them answer."""

    def __init__(self, adapters: Adapters, config: Any, seeds: Seeds) -> None:
        super().__init__(adapters, config, seeds)
        # shape of lora_A -> M or N (modules, in, columns), and of which modules it is N (modules,)
        self._memory: dict[str, tuple[Tensor, Tensor]] = {}

    def begin_phase(self, phase: Phase) -> None:
        inputs.require(phase, self.config.examples, "inflora")
        super().begin_phase(phase)
        adapters, name = self.adapters, str(self.adapters.active)
        new = adapters.tensors(name)
        for _, keys, moments, free in self._spaces(phase):
            shares, u = subspaces.directions(moments, free)
            rows = (u * (shares > 0)[:, None, :]).mT[:, : adapters.spec.rank]
            new |= dict(zip(keys, SCALE[self.config.variant] * rows, strict=True))
        adapters.load(name, new)
        self.keep()

    def parameters(self) -> Iterator[nn.Parameter]:
        return (p for key, p in self.adapters.named(self.adapters.active) if "lora_B" in key)

    def end_phase(self, phase: Phase) -> None:

        config, threshold = self.config, self.config.of(phase)
        for shape, _, moments, free in self._spaces(phase):
            shares, u = subspaces.directions(moments, free)
            counts = subspaces.needed(shares, threshold)
            if config.variant == "released" and phase.index == 0:
                counts = (counts - 1).clamp(min=1)
            self._memory[shape] = subspaces.smaller(free - subspaces.spanned(u, counts))

    def invariants(self) -> list[Invariant]:
        import torch

        new = self._designed()
        moved = torch.stack([(new[k].detach() - a).abs().max() for k, a in self._design.items()])
        design = Invariant("A_t, max |Δ|", "all", float(moved.max()), 0.0, 0.0)
        return [design, *super().invariants()]

    def trace(self, ended: bool) -> Trace | None:
        """How much of every module's inputs is protected, and whether A_t reads any of it.

        ended  M is that of the next phase: its orthonormality, and nothing of A_t
        """
        import torch

        if not self._memory:
            return None
        names = (HELD, ORTHONORMAL if ended else ACROSS)
        new = self._designed()
        parts = []
        for shape, keys in inputs.by_shape(self._design).items():
            basis, dual = self._memory[shape]
            a = inputs.stacked(new, keys).detach()
            within = a @ basis @ basis.mT
            along = torch.where(dual[:, None, None], a - within, within)
            last = subspaces.off(basis) if ended else subspaces.largest(along)
            kept = subspaces.columns(basis) / basis.shape[1]
            parts.append((keys, torch.stack([torch.where(dual, 1 - kept, kept), last], dim=1)))
        measured = inputs.read(parts)
        values = {name: [measured[key][i] for key in self._design] for i, name in enumerate(names)}
        return Trace(tuple(map(inputs.layer, self._design)), values, {names[1]: (0.0, ROUNDING)})

    def cost(self) -> Cost:
        past = super().cost()
        kept = sum(tensor.nbytes for pair in self._memory.values() for tensor in pair)
        return past._replace(stored_bytes=past.stored_bytes + kept)

    def state(self) -> State:
        tensors, about = super().state()
        for shape, (basis, dual) in self._memory.items():
            tensors |= {BASIS + shape: basis, DUAL + shape: dual}
        return State(tensors, about)

    def restore(self, state: State) -> None:
        shapes = [k.removeprefix(BASIS) for k in state.tensors if k.startswith(BASIS)]
        self._memory = {s: (state.tensors[BASIS + s], state.tensors[DUAL + s]) for s in shapes}
        super().restore(state)

    def _spaces(self, phase: Phase) -> Iterator[tuple[str, list[str], Tensor, Tensor]]:
        """Modules of one shape of lora_A: the shape, its names, their H Hᵀ and their P."""
        import torch

        moments = inputs.second_moments(
            self.adapters, phase, self.config.examples, self.seeds, DESIGNED
        )
        for shape, keys in inputs.by_shape(self._designed()).items():
            h = inputs.stacked(moments, keys)
            free = torch.eye(h.shape[-1]).to(h).expand_as(h)
            if shape in self._memory:
                free = subspaces.free(*self._memory[shape])
            yield shape, keys, h @ h if self.config.variant == "released" else h, free

    def _designed(self) -> dict[str, nn.Parameter]:
        """Every lora_A of the branch that learns."""
        named = self.adapters.named(self.adapters.active)
        return {key: parameter for key, parameter in named if DESIGNED in key}

    def keep(self) -> None:
        """Freeze A_t, and copy it too, for the invariants."""
        super().keep()
        for parameter in self._designed().values():
            parameter.requires_grad_(False)
        self._design = {key: a.detach().clone() for key, a in self._designed().items()}


METHOD = InfLoRA
EXAMPLE = Config(variant="paper", threshold=0.7, examples=6)  # runs in the conformance tests
# so does this, where fewer directions than the rank are free, and N is kept
VARIANTS = {"released": Config(variant="released", threshold=0.98, examples=6, rise=0.01)}
