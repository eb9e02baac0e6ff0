"""The stack itself: every hook calls that of each component in turn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from classay import registry
from classay.adapters import Adapters
from classay.errors import ConfigError
from classay.method import Cost, Group, Invariant, Method, Phase, State, Trace
from classay.methods.stack.passes import Passes
from classay.methods.stack.rows import Step, begins, step
from classay.methods.stack.settings import Config, resolved
from classay.seeding import Seeds

if TYPE_CHECKING:
    from classay.method import Batch, Terms


class Stack(Method):
    """One shared adapter under several methods."""

    def __init__(self, adapters: Adapters, config: Config, seeds: Seeds) -> None:
        super().__init__(adapters, config, seeds)
        self._passes = Passes(adapters)
        self.components: dict[str, Method] = {}
        for name, settings in resolved(config).items():
            component = registry.load("method", name).METHOD(adapters, settings, seeds)
            component.model = self._passes
            self.components[name] = component

    @classmethod
    def budgets(cls, config: Config, domains: int) -> float:
        more = [
            registry.load("method", name).METHOD.budgets(settings, domains) - domains
            for name, settings in resolved(config).items()
        ]
        return domains + sum(more)

    @classmethod
    def mechanisms(cls, config: Config) -> Sequence[str]:
        return [
            mechanism
            for name, settings in resolved(config).items()
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

    def parameter_groups(self) -> Sequence[Group]:
        groups = [group for c in self.components.values() for group in c.parameter_groups()]
        rate = math.prod(group.rate for group in groups)
        return [groups[0]._replace(rate=rate, decays=all(group.decays for group in groups))]

    def curriculum(self, phase: Phase) -> Sequence[Batch]:
        steps = [list(c.curriculum(phase)) for c in self.components.values()]
        for name, own in zip(self.components, steps, strict=True):
            if len(own) != len(phase.batches) or not all(map(begins, own, phase.batches)):
                raise ConfigError(
                    f"the component {name!r} of the stack trains on other rows than those that are "
                    f"offered; in a stack they may be followed by others, and not replaced.\n"
                    f"  Run {name} beside the stack."
                )
        return [step(*pair) for pair in zip(phase.batches, zip(*steps, strict=True), strict=True)]

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
        components = list(self.components.values())
        for place, component in enumerate(components):
            its = component.trace(ended)
            own = [its] if isinstance(its, Trace) else its or []
            # what one promises of a step, those behind it may undo: it is measured all the same
            edited = any(map(_edits, components[place + 1 :]))
            found += [trace._replace(promised={}) for trace in own] if edited else own
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


def _edits(component: Method) -> bool:
    """Whether a method has a say in gradients or in what a step left."""
    own = type(component)
    return (own.edit_gradients, own.after_step) != (Method.edit_gradients, Method.after_step)
