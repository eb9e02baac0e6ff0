"""The CRMA residual alone, and whole training steps with and without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from projections import Timed
from torch import Tensor

from classay import registry
from classay.adapters import Adapters
from classay.kernels.stream_mix import stream_mix_compiled, stream_mix_reference
from classay.kernels.stream_mix.operator import stream_mix_fused
from classay.method import Phase
from classay.seeding import Seeds
from classay.suite import AdapterSpec

STREAMS, RANK = 2, 4  # n and r of preset strong
TINYLLAMA = {"hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22,
             "num_attention_heads": 32, "num_key_value_heads": 4}  # fmt: skip
MISTRAL = {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
           "num_attention_heads": 32, "num_key_value_heads": 8}  # fmt: skip
TINY = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2}  # fmt: skip


class Mixed(NamedTuple):
    """A hidden state whose streams are mixed."""

    tokens: int
    d: int

    @property
    def words(self) -> str:
        """The case in a table."""
        return f"{self.tokens:,} tokens of {self.d:,}"


class Shape(NamedTuple):
    """A model of this shape, randomly initialised, in a training step."""

    name: str
    config: dict[str, int]
    rows: int
    block: int

    @property
    def words(self) -> str:
        """The case in a table."""
        return f"{self.name} shape, {self.rows} × {self.block} tokens"


def mixed_cases(tiny: bool) -> list[Mixed]:
    """Regime (d)."""
    if tiny:
        return [Mixed(8, 64)]
    return [Mixed(2**p, d) for d in (2048, 3584, 4096) for p in (10, 12, 13, 14)]


def shapes(tiny: bool) -> list[Shape]:
    """Regime (e)."""
    if tiny:
        return [Shape("tiny", TINY, 2, 16)]
    return [Shape("TinyLlama", TINYLLAMA, 8, 1024), Shape("Mistral-7B", MISTRAL, 4, 1024)]


def mixes(case: Mixed, device: str, dtype: torch.dtype) -> Iterator[Timed]:
    """The residual by every implementation, forward and backward.

    choices  the bytes that have to be moved: h in and y out; h, the gradient and that of h
    """
    generator = torch.Generator().manual_seed(0)
    h, upstream = (
        torch.randn(case.tokens, case.d, generator=generator).to(device, dtype) for _ in range(2)
    )
    q = torch.linalg.qr(torch.randn(case.d, STREAMS * RANK, generator=generator))[0].T
    m, q = torch.full((STREAMS, STREAMS), 0.5).to(device), q.contiguous().to(device)
    alpha, size = torch.tensor(0.3, device=device), h.numel() * h.element_size()
    ways: dict[str, Callable[..., Tensor]] = {
        "fused": stream_mix_fused,
        "torch, eager": stream_mix_reference,
    }
    if device == "cuda":
        ways["torch.compile"] = stream_mix_compiled
    for name, mix in ways.items():
        with torch.no_grad():
            yield Timed(name, "forward", partial(mix, h, m, q, alpha), 2 * size)
        learned = [t.clone().requires_grad_() for t in (h, m, q, alpha)]
        out = mix(*learned)
        again = partial(torch.autograd.grad, out, learned, upstream, retain_graph=True)
        yield Timed(name, "backward", again, 3 * size)


def steps(shape: Shape, device: str, dtype: torch.dtype) -> Iterator[Timed]:
    """One optimizer step of LoRA alone and of CRMA, on the same model and the same tokens.

    choices  what a method does in a step: its loss, the backward pass, its edits of gradients and
             weights, and AdamW; nothing is recorded of it
    """
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, 1000, (shape.rows, shape.block), generator=generator).to(device)
    batch = {"input_ids": ids, "labels": ids}
    for name in ("frozen", "crma"):
        step = _step(_method(name, shape, device, dtype), batch)
        yield Timed({"frozen": "LoRA alone", "crma": "CRMA"}[name], "step", step, 0)


def _method(name: str, shape: Shape, device: str, dtype: torch.dtype) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(**shape.config, vocab_size=32000, max_position_embeddings=shape.block)
    with torch.device(device):
        model = LlamaForCausalLM(config).to(dtype)
    model.requires_grad_(False)
    module, seeds = registry.load("method", name), Seeds(0)
    adapters = Adapters(model, AdapterSpec(rank=8, alpha=16), seeds)
    return module.METHOD(adapters, module.EXAMPLE, seeds)


def _step(method: Any, batch: dict[str, Tensor]) -> Callable[[], None]:
    method.begin_phase(Phase(0, "text", (batch,)))
    method.model.train()
    groups = [{"params": list(method.parameters())}]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, weight_decay=0.0)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(method.loss(batch).values())).sum().backward()
        method.edit_gradients()
        optimizer.step()
        method.after_step()

    return step
