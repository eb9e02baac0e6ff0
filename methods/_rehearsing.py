"""What methods with a memory of rows have in common: what it holds, costs and leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from classay.errors import ConfigError
from classay.method import Cost, Method, Phase, State
from classay.methods._memory import Memory, offered_rows, reservoir

if TYPE_CHECKING:
    from classay.adapters import Adapters
    from classay.methods._memory import Note
    from classay.seeding import Seeds


class Rehearsing(Method):
    """One shared adapter and a reservoir of ``config.capacity`` rows, filled as a phase ends."""

    plain_first_phase = True

    def __init__(self, adapters: Adapters, config: Any, seeds: Seeds) -> None:
        super().__init__(adapters, config, seeds)
        self.memory = Memory()

    def require_a_row_a_step(self, phase: Phase, name: str) -> None:
        """Refuse a share that draws less than one row for a step.

        name    of the method, as a suite has it
        raises  ConfigError   a share above 0 of a step's rows that is less than one row
        """
        rows, share = len(phase.batches[0]["labels"]), self.config.share
        if 0 < rows * share < 1:
            raise ConfigError(
                f"a step is offered {rows} rows, and methods.{name}.share = {share:g} draws less "
                f"than one row of the memory for it.\n"
                f"  Set share to at least {1 / rows:g}, or to 0."
            )

    def end_phase(self, phase: Phase) -> None:
        self.enter(phase)

    def enter(self, phase: Phase, note: Note | None = None) -> None:
        """A domain that is over goes through the reservoir.

        note  what is kept with every new row
        """
        memory, new = self.memory, offered_rows(phase)
        generator = self.seeds.generator("reservoir", phase.index)
        kept = reservoir(len(memory), memory.seen, new, self.config.capacity, generator)
        memory.enter(phase, kept, note)

    def cost(self) -> Cost:
        return Cost(super().cost().trainable, self.memory.nbytes, len(self.memory))

    def state(self) -> State:
        (tensors, about), (rows, more) = super().state(), self.memory.state()
        return State(tensors | rows, about | more)

    def restore(self, state: State) -> None:
        super().restore(state)
        self.memory.restore(state)
