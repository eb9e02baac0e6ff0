"""What the laws are held against: a tiny base, one method, and all that was seen of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from typing import NamedTuple

import torch
from safetensors.torch import load, save

from classay import registry
from classay.adapters import Adapters
from classay.base import Base, locate
from classay.method import Cost, Group, Method, Phase
from classay.records import InvariantRow, StepRow, TraceRow
from classay.seeding import Seeds
from classay.suite import AdapterSpec, BaseSpec, Training
from classay.trainer import PhaseTraining

SETTINGS = Training(tokens_per_domain=128, batch=2, learning_rate=0.02, warmup_steps=1)
DOMAINS = ("river", "oven", "clock")
STEPS = 4
STOPPED = 2  # steps of a phase, after which a checkpoint is taken


def examples() -> list[str]:
    """Every method, and every further setting that its module wants held to the laws."""
    modules = {name: registry.load("method", name) for name in registry.names("method")}
    variants = [f"{name}.{v}" for name, m in modules.items() for v in getattr(m, "VARIANTS", {})]
    return [*modules, *variants]


@cache  # every look-up reads what all installed packages provide
def example(name: str):
    """The module and the settings behind a name of ``examples``, or behind ``<method>.OFF``."""
    method, _, variant = name.partition(".")
    module = registry.load("method", method)
    if variant == "OFF":
        return module, module.OFF
    return module, module.VARIANTS[variant] if variant else module.EXAMPLE


def moves_base(name: str) -> bool:
    return example(name)[0].METHOD.moves_base


class Bench:
    """A tiny base with one method on it."""

    def __init__(self, folder, name: str | None, seed: int = 0, dtype: str = "fp32") -> None:
        exact = dtype == "fp64"
        self.base = Base(locate(BaseSpec(path=str(folder))), "fp32" if exact else dtype, "cpu")
        if exact:
            self.base.model.double()
        self.seeds = Seeds(seed)
        self.adapters = Adapters(self.base.model, AdapterSpec(rank=2, alpha=4), self.seeds)
        if name is None:
            self.method = Method(self.adapters, None, self.seeds)
        else:
            module, config = example(name)
            self.method = module.METHOD(self.adapters, config, self.seeds)

    def learn(self, phases: int = len(DOMAINS)) -> Bench:
        """Learn the first domains of the stream."""
        for index in range(phases):
            self.learn_one(offered(index))
        return self

    def learn_one(self, phase: Phase) -> None:
        """Learn one domain."""
        self.method.begin_phase(phase)
        training = PhaseTraining(self.method, phase, SETTINGS, self.seeds)
        while training.step < training.steps:
            training.advance()
        self.method.end_phase(phase)


def offered(index: int) -> Phase:
    generator = torch.Generator().manual_seed(100 + index)
    ids = torch.randint(2, 300, (STEPS, 2, 16), generator=generator)
    return Phase(index, DOMAINS[index], tuple({"input_ids": b, "labels": b} for b in ids))


def weights(bench: Bench) -> dict[str, torch.Tensor]:
    return {key: t.clone() for key, t in bench.method.state().tensors.items()}


def packed(tensors: dict[str, torch.Tensor]) -> bytes:
    return save({key: t.contiguous() for key, t in tensors.items()})


def unpacked(file: bytes) -> dict[str, torch.Tensor]:
    """Not in the order in which they were written: a file does not keep it."""
    return {key: t.clone() for key, t in sorted(load(file).items(), reverse=True)}


def answers(bench: Bench, domain: str) -> torch.Tensor:
    bench.base.model.eval()
    with bench.method.answering(domain), torch.inference_mode():
        ids = offered(0).batches[0]["input_ids"]
        return bench.base.model(input_ids=ids, use_cache=False).logits


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def ids_of(phase: Phase) -> list[torch.Tensor]:
    return [batch["input_ids"] for batch in phase.batches]


def grams(tensors: Iterable[torch.Tensor]) -> set[tuple[int, ...]]:
    """Every four integers that stand in a row: text, and neither a counter nor a place."""
    whole = [t.flatten() for t in tensors if not t.is_floating_point() and t.numel() >= 4]
    return {tuple(four) for t in whole for four in t.unfold(0, 4, 1).tolist()}


class Account(NamedTuple):
    """What was to be seen of one phase."""

    # before its first step
    names: list[str]  # of all adapters
    fresh: dict[str, torch.Tensor] | None  # the adapter in training
    answering: set[tuple[str | None, tuple[str, ...]]]  # of known and unknown domains
    curriculum: Sequence[Mapping[str, torch.Tensor]]
    groups: Sequence[Group]
    parameters: list[torch.nn.Parameter]
    shared: list[torch.nn.Parameter]  # those of the adapter of that name
    # while it learned
    rows: list[StepRow | InvariantRow | TraceRow]
    checkpoint: bytes
    about: str  # goes into a checkpoint as plain JSON
    later: dict[int, tuple[bytes, str]]  # by step: within every further stretch of the phase
    trained: dict[str, torch.Tensor] | None  # the adapter in training, not yet consolidated
    # afterwards
    traces: list[TraceRow]
    active: str | None
    kept: bytes
    cost: Cost
    trainable: int
    mechanisms: tuple[str, ...]
    base: str  # its digest before any question, and after them
    asked: str
    answers: list[torch.Tensor]  # to a question about every domain, and about none
    bare: torch.Tensor  # about the first domain, with every mechanism off

    @property
    def steps(self) -> list[StepRow]:
        return [row for row in self.rows if isinstance(row, StepRow)]

    def raw(self, adapter: str | None) -> dict[str, bytes]:
        """An adapter's bytes at the end of the phase."""
        return raw(self.kept, f"adapter/{adapter}/")


