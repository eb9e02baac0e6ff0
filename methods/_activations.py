"""What goes into the linear maps of an adapter.

A LoRA module is two linear maps: lora_A reads the module's input, after dropout, and lora_B reads
the rank-dimensional output of lora_A. Of each map's inputs x, one a token::

    G = Σ_x x xᵀ                                     (d, d), d = the map's inputs

The inputs themselves, whose size grows with the tokens, are never held: G has their left singular
vectors as eigenvectors, with the squared singular values.

choices     sums in float64: they hold squares, so float32 would leave nothing but rounding of the
            singular values below 2 · 10⁻⁴ of the largest
            every token of a row counts, whether it has a label or not: all of them go through the
            map; the model is in evaluation mode, so without dropout
            while they are read, 8 d² bytes are held for every map
"""

from __future__ import annotations

from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING

from classay.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from torch import Tensor, nn

    from classay.adapters import Adapters
    from classay.method import Phase
    from classay.seeding import Seeds


def require(phase: Phase, examples: int, method: str) -> None:
    """Refuse a phase that offers fewer rows than are to be read, before it is trained on."""
    rows = sum(len(batch["input_ids"]) for batch in phase.batches)
    if rows < examples:
        raise ConfigError(
            f"domain {phase.domain!r} is offered {rows} rows, and methods.{method}.examples asks "
            f"for {examples}.\n  Lower examples, or raise training.tokens_per_domain."
        )


def second_moments(
    adapters: Adapters, phase: Phase, examples: int, seeds: Seeds, which: str = "lora_"
) -> dict[str, Tensor]:
    """G of every linear map of the active adapter.

    examples  rows of the phase that are read, drawn without replacement by a stream of their own:
              the same rows however often they are read in a phase
    which     the maps that are wanted, ``lora_A`` or ``lora_B``; both, if it is not given
    returns   name of the map's weight -> (d, d) float64
    """
    import torch

    model = adapters.model
    rows = torch.cat([batch["input_ids"] for batch in phase.batches])
    drawn = seeds.generator("activations", phase.index).choice(len(rows), examples, replace=False)
    names = {id(p): key for key, p in adapters.named(adapters.active) if which in key}
    sums: dict[str, Tensor] = {}

    def adding(key: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def add(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            x = inputs[0].flatten(0, -2).double()
            if key in sums:
                sums[key].addmm_(x.T, x)
            else:
                sums[key] = x.T @ x

        return add

    training = model.training
    with ExitStack() as hooks, torch.no_grad():
        for module in model.modules():
            key = names.get(id(getattr(module, "weight", None)))
            if key is not None:
                hooks.enter_context(module.register_forward_pre_hook(adding(key)))
        model.eval()
        for ids in rows[drawn.tolist()].split(len(phase.batches[0]["input_ids"])):
            model(input_ids=ids, use_cache=False)
        model.train(training)
    return {key: sums[key] for key in names.values()}


def by_shape(named: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """The names of matrices, those of equal shape together, under "rows x columns"."""
    groups: dict[str, list[str]] = {}
    for key, tensor in named.items():
        groups.setdefault("x".join(map(str, tensor.shape)), []).append(key)
    return groups


def stacked(named: Mapping[str, Tensor], keys: Sequence[str]) -> Tensor:
    """Matrices of one shape in one tensor, (n, rows, columns)."""
    import torch

    return torch.stack([named[key] for key in keys])


def read(found: Iterable[tuple[list[str], Tensor]]) -> dict[str, list[float]]:
    """Numbers of weights, (n, numbers) where there are n names, by name: one transfer for all."""
    import torch

    order, numbers = zip(*found, strict=True)
    return dict(zip(chain(*order), torch.cat(numbers).tolist(), strict=True))


def layer(key: str) -> str:
    """The module of the base that a weight of an adapter belongs to."""
    return key.removeprefix("base_model.model.").partition(".lora_")[0]
