"""GPM: what is learned moves no weight along the inputs that earlier domains sent through it.

::

    after domain t      M ← [M, U_k],   least k with ‖M Mᵀ X‖²_F + Σ_{j ≤ k} σ_j² ≥ ε_t ‖X‖²_F
                        σ and U of (I − M Mᵀ) X,   ε_t = min(1, threshold + rise · t)
    gradient            g ← g − g M Mᵀ                 then clipping, AdamW and its weight decay
    update              ΔW ← ΔW − ΔW M Mᵀ              ΔW: all that the optimizer's step changed

for a weight W (out, in) with the inputs X (in, tokens) of domain t. lora_A and lora_B are two such
weights: M of lora_A lies in the module's inputs, M of lora_B in the rank-dimensional output of
lora_A.

source      Saha et al. 2021 (arXiv:2103.09762) §5: its criterion for the first task (eq. 5) and
            with what is in M already (eqs. 8 and 9), numbered as in sahagobinda/GPM at commit
            dc5ba5c; ``gradient`` is the paper's, whose optimizer is SGD
departures  W are the adapter's weights, because the base is frozen; the released code keeps one
            direction less than eq. 5 asks for after the first task, here it is one criterion for
            all. AdamW divides every entry of a gradient by a size of its own and adds weight decay,
            so what ``gradient`` projects comes out with a part along M again, which is traced;
            ``update`` is ours, after the step, and then nothing moves along M.
choices     ``gradient`` leaves W as AdamW does, ``update`` leaves g as it is: a step is projected
            once, and with ``update`` the clipped norm is that of all of g
            where M spans everything, as that of lora_B does once it has rank columns, nothing is
            left: the projected part is 0 exactly, because AdamW would make a step of its rounding
            M in float32, modules of one shape together, each padded with zeros to the widest; its
            columns are another basis of the same span after every domain
            the passes over ``examples`` rows a domain are charged in seconds, not in tokens
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from classay.method import Cost, Method, Phase, State, Trace
from classay.methods import _activations as inputs
from classay.methods import _subspaces as subspaces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor, nn

    from classay.adapters import Adapters
    from classay.seeding import Seeds

ROUNDING = 1e-5  # promised of float32: columns of length 1, and weights of size 1 or so
MAPS = ("lora_A", "lora_B")
FULL = "rank of M / inputs"
ALONG = "step along M, max |ΔW M|"
ORTHONORMAL = "MᵀM, max |Δ| from I"
MEMORY = "memory/basis/"


@dataclass(frozen=True, kw_only=True)
class Config(subspaces.Criterion):
    """What is projected, and how much of the inputs is kept free of it."""

    variant: Literal["gradient", "update"]


class GPM(Method):
    """One shared adapter, and for each of its weights a basis of what it must not move along."""

    plain_first_phase = True

    def __init__(self, adapters: Adapters, config: Any, seeds: Seeds) -> None:
        super().__init__(adapters, config, seeds)
        self._bases: dict[str, Tensor] = {}  # shape of W -> M, (weights, in, columns)
        self._before: dict[str, Tensor] = {}  # shape of W -> W as the step found it

    def begin_phase(self, phase: Phase) -> None:
        inputs.require(phase, self.config.examples, "gpm")
        super().begin_phase(phase)

    def edit_gradients(self) -> None:
        import torch

        for shape, _, weights, m in self._groups():
            self._before[shape] = torch.stack([weight.detach() for weight in weights])
            if self.config.variant == "gradient":
                gradients = [weight.grad for weight in weights]
                g = torch.stack(gradients)
                left = torch.where(_full(m), 0.0, g - g @ m @ m.mT)
                torch._foreach_copy_(gradients, list(left))

    def after_step(self) -> None:
        import torch

        for shape, _, weights, m in self._groups() if self.config.variant == "update" else ():
            before, after = self._before[shape], torch.stack([w.detach() for w in weights])
            after = torch.where(_full(m), before, after - (after - before) @ m @ m.mT)
            with torch.no_grad():
                torch._foreach_copy_(weights, list(after))

    def end_phase(self, phase: Phase) -> None:
        import torch

        config, threshold = self.config, self.config.of(phase)
        moments = inputs.second_moments(self.adapters, phase, config.examples, self.seeds)
        for shape, keys in inputs.by_shape(dict(self.adapters.named(self.adapters.active))).items():
            g = inputs.stacked(moments, keys)
            held = torch.zeros_like(g)
            if shape in self._bases:
                held = subspaces.projector(self._bases[shape])
            shares, u = subspaces.directions(g, torch.eye(g.shape[-1]).to(g) - held)
            new = subspaces.spanned(u, subspaces.needed(shares, threshold))
            if (m := subspaces.basis(held + new)).any():
                self._bases[shape] = m
        self._before = {}

    def _moved(self, shape: str, weights: Sequence[Tensor], m: Tensor) -> Tensor:
        """max |ΔW M| of the last step, (weights,)."""
        import torch

        now = torch.stack([weight.detach() for weight in weights])
        return subspaces.largest((now - self._before[shape]) @ m)

    def trace(self, ended: bool) -> Trace | None:
        """How full every basis is, and what the last step moved along it.

        ended  M is that of the next phase: its orthonormality, and nothing of the last step

        Along M is measured on the weights that the step has left: in a stack, after what the
        components behind this one did to them.
        """
        import torch

        if not self._bases:
            return None
        names = (FULL, ORTHONORMAL if ended else ALONG)
        measured = inputs.read(
            (keys, torch.stack([subspaces.columns(m) / m.shape[1], last], dim=1))
            for shape, keys, weights, m in self._groups()
            for last in [subspaces.off(m) if ended else self._moved(shape, weights, m)]
        )
        named = [key for key, _ in self.adapters.named(self.adapters.active)]
        values = {
            f"{part}: {name}": [measured.get(key, (0.0, 0.0))[i] for key in named if part in key]
            for part in MAPS
            for i, name in enumerate(names)
        }
        kept = {ORTHONORMAL} if self.config.variant == "gradient" else {ORTHONORMAL, ALONG}
        promised = {name: (0.0, ROUNDING) for name in values if name.split(": ")[1] in kept}
        return Trace(tuple(inputs.layer(key) for key in named if MAPS[0] in key), values, promised)

    def cost(self) -> Cost:
        return Cost(super().cost().trainable, sum(m.nbytes for m in self._bases.values()), 0)

    def state(self) -> State:
        tensors, about = super().state()
        return State({**tensors, **{f"{MEMORY}{s}": m for s, m in self._bases.items()}}, about)

    def restore(self, state: State) -> None:
        super().restore(state)
        self._bases = {
            key.removeprefix(MEMORY): tensor
            for key, tensor in state.tensors.items()
            if key.startswith(MEMORY)
        }

    def _groups(self) -> Iterator[tuple[str, list[str], list[nn.Parameter], Tensor]]:
        """Weights of one shape: the shape, their names, they themselves, and their bases."""
        if self._bases:
            named = dict(self.adapters.named(self.adapters.active))
            for shape, keys in inputs.by_shape(named).items():
                if shape in self._bases:
                    yield shape, keys, [named[key] for key in keys], self._bases[shape]


def _full(m: Tensor) -> Tensor:
    """Whether a basis spans everything, (weights, 1, 1)."""
    return (subspaces.columns(m) == m.shape[1])[:, None, None]


METHOD = GPM
EXAMPLE = Config(variant="update", threshold=0.9, examples=6)  # runs in the conformance tests
VARIANTS = {"gradient": Config(variant="gradient", threshold=0.8, examples=6, rise=0.05)}
OFF = Config(variant="update", threshold=0.0, examples=6)  # nothing is kept: PARENT to the byte
PARENT = "naive_lora"
