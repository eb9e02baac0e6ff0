"""The one interface every continual-learning method implements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from classay.adapters import Adapters
from classay.seeding import Seeds

if TYPE_CHECKING:
    from torch import Tensor, nn

    Batch = Mapping[str, Tensor]  # input_ids, labels: (B, L) int64
    Terms = dict[str, Tensor]  # named scalar loss terms; the trainer minimises their sum


@dataclass(frozen=True, slots=True)
class Phase:
    """What a method may know about the domain it is about to learn: its past, not its future."""

    index: int  # 0 for the first domain of the stream
    domain: str
    batches: tuple[Batch, ...]  # what is offered, in stream order


class Group(NamedTuple):
    """Parameters that the optimizer moves at one rate."""

    name: str  # what their gradient norm is recorded under where they lie in no layer of the base
    parameters: list[nn.Parameter]
    rate: float = 1.0  # times the suite's learning rate
    decays: bool = True  # by the suite's weight decay


class Cost(NamedTuple):
    """What a method keeps between phases, so that methods are compared at equal price."""

    trainable: int  # parameters the optimizer moves in the current phase
    stored_bytes: int  # anything kept for the method's own use: Fisher, old weights, old examples
    stored_examples: int  # training blocks kept; a privacy cost, not only a memory cost


class Invariant(NamedTuple):
    """A number that the method promises to hold, measured now."""

    name: str
    layer: str
    value: float
    promised: float
    tolerance: float


class Trace(NamedTuple):
    """What a mechanism is now, layer by layer."""

    layers: tuple[str, ...]
    values: dict[str, list[float]]  # name -> one number a layer
    promised: dict[str, tuple[float, float]]  # name -> the least and the greatest value allowed


class State(NamedTuple):
    """Everything a new process needs to go on from here."""

    # adapters under "adapter/<name>/<PEFT's name>"; what answers beside them under
    # "structure/<name>/<key>"; everything else is needed for learning only
    tensors: dict[str, Tensor]
    about: dict[str, Any]  # plain JSON


class Method:
    """A way of learning a stream of domains without losing the earlier ones.

    Every hook has a default, and the defaults together are naive sequential LoRA: one adapter, made
    before the first domain, trained on each domain in turn, answering every question.

    For every phase the trainer calls, in this order::

        begin_phase → (loss → backward → edit_gradients → step → after_step)* → end_phase

    A method holds no optimizer, sees no held-out example and writes no record.
    """

    needs_domain: bool = False  # must be told the domain when it answers
    bound: ClassVar[bool] = False  # admitted to a study as a bound, not as a competitor
    # The first phase is plain LoRA on the offered batches, so its training may be done once for all
    # methods that say so. The conformance tests hold a method to it, byte for byte.
    plain_first_phase: ClassVar[bool] = False
    # It trains the base's own weights. They are then what answers: they are saved with its state,
    # and the instrument asks that they moved in every phase and at no other time.
    moves_base: ClassVar[bool] = False
    # It learns from text of the model's own in the place of the offered rows, so its batches cannot
    # be held against the offer; the record of every phase says so.
    rewrites: ClassVar[bool] = False
    # It can be a component of a stack: it learns and answers with the one adapter that the default
    # ``begin_phase`` makes and with nothing else, from the offered rows and others behind them. The
    # conformance tests hold a method to it.
    stackable: ClassVar[bool] = True

    def __init__(self, adapters: Adapters, config: Any, seeds: Seeds) -> None:
        self.adapters, self.config, self.seeds = adapters, config, seeds
        self.model = adapters.model

    @classmethod
    def budgets(cls, config: Any, domains: int) -> float:
        """How many times the budget of one domain a stream of ``domains`` costs, for planning.

        config   the method's ``Config``
        returns  right to within one block a phase
        """
        return domains

    @classmethod
    def needs_domain_with(cls, config: Any) -> bool:
        """Whether a method with these settings needs the domain when it answers, for planning.

        config   the method's ``Config``
        """
        return cls.needs_domain

    @classmethod
    def mechanisms(cls, config: Any) -> Sequence[str]:
        """The names that ``ablations`` will have with these settings, for planning.

        config   the method's ``Config``
        """
        return ()

    def begin_phase(self, phase: Phase) -> None:
        """Prepare for a new domain, for instance by adding a fresh adapter."""
        if phase.index == 0:
            self.adapters.fresh("shared", phase.index)

    def parameters(self) -> Iterator[nn.Parameter]:
        """What the optimizer may move in this phase."""
        return self.adapters.parameters()

    def parameter_groups(self) -> Sequence[Group]:
        """The same parameters, group by group, where some are to move at a rate of their own."""
        return [Group("other", list(self.parameters()))]

    def curriculum(self, phase: Phase) -> Sequence[Batch]:
        """The batches to train on; more than the offered ones come on top of the budget."""
        return phase.batches

    def restarts(self, phase: Phase) -> Sequence[int]:
        """The steps at which the learning rate's schedule begins anew, besides the first.

        phase    what is learned; ``curriculum`` says in how many steps
        returns  in ascending order, each below the number of steps
        """
        return ()

    def loss(self, batch: Batch) -> Terms:
        """The named terms whose sum is minimised."""
        return {"lm": self.model(**batch, use_cache=False).loss}

    def edit_gradients(self) -> None:
        """Change ``.grad`` in place before the optimizer step, for instance by projection."""

    def after_step(self) -> None:
        """Change the parameters after the optimizer step, for instance by projecting them back."""

    def end_phase(self, phase: Phase) -> None:
        """Consolidate what was learned, for instance by estimating a Fisher matrix.

        Called with the model in evaluation mode: no dropout.
        """

    def answering(self, domain: str | None) -> AbstractContextManager[object]:
        """Put the model in the state that answers questions about ``domain``.

        domain   what the router says; None where there is no adapter of the domain's own
        """
        return self.adapters.answering(self.adapters.active, self.adapters.beside)

    def invariants(self) -> Sequence[Invariant]:
        """Numbers the method promises to hold, measured now and recorded as they are."""
        return ()

    def trace(self, ended: bool) -> Trace | Sequence[Trace] | None:
        """What the mechanism is now, recorded after every step and at the end of every phase.

        ended    the phase is over: what is too dear for every step may be measured as well
        returns  several where they are not of the same layers
        """
        return None

    def ablations(self) -> Mapping[str, AbstractContextManager[object]]:
        """States in which one mechanism is off and all else stays, by the mechanism's name.

        At the end of every phase the harness scores what was learned so far in each of them.
        """
        return {}

    def cost(self) -> Cost:
        """What is kept between phases."""
        return Cost(sum(p.numel() for p in self.parameters()), 0, 0)

    def state(self) -> State:
        """Everything a new process needs to go on from here, or to answer from here."""
        tensors = {
            f"adapter/{name}/{key}": tensor
            for name in self.adapters.names
            for key, tensor in self.adapters.tensors(name).items()
        }
        about = {"active": self.adapters.active, "beside": list(self.adapters.beside)}
        return State(tensors, about)

    def restore(self, state: State) -> None:
        """Become what ``state`` was taken from."""
        names = sorted({key.split("/")[1] for key in state.tensors if key.startswith("adapter/")})
        for name in names:
            prefix = f"adapter/{name}/"
            self.adapters.load(
                name,
                {
                    k.removeprefix(prefix): t
                    for k, t in state.tensors.items()
                    if k.startswith(prefix)
                },
            )
        if names:
            self.adapters.use(state.about["active"], state.about["beside"])
