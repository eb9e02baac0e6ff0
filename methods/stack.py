"""Stack: several methods at once on one shared adapter, their hooks chained in the order given.

::

    L(offered and replayed rows) + Σ_c terms_c        c: the components
    g ← edit_C(… edit_1(g)),   then one step,   then after_C(… after_1(θ))

With one component it is that method, byte for byte.

source      the stacks of methods that the CRMA posts compare with; EWC with replay and distillation
            in the appendix of arXiv:2606.00382v1
departures  none from its components, which see what they would see alone: the offered batches, and
            their own random streams under their own names
choices     a component that only adds rows adds them to the batch that all others of its kind see,
            whose language-model loss is the stack's; one that notes more beside its rows is given
            its own batch, and its own lm is dropped. A pass over the same rows is made once and not
            once a component. Costs and rows are added: a share is of the offered rows. A term whose
            name is taken has its method's name put before it. Order matters to projections alone.
            A method with an adapter a domain, or that answers otherwise than with the shared one,
            cannot be a component: what it adds would not be what the others protect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from classay import registry
from classay.adapters import Adapters
from classay.errors import ConfigError
from classay.method import Cost, Invariant, Method, Phase, State, Trace
from classay.methods._passes import Passes
from classay.seeding import Seeds

if TYPE_CHECKING:
    from classay.method import Batch, Terms

TEXT = {"input_ids", "labels"}


@dataclass(frozen=True, kw_only=True)
class Config:
    """The components, in order: each the settings of a method, and its name under ``method``."""

    components: tuple[dict[str, Any], ...]

    def __post_init__(self) -> None:
        names = [component.get("method") for component in self.components]
        if not names or not all(isinstance(name, str) for name in names):
            raise ValueError(
                f"components names the methods {names}; one or more names were needed: give each "
                f"component a key 'method' with its name"
            )
        if doubled := sorted({str(name) for name in names if names.count(name) > 1}):
            raise ValueError(f"components has {doubled} more than once; take all but one out")
        for name in names:
            if not registry.load("method", str(name)).METHOD.shares_adapter:
                raise ValueError(
                    f"components has {name!r}, which does not learn and answer with one adapter "
                    f"shared by all domains, and a stack has nothing else: run it beside the stack"
                )
        _resolved(self)


class Step(dict[str, "Batch"]):
    """One step's rows, and which of them each component is given."""

    def __init__(self, whole: Batch, parts: Sequence[Batch], lead: int) -> None:
        super().__init__(whole)
        self.parts, self.lead = parts, lead  # lead: the component whose lm is the stack's