def raw(file: bytes, prefix: str) -> dict[str, bytes]:
    tensors = load(file).items()
    return {k.removeprefix(prefix): t.numpy().tobytes() for k, t in tensors if k.startswith(prefix)}


class Life:
    """One method learning the whole stream, watched more closely than any run watches it."""

    def __init__(self, learned: Bench) -> None:
        self.learned, self.base = learned, learned.base.digest()
        self.phases = [self._account(offered(index)) for index in range(len(DOMAINS))]

    def _account(self, phase: Phase) -> Account:
        method, adapters, base = self.learned.method, self.learned.adapters, self.learned.base
        method.begin_phase(phase)
        names, fresh, answering = list(adapters.names), self._in_training(), set()
        training = PhaseTraining(method, phase, SETTINGS, self.learned.seeds)
        for domain in (*DOMAINS, "unheard_of", None):
            with method.answering(domain):
                answering.add((adapters.active, adapters.beside))
        parameters = list(method.parameters())
        shared = [p for _, p in adapters.named("shared")] if "shared" in names else []
        rows, taken = [], {}
        stops = {min(start + STOPPED, training.steps) for start in training.starts}
        while training.step < training.steps or training.step in stops - taken.keys():
            if training.step in stops:
                tensors, about = method.state()
                file = packed({**tensors, **training.state()})
                taken[training.step] = file, json.dumps(about)
            if training.step < training.steps:
                rows += training.advance()
        (checkpoint, about) = taken.pop(min(taken))
        trained = self._in_training()
        method.end_phase(phase)
        digest = base.digest()
        answered = [answers(self.learned, domain) for domain in (*DOMAINS, None)]
        with ExitStack() as off:
            for state in method.ablations().values():
                off.enter_context(state)
            bare = answers(self.learned, DOMAINS[0])
        return Account(
            names=names,
            fresh=fresh,
            answering=answering,
            curriculum=training.batches,
            groups=training.groups,
            parameters=parameters,
            shared=shared,
            rows=rows,
            checkpoint=checkpoint,
            about=about,
            later=taken,
            trained=trained,
            traces=training.trace(training.step, ended=True),
            active=adapters.active,
            kept=packed(method.state().tensors),
            cost=method.cost(),
            trainable=sum(p.numel() for p in method.parameters()),
            mechanisms=tuple(method.ablations()),
            base=digest,
            asked=base.digest(),
            answers=answered,
            bare=bare,
        )

    def _in_training(self) -> dict[str, torch.Tensor] | None:
        adapters = self.learned.adapters
        if adapters.active is None:
            return None
        return {key: t.clone() for key, t in adapters.tensors(adapters.active).items()}
