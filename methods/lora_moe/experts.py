"""The experts of every module, the router that weighs them, and how evenly it does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from classay.adapters import Adapters
from classay.methods._mixture import Mixture
from classay.methods.lora_moe.settings import Config
from classay.seeding import Seeds

if TYPE_CHECKING:
    from torch import Tensor, nn


class Experts:
    """One LoRA adapter an expert, and R of every module.

    adapters  the first expert is the active one; the others learn with it
    config    how many experts, of how many kinds
    seeds     the cell's random streams
    """

    def __init__(self, adapters: Adapters, config: Config, seeds: Seeds) -> None:
        self.adapters, self.config, self.seeds = adapters, config, seeds
        self.mixture = Mixture(adapters)
        self.names = [f"expert_{e}" for e in range(config.experts)]
        self.own: dict[str, nn.Parameter] = {}  # R of all modules of one width: (modules, E, d_in)
        self.alone = False  # the first expert answers, and no router is asked

    def begin(self) -> None:
        """Make the experts, and a router if there is anything to weigh."""
        for place, name in enumerate(self.names):
            self.adapters.fresh(name, place)
        self.adapters.use(self.names[0])
        self.take(self._routers() if len(self.names) > 1 else {})

    def take(self, routers: Mapping[str, Tensor]) -> None:
        """Have these routers."""
        import torch

        device = next(self.adapters.model.parameters()).device
        self.mixture.attach()
        # the optimizer's state goes by the order of the modules, which no file keeps
        widths = dict.fromkeys(str(m.in_features) for m in self.mixture.modules.values())
        self.own = {
            width: torch.nn.Parameter(routers[width].to(device).clone())
            for width in (widths if routers else ())
        }
        self._let_learn()

    def lora(self) -> list[nn.Parameter]:
        """What all experts learn."""
        return [parameter for name in self.names for _, parameter in self.adapters.named(name)]

    @contextmanager
    def mixed(self, routed: list[Tensor] | None = None) -> Iterator[None]:
        """The state in which all experts answer, weighted by the router.

        routed  what ω of every module is added to, in the order of the forward pass
        """
        try:
            if self.alone or not self.own:
                with self.adapters.answering(self.names[0]):
                    yield
            else:
                with self._routing(routed):
                    yield
        finally:
            self._let_learn()

    def imbalance(self, routed: Sequence[Tensor], kinds: Tensor) -> Tensor:
        """The constraint, summed over modules and without β.

        routed  ω of every module: (rows, tokens, E)
        kinds   of every row: (rows,)
        """
        import torch

        experts = torch.arange(self.config.experts, device=kinds.device)
        alike = kinds.unsqueeze(1) == experts * self.config.kinds // self.config.experts
        weight = torch.where(alike, 1 + self.config.delta, 1 - self.config.delta)
        z = (torch.stack([omega.sum(dim=1) for omega in routed]) * weight).flatten(1)
        if self.config.form == "paper":
            return (z.var(dim=1, correction=0) / z.mean(dim=1)).sum()
        return (z.var(dim=1) / (z.mean(dim=1) ** 2 + 1e-10)).sum()

    @contextmanager
    def _routing(self, routed: list[Tensor] | None) -> Iterator[None]:
        stacks, modules = self.mixture.stacks(self.names), list(self.mixture.modules.values())
        # unbound once a forward: a gradient through an index is as large as all modules together
        wide = {key: iter(parameter.unbind()) for key, parameter in self.own.items()}
        routers = [next(wide[str(module.in_features)]) for module in modules]

        def blend(place: int, x: Tensor, h: Tensor) -> Tensor:
            omega = self._omega(x, routers[place])
            if routed is not None:
                routed.append(omega)
            inner = stacks[place].inner(modules[place].lora_dropout[self.names[0]](x))
            return stacks[place].weighted(inner, omega)

        with self.mixture.blended(blend):
            # PEFT lets nothing learn that does not answer
            self._let_learn()
            yield

    @staticmethod
    def _omega(x: Tensor, router: Tensor) -> Tensor:
        import torch

        return (x.to(router.dtype) @ router.mT).softmax(-1, dtype=torch.float32)

    def _let_learn(self) -> None:
        for parameter in (*self.lora(), *self.own.values()):
            parameter.requires_grad_(True)

    def _routers(self) -> dict[str, Tensor]:
        """R of every module before training."""
        import torch

        self.mixture.attach()
        starts: dict[str, list[Tensor]] = {}
        for name, module in self.mixture.modules.items():
            width, bound = module.in_features, module.in_features**-0.5
            generator = self.seeds.generator("lora_moe", "router", name)
            draw = generator.uniform(-bound, bound, (len(self.names), width))
            starts.setdefault(str(width), []).append(torch.from_numpy(draw).float())
        return {width: torch.stack(draws) for width, draws in starts.items()}
