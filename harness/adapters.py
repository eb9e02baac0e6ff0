"""The LoRA adapters of one model, by name: PEFT's, with initial weights that are reproducible.

PEFT draws a new adapter's weights from the global generator, so that making one adapter early
changes the next. Here every tensor is drawn from a stream of its own, and an adapter's initial
bytes are a function of (seed, phase, module) alone, on a CPU and on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from classay.errors import ConfigError
from classay.seeding import Seeds
from classay.suite import AdapterSpec

if TYPE_CHECKING:
    from torch import Tensor, nn


class Adapters:
    """Adapters injected into a frozen causal language model.

    model   a transformers model; its own parameters are frozen here and never moved
    spec    rank, alpha, dropout and targets, the same for every method of a suite
    seeds   the cell's random streams
    """

    def __init__(self, model: nn.Module, spec: AdapterSpec, seeds: Seeds) -> None:
        self.model, self.spec, self.seeds = model, spec, seeds
        self.names: list[str] = []
        self.active: str | None = None
        self.beside: tuple[str, ...] = ()  # summed with the active one, and frozen
        self._peft: Any = None
        self._layers: list[Any] = []  # every linear map with adapters beside it
        self._named: dict[str, list[tuple[str, nn.Parameter]]] = {}
        require_linear(model, spec.targets)
        model.requires_grad_(False)

    def fresh(self, name: str, phase: int) -> None:
        """Add an adapter, or begin an old one anew, and make it the one that answers and learns.

        ::

            A ~ U(−1/√d_in, 1/√d_in),  B = 0          so that ΔW = (α/r)·B A = 0

        source      Hu et al. 2021 (arXiv:2106.09685) §4.1; the bound is PEFT's, kaiming with a = √5
        departures  each A has its own random stream, see above
        """
        import torch

        if name not in self.names:
            self._add(name)
        for key, tensor in self.tensors(name).items():
            with torch.no_grad():
                if "lora_A" in key:
                    bound = tensor.shape[1] ** -0.5
                    draw = self.seeds.generator("adapter", phase, key)
                    values = draw.uniform(-bound, bound, tuple(tensor.shape))
                    tensor.copy_(torch.from_numpy(values))
                else:
                    tensor.zero_()
        self.use(name)

    def load(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Give an adapter these weights, adding it if it is not there."""
        import torch

        if name not in self.names:
            self._add(name)
        own = self.tensors(name)
        if own.keys() != tensors.keys():
            raise ConfigError(
                f"adapter {name!r} came with {len(tensors)} tensors, and this base takes "
                f"{len(own)} of other names.\n  It belongs to another base or other targets."
            )
        with torch.no_grad():
            for key, tensor in own.items():
                tensor.copy_(tensors[key])

    def use(self, name: str | None, beside: Sequence[str] = ()) -> None:
        """Let this adapter answer and learn; None is the base alone, bit for bit.

        ::

            W x + Σ_{i ∈ beside} (α/r)·B_i A_i x + (α/r)·B A x

        beside   others whose updates are added to its own, in this order; they do not learn
        raises   KeyError   when there is no such adapter
        """
        if unknown := [one for one in (*beside, name) if one not in (None, *self.names)]:
            raise KeyError(f"{unknown}: of adapters there are {self.names}")
        # layer by layer: PEFT's own calls walk the whole model, at every question and every step
        for layer in self._layers:
            if name is None or layer.disable_adapters:
                layer.enable_adapters(name is not None)
            if name is not None:
                layer.set_adapter([*beside, name])
        for other in beside:  # PEFT lets every active adapter learn
            for _, parameter in self.named(other):
                parameter.requires_grad_(False)
        self.active, self.beside = name, tuple(beside)

    @contextmanager
    def answering(self, name: str | None, beside: Sequence[str] = ()) -> Iterator[None]:
        """``use``, and afterwards everything as it was."""
        before = self.active, self.beside
        self.use(name, beside)
        try:
            yield
        finally:
            self.use(*before)

    def parameters(self) -> Iterator[nn.Parameter]:
        """What the active adapter learns."""
        return (parameter for _, parameter in self.named(self.active))

    def named(self, name: str | None) -> Iterator[tuple[str, nn.Parameter]]:
        """An adapter's parameters under the names that PEFT saves them with."""
        return iter(() if name is None else self._named.get(name, ()))

    def tensors(self, name: str) -> dict[str, Tensor]:
        """An adapter's weights, detached but not copied."""
        return {key: parameter.detach() for key, parameter in self.named(name)}

    def copies(self, names: Iterable[str]) -> dict[str, dict[str, Tensor]]:
        """What some adapters weigh now, to be compared later with what they weigh then."""
        return {
            name: {key: tensor.clone() for key, tensor in self.tensors(name).items()}
            for name in names
        }

    def moved(self, copies: Mapping[str, Mapping[str, Tensor]]) -> float:
        """The largest change of any number since the copies were made."""
        return max(
            float((tensor - copies[name][key]).abs().max())
            for name in copies
            for key, tensor in self.tensors(name).items()
        )

    def config(self) -> dict[str, Any]:
        """PEFT's ``adapter_config.json``, without what changes from process to process."""
        config = self._config().to_dict() | {"base_model_name_or_path": None}
        plain = {k: sorted(v) if isinstance(v, set) else v for k, v in config.items()}
        return {k: getattr(v, "value", v) for k, v in sorted(plain.items())}

    def _config(self) -> Any:
        from peft import LoraConfig

        return LoraConfig(
            r=self.spec.rank,
            lora_alpha=self.spec.alpha,
            lora_dropout=self.spec.dropout,
            target_modules=self.spec.targets,
            task_type="CAUSAL_LM",
        )

    def _add(self, name: str) -> None:
        from peft import PeftModel
        from peft.tuners.lora import LoraLayer

        if self._peft is None:
            self._peft = PeftModel(self.model, self._config(), adapter_name=name)
        else:
            self._peft.add_adapter(name, self._config())
        self.names.append(name)
        self._layers = [m for m in self._peft.modules() if isinstance(m, LoraLayer)]
        # found once: methods ask at every step, and the whole model would be walked each time
        self._named[name] = [
            (key.replace(f".{name}.", "."), parameter)
            for key, parameter in self._peft.named_parameters()
            if "lora_" in key and f".{name}." in key
        ]


def require_linear(model: nn.Module, targets: str | Sequence[str]) -> None:
    """Refuse targets that a base does not have, or that are no linear maps.

    model    as transformers makes it, of whatever weights
    targets  as PEFT reads a list: a module's name, or its last parts
    raises   ConfigError
    """
    if isinstance(targets, str):
        return
    from torch.nn import Linear
    from transformers.pytorch_utils import Conv1D

    modules = dict(model.named_modules())
    linear = {name for name, module in modules.items() if isinstance(module, (Linear, Conv1D))}
    for target in targets:
        led = {name for name in modules if f".{name}".endswith(f".{target}")}
        if not led or led - linear:
            other = ", ".join(sorted({type(modules[name]).__name__ for name in led - linear}))
            there = ", ".join(sorted({name.rpartition(".")[2] for name in linear}))
            raise ConfigError(
                f"adapter.targets has {target!r}, which leads to {other or 'nothing'} in this "
                f"base; linear modules were needed.\n"
                f"  An adapter is B A beside a linear map. Name some of {there}, or say "
                f"all-linear."
            )
