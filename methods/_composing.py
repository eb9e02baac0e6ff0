"""The life of a method that composes: one adapter a domain, frozen once learned, then all of them.

::

    phase 1        the first adapter is learned as plain LoRA does it, and answers alone
    phase t > 1    adapter t is learned alone, as FROZEN learns it; then the composition of 1 … t is
                   fitted while every adapter stands still, and answers every question

A composition is fitted on the same number of rows of each domain: of the current one alone in
``no_memory``, of every domain so far in ``memory``, where these rows are kept and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Literal

from classay.adapters import Adapters
from classay.errors import ConfigError
from classay.method import Cost, Group, Invariant, Method, Phase, State
from classay.methods._mixture import Mixture, Stack
from classay.packing import IGNORED
from classay.seeding import Seeds

if TYPE_CHECKING:
    from torch import Tensor, nn

    from classay.method import Batch, Terms

Variant = Literal["no_memory", "memory"]
KEYS = ("input_ids", "labels")


class Composing(Method):
    """FROZEN's adapters under a composition; a subclass says what that is.

    config   with ``variant`` and ``examples``, the rows of one domain
    """

    plain_first_phase = True
    _memory: Batch | None = None  # (rows, block) each

    def __init__(self, adapters: Adapters, config: Any, seeds: Seeds) -> None:
        super().__init__(adapters, config, seeds)
        self.needs_domain = self.needs_domain_with(config)
        self.learned: list[str] = []  # adapters in the order of learning
        self._bypassed = False

    @classmethod
    def composes(cls, config: Any) -> bool:
        """Whether these settings fit anything; without, what is left is FROZEN."""
        raise NotImplementedError

    def composed(self) -> AbstractContextManager[object]:
        """The state in which the composition answers."""
        raise NotImplementedError

    @classmethod
    def needs_domain_with(cls, config: Any) -> bool:
        return not cls.composes(config)

    @classmethod
    def mechanisms(cls, config: Any) -> Sequence[str]:
        return ("composition",) if cls.composes(config) else ()

    @property
    def several(self) -> bool:
        """Whether there is anything to compose."""
        return len(self.learned) > 1 and self.composes(self.config)

    def begin_phase(self, phase: Phase) -> None:
        if self.composes(self.config):
            found, needed = len(_labelled(phase)["labels"]), self.config.examples
            if found < needed:
                raise ConfigError(
                    f"domain {phase.domain!r} is offered {found} rows with a label to learn, and "
                    f"the composition asks for examples: {needed}.\n"
                    f"  Lower examples, or raise training.tokens_per_domain."
                )
        # copies: the invariant compares the adapters with what they were, not with themselves
        self._kept = self.adapters.copies(self.learned)
        self.adapters.fresh(_name(phase.domain), phase.index)
        self.learned.append(_name(phase.domain))

    def rows(self, phase: Phase) -> Batch:
        """What the composition is fitted on: (rows, block) of each, earlier domains first."""
        import torch

        own = _labelled(phase)
        generator = self.seeds.generator("composition", "rows", phase.index)
        drawn = generator.choice(len(own["labels"]), self.config.examples, replace=False).tolist()
        new = {key: own[key][drawn] for key in KEYS}
        if self._memory is None:
            return new
        return {key: torch.cat([self._memory[key], new[key]]) for key in KEYS}

    def end_phase(self, phase: Phase) -> None:
        if self.config.variant == "memory" and self.composes(self.config):
            self._memory = self.rows(phase)

    def answering(self, domain: str | None) -> AbstractContextManager[object]:
        if self.needs_domain or self._bypassed:
            name = _name(domain) if domain else None
            return self.adapters.answering(name if name in self.learned else None)
        return self.composed() if self.several else super().answering(domain)

    def ablations(self) -> Mapping[str, AbstractContextManager[object]]:
        return {name: self._uncomposed() for name in self.mechanisms(self.config)}

    def invariants(self) -> Sequence[Invariant]:
        if not self._kept:
            return []
        moved = self.adapters.moved(self._kept)
        return [Invariant("finished adapters, max |Δ|", "all", moved, 0.0, 0.0)]

    def cost(self) -> Cost:
        own = f"adapter/{self.adapters.active}/"
        kept = [t for key, t in self.state().tensors.items() if not key.startswith(own)]
        examples = 0 if self._memory is None else len(self._memory["labels"])
        return Cost(super().cost().trainable, sum(t.nbytes for t in kept), examples)

    def state(self) -> State:
        tensors, about = super().state()
        memory = {f"memory/{key}": table for key, table in (self._memory or {}).items()}
        return State({**tensors, **memory}, {**about, "learned": list(self.learned)})

    def restore(self, state: State) -> None:
        super().restore(state)
        self.learned = list(state.about["learned"])
        self._kept = self.adapters.copies(self.learned[:-1])
        memory = {key: state.tensors.get(f"memory/{key}") for key in KEYS}
        self._memory = {k: t for k, t in memory.items() if t is not None} or None

    @contextmanager
    def _uncomposed(self) -> Iterator[None]:
        before, self._bypassed = self._bypassed, True
        try:
            yield
        finally:
            self._bypassed = before


class Trained(Composing):
    """A composition with weights of its own, trained after the adapter in the same phase.

    config   with ``share`` as well, the budget of the composition in budgets of a domain
    """

    name: str  # what its weights are saved under

    def __init__(self, adapters: Adapters, config: Any, seeds: Seeds) -> None:
        super().__init__(adapters, config, seeds)
        self.own: dict[str, nn.Parameter] = {}
        self.mixture = Mixture(adapters)
        self.stacks: list[Stack] = []  # of every module: all adapters, standing still
        self._left = 0  # steps of this phase before the composition is trained

    @classmethod
    def composes(cls, config: Any) -> bool:
        return config.share > 0

    @classmethod
    def budgets(cls, config: Any, domains: int) -> float:
        return domains + config.share * (domains - 1)

    def grow(self) -> dict[str, Tensor]:
        """The composition's weights for all that was learned, from those that there are."""
        raise NotImplementedError

    def penalties(self) -> Terms:
        """Terms of the composition's own."""
        return {}

    def begin_phase(self, phase: Phase) -> None:
        super().begin_phase(phase)
        self._left = len(phase.batches)
        if self.several:
            self.mixture.attach()
            self._own(self.grow())

    def curriculum(self, phase: Phase) -> Sequence[Batch]:
        import torch

        if not self.several:
            return phase.batches
        rows, size = self.rows(phase), len(phase.batches[0]["labels"])
        count = round(self.config.share * sum(len(b["labels"]) for b in phase.batches))
        generator, order = self.seeds.generator("composition", "order", phase.index), list[int]()
        while len(order) < count:
            order += generator.permutation(len(rows["labels"])).tolist()
        places = torch.tensor(order[:count]).split(size)
        return [*phase.batches, *({k: rows[k][place.tolist()] for k in KEYS} for place in places)]

    def restarts(self, phase: Phase) -> Sequence[int]:
        return (len(phase.batches),) if self.several else ()

    def parameters(self) -> Iterator[nn.Parameter]:
        return (parameter for group in self.parameter_groups() for parameter in group.parameters)

    def parameter_groups(self) -> Sequence[Group]:
        groups = [Group("lora", list(self.adapters.parameters()))]
        if self.own:
            groups.append(Group("composition", list(self.own.values()), decays=False))
        return groups

    def loss(self, batch: Batch) -> Terms:
        # a gradient that is None moves nothing: before, the composition, and from then on, the
        # adapter
        if self._left > 0 or not self.several:
            return super().loss(batch)
        with self.composed():
            return {**super().loss(batch), **self.penalties()}

    def after_step(self) -> None:
        self._left -= 1
        if self._left == 0 and self.several:
            self._still()

    def end_phase(self, phase: Phase) -> None:
        super().end_phase(phase)
        self._left = 0

    def state(self) -> State:
        tensors, about = super().state()
        own = {f"structure/{self.name}/{key}": t.detach() for key, t in self.own.items()}
        return State({**tensors, **own}, {**about, "left": self._left})

    def restore(self, state: State) -> None:
        super().restore(state)
        prefix = f"structure/{self.name}/"
        found = {k: t for k, t in state.tensors.items() if k.startswith(prefix)}
        self._own({key.removeprefix(prefix): tensor for key, tensor in found.items()})
        self._left = state.about["left"]
        if self._left <= 0 and self.several:
            self._still()

    def _still(self) -> None:
        """From here to the end of the phase no adapter moves."""
        import torch

        self._kept = self.adapters.copies(self.learned)
        self.mixture.attach()
        with torch.no_grad():
            self.stacks = self.mixture.stacks(self.learned)

    def _own(self, tensors: Mapping[str, Tensor]) -> None:
        import torch

        device = next(self.model.parameters()).device
        self.own = {
            # copies: what is expanded shares its memory
            key: torch.nn.Parameter(tensor.to(device).clone())
            for key, tensor in tensors.items()
        }


def _labelled(phase: Phase) -> Batch:
    """The offered rows that hold a label to learn: without one a row has no loss."""
    import torch

    rows = {key: torch.cat([batch[key] for batch in phase.batches]) for key in KEYS}
    learned = (rows["labels"][:, 1:] != IGNORED).any(dim=1)
    return {key: table[learned] for key, table in rows.items()}


def _name(domain: str) -> str:
    # PEFT refuses names that occur inside its own, such as "lora"
    return f"domain_{domain}"
