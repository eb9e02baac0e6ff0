"""A composition with weights of its own, trained after the adapter within the same phase.

::

    steps 0 … S − 1       the adapter alone, on the offered batches, as FROZEN trains it
    steps S …             the composition alone, on ``share`` times as many rows

Both stretches have the schedule of the learning rate to themselves. The second comes on top of the
budget and is charged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from classay.adapters import Adapters
from classay.method import Group, Phase, State
from classay.methods._composing import Composing
from classay.methods._memory import offered_rows, require_a_row
from classay.methods._mixture import Mixture, Stack
from classay.methods._rows import KEYS
from classay.seeding import Seeds

if TYPE_CHECKING:
    from torch import Tensor, nn

    from classay.method import Batch, Terms


class Trained(Composing):
    """Weights that say how the adapters answer together.

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

    @property
    def fitted(self) -> bool:
        # while an adapter is learned, it answers alone
        return self._left <= 0

    def grow(self) -> dict[str, Tensor]:
        """The composition's weights for all that was learned, from those that there are."""
        raise NotImplementedError

    def penalties(self) -> Terms:
        """Terms of the composition's own."""
        return {}

    def begin_phase(self, phase: Phase) -> None:
        require_a_row(phase, self.config.share, "the composition would never be trained")
        super().begin_phase(phase)
        self._left = len(phase.batches)
        if self.several:
            self.mixture.attach()
            self._own(self.grow())

    def curriculum(self, phase: Phase) -> Sequence[Batch]:
        import torch

        if not self.several:
            return phase.batches
        rows, size = self.rows.all(phase), len(phase.batches[0]["labels"])
        count = round(self.config.share * offered_rows(phase))
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
        # what has no gradient is not moved: first the composition, and from then on the adapter
        if not (self.several and self.fitted):
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
        # by name: the optimizer's state goes by the order, which no checkpoint keeps
        self.own = {
            # copies: what is expanded shares its memory
            key: torch.nn.Parameter(tensor.to(device).clone())
            for key, tensor in sorted(tensors.items())
        }
