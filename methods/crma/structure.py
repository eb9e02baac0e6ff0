"""What the structure is at every place: its numbers, when they train, whether they are applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from classay.adapters import Adapters
from classay.method import Group
from classay.methods.crma.mixing import MIXINGS, Free
from classay.methods.crma.operators import Change, Operators
from classay.methods.crma.presets import PRESETS, Config

if TYPE_CHECKING:
    from torch import Tensor, nn


class Structure:
    """The numbers of every place, those in force among them, and what they amount to.

    config   mixing, control, gate and preset
    n        how many streams are mixed
    """

    def __init__(self, config: Config, n: int) -> None:
        self.config, self.preset, self.n = config, PRESETS[config.preset], n
        self.mixing = (Free if config.control == "free" else MIXINGS[config.mixing])(n)
        self.layers: tuple[str, ...] = ()
        self.own: dict[str, nn.Parameter] = {}
        self.on = False  # until the first phase begins, the base answers alone
        self._in_force: Mapping[str, Tensor] = self.own
        self._ready: Operators | None = None

    def attach(self, adapters: Adapters) -> None:
        """Take hold of the adapters that there are, where the placement is inside them."""

    def learn(self, learning: bool) -> None:
        """Whether the structure trains in this phase."""
        for parameter in self.own.values():
            parameter.requires_grad_(False)
        for group in self._groups() if learning else ():
            for parameter in group.parameters:
                parameter.requires_grad_(True)

    def groups(self) -> list[Group]:
        """What trains in this phase."""
        return [g for g in self._groups() if all(p.requires_grad for p in g.parameters)]

    def project(self) -> None:
        """Put an exact gate back into [0, 1]."""
        import torch

        if self.config.gate == "exact":
            with torch.no_grad():
                self.own["gate"].clamp_(0.0, 1.0)

    @contextmanager
    def under(self, tensors: Mapping[str, Tensor] | None) -> Iterator[None]:
        """Apply another state of the structure; None: the one that is in force."""
        before = self._in_force
        self._in_force = before if tensors is None else tensors
        try:
            yield
        finally:
            self._in_force = before

    @contextmanager
    def bypassed(self) -> Iterator[None]:
        """Let what is mixed pass as it is."""
        before, self.on = self.on, False
        try:
            yield
        finally:
            self.on = before

    def operators(self) -> Operators:
        """M and α of the state in force, and Q where there is one."""
        return Operators(self._mixing(), self._gate())

    def shown(self, alpha: Tensor, m: Tensor, ended: bool) -> dict[str, Tensor]:
        """What is traced and promises nothing, one number a place.

        alpha   (L,) float64
        m       (L, matrices, n, n) float64
        ended   the phase is over: what is dear may be measured as well
        """
        import torch

        distance = torch.linalg.matrix_norm(m - torch.eye(self.n), 2).amax(1)
        return {"α": alpha, "‖g − I‖": alpha * distance}

    def _begin(self, model: nn.Module, start: Mapping[str, Tensor]) -> None:
        """Take these numbers, and make the operators before every forward pass."""
        import torch

        device = next(model.parameters()).device
        # copies: what is expanded shares its memory
        self.own.update(
            (name, torch.nn.Parameter(tensor.to(device, torch.float32).clone()))
            for name, tensor in start.items()
        )
        model.register_forward_pre_hook(self._prepare)

    def _mixing_start(self, count: int, c: float = 1.0) -> dict[str, Tensor]:
        start = self.mixing.start(c)
        return {self.mixing.key: start.expand(count, *start.shape)}

    def _gate_start(self, count: int) -> dict[str, Tensor]:
        import torch

        logit = float(torch.logit(torch.tensor(self.preset.alpha, dtype=torch.float64)))
        return {
            "sigmoid": {"gate": torch.full((count,), logit)},
            "exact": {"gate": torch.zeros(count)},
            "open": {},
        }[self.config.gate]

    def _mixing(self) -> Tensor:
        import torch

        now = self._in_force
        numbers = now[self.mixing.key]
        if self.config.control in ("identity", "fixed_permutation"):
            shift = 1 if self.config.control == "fixed_permutation" else 0
            one = torch.eye(self.n, device=numbers.device).roll(shift, 0)
            return one.expand(len(numbers), self.n, self.n)
        if "log_tau" in now:
            numbers = numbers / now["log_tau"].exp()[:, None, None]
        return self.mixing.matrix(numbers)

    def _gate(self) -> Tensor:
        now = self._in_force
        if "gate" not in now:
            return now[self.mixing.key].new_ones(len(self.layers))
        return now["gate"].sigmoid() if self.config.gate == "sigmoid" else now["gate"]

    def _groups(self) -> list[Group]:
        control, members = self.config.control, self._members()
        rates = {"proj": self.preset.projection_rate}
        held = {"identity": tuple(members), "fixed_permutation": ("mix",)}.get(control, ())
        found = {
            name: [self.own[key] for key in keys if key in self.own]
            for name, keys in members.items()
            if name not in held
        }
        return [Group(k, own, rates.get(k, 1.0), decays=False) for k, own in found.items() if own]

    def _members(self) -> dict[str, Sequence[str]]:
        return {"mix": (self.mixing.key, "log_tau"), "gate": ("gate",), "proj": ("v",)}

    def _prepare(self, *_: Any) -> None:
        # once a forward and not once a layer: Sinkhorn is many small steps, and layers share them
        self._ready = self.operators() if self.on else None

    def _after(self, module: nn.Module, place: int, change: Change) -> None:
        """Change the module's output, alone or at the head of a tuple, wherever this is applied."""

        def hook(_: nn.Module, inputs: Any, output: Any) -> Any:
            if self._ready is None:
                return None
            if isinstance(output, tuple):
                return (change(output[0], self._ready, place), *output[1:])
            return change(output, self._ready, place)

        module.register_forward_hook(hook)
