"""Whole training steps with and without CRMA, on one model of random weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial
from statistics import median, quantiles
from typing import Any, NamedTuple

import torch
from peers import ITERATIONS
from timing import RECORDED, Call, graph, in_turn, seconds, summary
from torch import Tensor, nn

from classay import registry
from classay.adapters import Adapters
from classay.kernels.sinkhorn import sinkhorn_fused
from classay.method import Phase
from classay.seeding import Seeds
from classay.suite import AdapterSpec

STREAMS = 2  # n of preset strong
WARM = 3  # steps before the first that is timed
TINYLLAMA = {"hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22,
             "num_attention_heads": 32, "num_key_value_heads": 4}  # fmt: skip
MISTRAL = {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
           "num_attention_heads": 32, "num_key_value_heads": 8}  # fmt: skip
TINY = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2}  # fmt: skip


class Shape(NamedTuple):
    """A model of this shape, randomly initialised, in a training step."""

    name: str
    config: dict[str, int]
    rows: int
    block: int
    rounds: int  # steps of each method that are timed

    @property
    def words(self) -> str:
        """The case in a table."""
        return f"{self.name} shape, {self.rows} × {self.block} tokens"


def shapes(tiny: bool) -> list[Shape]:
    """Regime (e)."""
    if tiny:
        return [Shape("tiny", TINY, 2, 16, 2)]
    return [
        Shape("TinyLlama", TINYLLAMA, 8, 1024, 21),
        Shape("Mistral-7B", MISTRAL, 4, 1024, 11),
    ]


def rows(shape: Shape, device: str) -> Iterator[dict[str, Any]]:
    """Steps of LoRA alone and of CRMA, and the projection of all of CRMA's matrices alone.

    choices  the two take turns on the same weights and tokens, so that neither noise nor a clock
             that sinks decides about 2 %: what is compared is every step with the one beside it
    """
    calls = {}
    peaks = {}
    for name, method in _methods(shape, device).items():
        calls[name] = step = _step(method, shape, device)
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        for _ in range(WARM):
            step()
        peaks[name] = torch.cuda.max_memory_allocated() if device == "cuda" else None
    taken = in_turn(calls, device, shape.rounds)
    lora = median(taken["LoRA alone"])
    for name, found in taken.items():
        row = _row(name, "step", "eager") | summary(found) | {"peak_bytes": peaks[name]}
        if name == "CRMA":
            over = [a / b - 1 for a, b in zip(found, taken["LoRA alone"], strict=True)]
            low, _, high = quantiles(over, n=4)
            row |= {"over_lora": median(over), "over_lora_middle_half": [low, high]}
        yield row
    modes: dict[str, Callable[[Call], Call]] = {"eager": lambda call: call}
    if device == "cuda":
        modes["CUDA graph"] = graph
    for mode, prepared in modes.items():
        projection = prepared(_projection(shape.config["num_hidden_layers"], device))
        row = _row("Sinkhorn alone", "forward and backward", mode)
        calls = RECORDED if prepared is graph else 1
        row |= seconds(projection, device, queued=False, calls=calls)
        yield row | {"share_of_step": row["seconds"] / lora}


def _row(implementation: str, direction: str, mode: str) -> dict[str, Any]:
    return {"implementation": implementation, "direction": direction, "mode": mode}


def _methods(shape: Shape, device: str) -> dict[str, Any]:
    """Both methods, each on modules of its own around the same frozen weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(**shape.config, vocab_size=32000, max_position_embeddings=shape.block)
    with torch.device(device):
        model = LlamaForCausalLM(config).to(torch.float32 if device == "cpu" else torch.bfloat16)
    shared = {id(parameter): parameter for parameter in model.parameters()}
    return {
        "LoRA alone": _method("frozen", deepcopy(model, dict(shared))),
        "CRMA": _method("crma", model),
    }


def _method(name: str, model: nn.Module) -> Any:
    module, seeds = registry.load("method", name), Seeds(0)
    config = module.EXAMPLE
    if name == "crma":
        # where the projection starts changes no step, and random needs no decomposition
        config = replace(config, start="random")
    return module.METHOD(Adapters(model, AdapterSpec(rank=8, alpha=16), seeds), config, seeds)


def _step(method: Any, shape: Shape, device: str) -> Callable[[], None]:
    """What a method does in a step: loss, backward, its edits of gradients and weights, AdamW."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, 1000, (shape.rows, shape.block), generator=generator).to(device)
    batch = {"input_ids": ids, "labels": ids}
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


def _projection(layers: int, device: str) -> Callable[[], Tensor]:
    """The matrices of all layers and the gradient of their logits, in one launch each way."""
    logits = torch.eye(STREAMS, device=device).repeat(layers, 1, 1).requires_grad_()
    upstream = torch.randn(layers, STREAMS, STREAMS, device=device)
    return partial(_there_and_back, logits, upstream)


def _there_and_back(logits: Tensor, upstream: Tensor) -> Tensor:
    matrix = sinkhorn_fused(logits, ITERATIONS, zeros=False).matrix
    return torch.autograd.grad(matrix, logits, upstream)[0]