class Stack(Method):
    """One shared adapter under several methods."""

    def __init__(self, adapters: Adapters, config: Config, seeds: Seeds) -> None:
        super().__init__(adapters, config, seeds)
        self._passes = Passes(adapters)
        self.components: dict[str, Method] = {}
        for name, settings in _resolved(config).items():
            component = registry.load("method", name).METHOD(adapters, settings, seeds)
            component.model = self._passes
            self.components[name] = component

    @classmethod
    def budgets(cls, config: Config, domains: int) -> float:
        more = [
            registry.load("method", name).METHOD.budgets(settings, domains) - domains
            for name, settings in _resolved(config).items()
        ]
        return domains + sum(more)

    @classmethod
    def mechanisms(cls, config: Config) -> Sequence[str]:
        return [
            mechanism
            for name, settings in _resolved(config).items()
            for mechanism in registry.load("method", name).METHOD.mechanisms(settings)
        ]

    def begin_phase(self, phase: Phase) -> None:
        for name, component in self.components.items():
            component.begin_phase(phase)
            if self.adapters.names != ["shared"] or self.adapters.beside:
                raise ConfigError(
                    f"the component {name!r} of the stack left the adapters {self.adapters.names}, "
                    f"and one called 'shared' was needed.\n  Run {name} beside the stack."
                )

    def curriculum(self, phase: Phase) -> Sequence[Batch]:
        steps = [list(c.curriculum(phase)) for c in self.components.values()]
        for name, own in zip(self.components, steps, strict=True):
            if len(own) != len(phase.batches) or not all(map(_begins, own, phase.batches)):
                raise ConfigError(
                    f"the component {name!r} of the stack trains on other rows than those that are "
                    f"offered; in a stack they may be followed by others, and not replaced.\n"
                    f"  Run {name} beside the stack."
                )
        return [_step(*pair) for pair in zip(phase.batches, zip(*steps, strict=True), strict=True)]

    def loss(self, batch: Batch) -> Terms:
        parts, lead = [batch] * len(self.components), 0
        if isinstance(batch, Step):
            parts, lead = list(batch.parts), batch.lead
        with self._passes.once():
            found = [c.loss(p) for c, p in zip(self.components.values(), parts, strict=True)]
        terms = {"lm": found[lead]["lm"]}
        for name, own in zip(self.components, found, strict=True):
            for term in [term for term in own if term != "lm"]:
                terms[term if term not in terms else f"{name} {term}"] = own[term]
        return terms

    def edit_gradients(self) -> None:
        for component in self.components.values():
            component.edit_gradients()

    def after_step(self) -> None:
        for component in self.components.values():
            component.after_step()

    def end_phase(self, phase: Phase) -> None:
        for component in self.components.values():
            component.end_phase(phase)

    def invariants(self) -> list[Invariant]:
        return [kept for component in self.components.values() for kept in component.invariants()]

    def trace(self, ended: bool) -> list[Trace]:
        found: list[Trace] = []
        for component in self.components.values():
            its = component.trace(ended)
            found += [its] if isinstance(its, Trace) else its or []
        return found

    def ablations(self) -> Mapping[str, AbstractContextManager[object]]:
        every: dict[str, AbstractContextManager[object]] = {}
        for component in self.components.values():
            every |= component.ablations()
        return every

    def cost(self) -> Cost:
        kept = [component.cost() for component in self.components.values()]
        stored, examples = (sum(cost[i] for cost in kept) for i in (1, 2))
        return Cost(super().cost().trainable, stored, examples)

    def state(self) -> State:
        tensors, about = super().state()
        for name, component in self.components.items():
            own, said = component.state()
            tensors |= {f"{name}/{k}": t for k, t in own.items() if not k.startswith("adapter/")}
            about[name] = said
        return State(tensors, about)

    def restore(self, state: State) -> None:
        shared = {k: t for k, t in state.tensors.items() if k.startswith("adapter/")}
        for name, component in self.components.items():
            mine = f"{name}/"
            own = {k.removeprefix(mine): t for k, t in state.tensors.items() if k.startswith(mine)}
            component.restore(State(shared | own, state.about[name]))


def _resolved(config: Config) -> dict[str, Any]:
    """Every component's settings, by its method's name."""
    return {
        component["method"]: registry.resolve(f"stack.{component['method']}", component)
        for component in config.components
    }


def _begins(own: Batch, offered: Batch) -> bool:
    import torch

    rows = len(offered["labels"])
    return all(torch.equal(own[key][:rows], offered[key]) for key in sorted(TEXT))


def _step(offered: Batch, own: Sequence[Batch]) -> Step:
    """What is trained on in one step: the offered rows, then those of each component."""
    rows = len(offered["labels"])
    plain = [part for part in own if part.keys() == TEXT]
    common = _together(offered, [part for part in plain if len(part["labels"]) > rows])
    noted = [part for part in own if part.keys() != TEXT and len(part["labels"]) > rows]
    parts = [common if part.keys() == TEXT else part for part in own]
    lead = next((i for i, part in enumerate(own) if part.keys() == TEXT), 0)
    return Step(_together(common, noted, rows), parts, lead)


def _together(first: Batch, more: Sequence[Batch], rows: int | None = None) -> Batch:
    """A batch, and behind it what others have behind their first rows."""
    import torch

    skip = len(first["labels"]) if rows is None else rows
    if not more:
        return first
    return {k: torch.cat([first[k], *(part[k][skip:] for part in more)]) for k in sorted(TEXT)}


METHOD = Stack
_EWC = {"method": "ewc", "strength": 100.0, "examples": 8, "normalisation": "max"}
_REPLAY = {"method": "replay", "capacity": 8, "share": 0.5}
EXAMPLE = Config(components=(_EWC, _REPLAY))  # runs in the conformance tests
VARIANTS = {"one": Config(components=(_EWC,))}  # so does this
OFF = Config(components=({**_EWC, "strength": 0.0}, {**_REPLAY, "share": 0.0}))
