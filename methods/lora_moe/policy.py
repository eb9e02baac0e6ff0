"""What is trained on what: experts and router on every domain in turn, with or without a memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from classay.adapters import Adapters
from classay.method import Cost, Group, Method, Phase, State
from classay.methods._memory import require_a_row
from classay.methods._rows import KEYS, Rows
from classay.methods.lora_moe.experts import Experts
from classay.methods.lora_moe.settings import Config
from classay.seeding import Seeds

if TYPE_CHECKING:
    from torch import Tensor, nn

    from classay.method import Batch, Terms

ROUTER = "structure/router/"


class LoRAMoE(Method):
    """Experts and a router, all of them trained on every domain in turn."""

    stackable = False
    _kind = 0  # of the domain that is learned

    def __init__(self, adapters: Adapters, config: Config, seeds: Seeds) -> None:
        super().__init__(adapters, config, seeds)
        self.experts = Experts(adapters, config, seeds)
        self.rows = Rows(config.variant, config.examples, seeds)

    @classmethod
    def budgets(cls, config: Config, domains: int) -> float:
        return domains + config.share * (domains - 1)

    @classmethod
    def mechanisms(cls, config: Config) -> Sequence[str]:
        return ("mixture",) if config.experts > 1 else ()

    def begin_phase(self, phase: Phase) -> None:
        self.rows.drawn(phase)  # refuses before any work
        require_a_row(phase, self.config.share, "nothing would be replayed")
        self._kind = phase.index % self.config.kinds
        if phase.index == 0:
            self.experts.begin()

    def parameters(self) -> Iterator[nn.Parameter]:
        return (parameter for group in self.parameter_groups() for parameter in group.parameters)

    def parameter_groups(self) -> Sequence[Group]:
        groups = [Group("lora", self.experts.lora())]
        if self.experts.own:
            groups.append(Group("router", list(self.experts.own.values()), decays=False))
        return groups

    def curriculum(self, phase: Phase) -> Sequence[Batch]:
        import torch

        held, size = len(self.rows), len(phase.batches[0]["labels"])
        if not held:
            return phase.batches
        generator = self.seeds.generator("lora_moe", "replay", phase.index)
        batches = []
        for step, batch in enumerate(phase.batches):
            ends = [round((step + ahead) * size * self.config.share) for ahead in (0, 1)]
            count = ends[1] - ends[0]
            drawn = generator.choice(held, count, replace=count > held).tolist()
            own = {**batch, "kinds": self._kinds(len(batch["labels"]))}
            batches.append(
                {key: torch.cat([own[key], rows[drawn]]) for key, rows in self.rows.kept.items()}
            )
        return batches

    def loss(self, batch: Batch) -> Terms:
        routed: list[Tensor] = []
        with self.experts.mixed(routed):
            terms = super().loss({key: batch[key] for key in KEYS})
        if routed and self.config.strength:
            kinds = batch.get("kinds", self._kinds(len(batch["labels"])))
            terms["balance"] = self.config.strength * self.experts.imbalance(routed, kinds)
        return terms

    def end_phase(self, phase: Phase) -> None:
        self.rows.keep(phase, kinds=self._kinds(self.config.examples))

    def answering(self, domain: str | None) -> AbstractContextManager[object]:
        return self.experts.mixed()

    def ablations(self) -> Mapping[str, AbstractContextManager[object]]:
        return {name: self._first_alone() for name in self.mechanisms(self.config)}

    def cost(self) -> Cost:
        own = f"adapter/{self.adapters.active}/"
        kept = [t for key, t in self.state().tensors.items() if not key.startswith(own)]
        return Cost(super().cost().trainable, sum(t.nbytes for t in kept), len(self.rows))

    def state(self) -> State:
        tensors, about = super().state()
        routers = {f"{ROUTER}{key}": p.detach() for key, p in self.experts.own.items()}
        return State({**tensors, **routers, **self.rows.tensors()}, {**about, "kind": self._kind})

    def restore(self, state: State) -> None:
        super().restore(state)
        named = {key: t for key, t in state.tensors.items() if key.startswith(ROUTER)}
        self.experts.take({key.removeprefix(ROUTER): t for key, t in named.items()})
        self.rows.restore(state.tensors)
        self._kind = state.about["kind"]

    @contextmanager
    def _first_alone(self) -> Iterator[None]:
        before, self.experts.alone = self.experts.alone, True
        try:
            yield
        finally:
            self.experts.alone = before

    def _kinds(self, rows: int) -> Tensor:
        """The kind of the domain that is learned, for so many rows."""
        import torch

        return torch.full((rows,), self._kind, device=next(self.model.parameters()).device)
