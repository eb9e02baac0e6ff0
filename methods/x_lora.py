"""X-LoRA: a first pass of the base alone decides how every module weighs the adapters in a second.

::

    H = hidden states of the last layer, base alone                               first pass
    s_m = softmax((C_m H + c_m) / τ) ∈ ℝᴺ          for every token and target module m
    W x + Σ_n s_m,n (α/r) B_n A_n x                                              second pass

source      Buehler & Buehler 2024 (arXiv:2402.07148), the section on methods, for the two passes,
            the frozen adapters and the softmax; EricLBuehler/xlora at commit 8217992 for a first
            pass with every scaling 0, a classifier of depth 1 and τ = 1
departures  the adapters are those of this stream's own domains, and one more with each of them: the
            rows of C and c that belong to it start afresh, the others go on from where they are
choices     layerwise scalings, where a layer is a target module; depth 1 is one affine map, and the
            code's width and dropout of the classifier do nothing there; C and c start as
            U(−1/√d, 1/√d), which is PyTorch's start of a linear layer, and have no weight decay.
            No gradient goes through the first pass: nothing there learns. ``share`` is the budget
            of the composition in budgets of a domain: it comes on top, and the learning rate's
            schedule begins anew with it. While the composition is learned the adapters have no
            dropout. The first pass is charged in seconds, not in tokens
ablation    ``composition``: the domain's own adapter answers, which is FROZEN's answer
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from classay.adapters import Adapters
from classay.methods._rows import Variant
from classay.methods._trained import Trained
from classay.seeding import Seeds

if TYPE_CHECKING:
    from torch import Tensor


TEXT = ("input_ids", "attention_mask")  # the first parameters of a causal model of transformers


@dataclass(frozen=True, kw_only=True)
class Config:
    """What the classifier is fitted on, and for how long."""

    variant: Variant
    examples: Annotated[int, Field(gt=0)]  # rows of one domain
    share: Annotated[float, Field(ge=0)]  # budgets of a domain; 0: nothing is composed
    temperature: Annotated[float, Field(gt=0)] = 1.0  # τ


class XLoRA(Trained):
    """No router but its own: the classifier answers every question."""

    name = "classifier"
    _scalings: tuple[Tensor, ...] | None = None  # of the pass under way: (..., N) a module

    def __init__(self, adapters: Adapters, config: Config, seeds: Seeds) -> None:
        super().__init__(adapters, config, seeds)
        self._composed = False
        self.model.register_forward_pre_hook(self._look, with_kwargs=True)

    def grow(self) -> dict[str, Tensor]:
        import torch

        width, count = int(self.model.config.hidden_size), len(self.mixture.modules)
        bound = width**-0.5
        grown = {key: [parameter.detach().cpu()] for key, parameter in self.own.items()}
        first = len(self.learned) - 1 if self.own else 0
        for place in range(first, len(self.learned)):
            for key, shape in (("weight", (count, 1, width)), ("bias", (count, 1))):
                draw = self.seeds.generator("x_lora", key, place).uniform(-bound, bound, shape)
                grown.setdefault(key, []).append(torch.from_numpy(draw).float())
        return {key: torch.cat(parts, dim=1) for key, parts in grown.items()}

    @contextmanager
    def composed(self) -> Iterator[None]:
        stacks = self.stacks

        def blend(place: int, x: Tensor, h: Tensor) -> Tensor:
            if self._scalings is None:
                raise RuntimeError("a module of the base was called outside of a pass of the model")
            stack = stacks[place]
            return stack.weighted(stack.inner(x), self._scalings[place])

        self._composed = True
        try:
            with self.mixture.blended(blend):
                yield
        finally:
            self._composed, self._scalings = False, None

    def scalings(self, hidden: Tensor) -> Tensor:
        """s of every module for hidden states of (..., d): (modules, ..., N)."""
        import torch

        weight, bias = self.own["weight"], self.own["bias"]
        scores = torch.einsum("...d,mnd->m...n", hidden.to(weight.dtype), weight)
        shape = (len(bias), *([1] * (hidden.ndim - 1)), bias.shape[1])
        return ((scores + bias.view(shape)) / self.config.temperature).softmax(-1)

    def _look(self, module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        """The first pass."""
        import torch

        if not self._composed:
            return
        given = dict(zip(TEXT, arguments, strict=False)) | named
        asked = {key: given[key] for key in TEXT if key in given}
        with self.mixture.silent(), torch.no_grad():
            # without the output layer, which is the dearest product of a small model
            hidden = self.model.base_model(**asked, use_cache=False).last_hidden_state
        self._scalings = self.scalings(hidden).unbind()


METHOD = XLoRA
EXAMPLE = Config(variant="no_memory", examples=4, share=1.0)  # runs in the conformance tests
VARIANTS = {"memory": Config(variant="memory", examples=4, share=1.0)}
OFF = Config(variant="no_memory", examples=4, share=0.0)
PARENT = "frozen"
