"""When the structure trains, which state of it answers, and which adapter answers with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from classay.adapters import Adapters
from classay.method import Cost, Group, Method, Phase, State, Trace
from classay.methods.crma.group import Grouped
from classay.methods.crma.invariants import trace
from classay.methods.crma.mhc import Wrapped
from classay.methods.crma.presets import Config
from classay.methods.crma.rank import Ranked
from classay.methods.crma.stream import Stream
from classay.seeding import Seeds

if TYPE_CHECKING:
    from torch import Tensor, nn

    from classay.method import Batch, Terms


PLACEMENTS = {"stream": Stream, "group": Grouped, "rank": Ranked, "mhc": Wrapped}


class Crma(Method):
    """FROZEN's adapters on a base with a structure; ``config.policy`` says what becomes of it."""

    stackable = False  # the structure answers with it
    config: Config

    def __init__(self, adapters: Adapters, config: Config, seeds: Seeds) -> None:
        super().__init__(adapters, config, seeds)
        self.needs_domain = self.needs_domain_with(config)
        self.structure = PLACEMENTS[config.placement](adapters, config, seeds)
        self.kept: dict[str, dict[str, Tensor]] = {}  # domain -> the structure it was learned with
        self._anchor: Tensor | None = None  # θ*

    @classmethod
    def needs_domain_with(cls, config: Config) -> bool:
        return config.policy != "single"

    @classmethod
    def mechanisms(cls, config: Config) -> Sequence[str]:
        return ("crma",)

    def begin_phase(self, phase: Phase) -> None:
        if self.needs_domain or phase.index == 0:
            self.adapters.fresh(self._adapter(phase.domain), phase.index)
            self.structure.attach(self.adapters)
        self._begin(self.config.policy != "freeze_after_first" or phase.index == 0)

    def parameters(self) -> Iterator[nn.Parameter]:
        return (parameter for group in self.parameter_groups() for parameter in group.parameters)

    def parameter_groups(self) -> Sequence[Group]:
        return [Group("lora", list(self.adapters.parameters())), *self.structure.groups()]

    def loss(self, batch: Batch) -> Terms:
        terms = super().loss(batch)
        if self._anchor is not None and self.config.anchor is not None:
            moved = self._trained() - self._anchor
            terms["anchor"] = self.config.anchor / 2 * (moved**2).sum()
        return terms

    def after_step(self) -> None:
        self.structure.project()

    def end_phase(self, phase: Phase) -> None:
        if self.config.policy == "snapshot":
            self.kept[phase.domain] = {k: t.detach().clone() for k, t in self.structure.own.items()}
        elif self.config.policy == "anchored":
            self._anchor = self._trained().detach()

    @contextmanager
    def answering(self, domain: str | None) -> Iterator[None]:
        name = self._adapter(domain) if domain or not self.needs_domain else None
        adapter = self.adapters.answering(name if name in self.adapters.names else None)
        with adapter, self.structure.under(self.kept.get(domain or "")):
            yield

    def trace(self, ended: bool) -> Trace:
        return trace(self.structure, ended)

    def ablations(self) -> Mapping[str, AbstractContextManager[object]]:
        return {"crma": self.structure.bypassed()}

    def cost(self) -> Cost:
        finished = [name for name in self.adapters.names if name != self.adapters.active]
        kept: list[Tensor] = [t for n in finished for t in self.adapters.tensors(n).values()]
        for structure in (self.structure.own, *self.kept.values()):
            kept += structure.values()
        kept += [] if self._anchor is None else [self._anchor]
        return Cost(super().cost().trainable, sum(t.nbytes for t in kept), 0)

    def state(self) -> State:
        tensors, about = super().state()
        latest = {f"structure/latest/{k}": t.detach() for k, t in self.structure.own.items()}
        kept = {
            f"structure/{_name(domain)}/{key}": tensor
            for domain, own in self.kept.items()
            for key, tensor in own.items()
        }
        memory = {} if self._anchor is None else {"memory/anchor": self._anchor}
        learning = bool(self.structure.groups())
        return State(
            {**tensors, **latest, **kept, **memory}, {**about, "structure trains": learning}
        )

    def restore(self, state: State) -> None:
        import torch

        super().restore(state)
        self.structure.attach(self.adapters)
        self.kept, self._anchor = {}, state.tensors.get("memory/anchor")
        for place, tensor in state.tensors.items():
            kind, *path = place.split("/")
            if kind == "structure" and path[0] == "latest":
                with torch.no_grad():
                    self.structure.own[path[1]].copy_(tensor)
            elif kind == "structure":
                self.kept.setdefault(path[0].removeprefix("domain_"), {})[path[1]] = tensor
        self._begin(state.about["structure trains"])

    def _begin(self, learning: bool) -> None:
        self.structure.on = True
        self.structure.learn(learning)

    def _trained(self) -> Tensor:
        """θ, the numbers of the structure that train, as one vector."""
        import torch

        members = (p for group in self.structure.groups() for p in group.parameters)
        return torch.cat([parameter.flatten() for parameter in members])

    def _adapter(self, domain: str | None) -> str:
        return _name(str(domain)) if self.needs_domain else "shared"


def _name(domain: str) -> str:
    # PEFT refuses names that occur inside its own, such as "lora"
    return f"domain_{domain}"
