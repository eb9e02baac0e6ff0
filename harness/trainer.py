"""The one loop all methods share: what a step is, and what is recorded of it."""

from __future__ import annotations

import math
import re
import time
from bisect import bisect_right
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from classay import packing
from classay.errors import Diverged
from classay.method import Method, Phase, Trace
from classay.records import InvariantRow, StepRow, TraceRow
from classay.seeding import Seeds
from classay.suite import Training

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from classay.method import Batch

# Every fourth step, from the second on: at the first a penalty on what moved is still 0. It costs
# one more backward pass and changes no bit of the training.
TERMS_EVERY, TERMS_FIRST = 4, 1
LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.")  # how architectures name their layers


def phase_of(index: int, domain: str, offered: Sequence[packing.Batch], device: str) -> Phase:
    """What a method is told of a domain: the offered batches, as tensors."""
    import torch

    def tensor(table: packing.Ints) -> Tensor:
        return torch.from_numpy(table.astype(np.int64)).to(device)

    return Phase(
        index,
        domain,
        tuple({"input_ids": tensor(b.ids), "labels": tensor(b.labels)} for b in offered),
    )


class PhaseTraining:
    """One phase being trained, a step at a time.

    ::

        lr(s) = lr · min((s + 1) / (w + 1), (S − s) / (S − w))      S steps, w of them warm-up

    Where a method lets the schedule begin anew, s and S are those of one stretch of the phase.

    method    its ``begin_phase`` has been called
    phase     what it learns
    settings  the suite's training budget
    seeds     the cell's random streams; the global generator is set from them, so that dropout at a
              phase does not depend on what was drawn before
    choices   fused AdamW with β = (0.9, 0.999) (other variants give other bits); a new optimizer a
              phase; gradients clipped by their total norm, which is recorded before clipping
    """

    def __init__(self, method: Method, phase: Phase, settings: Training, seeds: Seeds) -> None:
        import torch

        self.method, self.phase, self.settings = method, phase, settings
        method.model.train()  # dropout is on; whoever evaluates turns it off
        self.batches = method.curriculum(phase)
        self.starts = (0, *method.restarts(phase))
        self.groups = method.parameter_groups()
        self.parameters = [parameter for group in self.groups for parameter in group.parameters]
        names = {id(p): name for name, p in method.model.named_parameters()}
        self.layers: dict[str, list[Tensor]] = {}
        for group in self.groups:
            for parameter in group.parameters:
                match = LAYER.search(names.get(id(parameter), ""))
                self.layers.setdefault(match[1] if match else group.name, []).append(parameter)
        self.optimizer = torch.optim.AdamW(
            [
                {
                    "params": group.parameters,
                    "weight_decay": settings.weight_decay if group.decays else 0.0,
                }
                for group in self.groups
            ],
            lr=settings.learning_rate,
            betas=(0.9, 0.999),
            fused=True,
        )
        self.step = 0
        torch.manual_seed(seeds.integer("dropout", phase.index))

    @property
    def steps(self) -> int:
        """How many steps this phase takes."""
        return len(self.batches)

    def learning_rate(self, step: int) -> float:
        """A pure function of the step, so that a resumed phase goes on where it was."""
        stretch = bisect_right(self.starts, step)
        first, end = (*self.starts, self.steps)[stretch - 1 : stretch + 1]
        steps, step = end - first, step - first
        warmup = min(self.settings.warmup_steps, steps - 1)
        rise = (step + 1) / (warmup + 1)
        fall = (steps - step) / (steps - warmup)
        return self.settings.learning_rate * min(rise, fall)

    def advance(self) -> list[StepRow | InvariantRow | TraceRow]:
        """One optimizer step and its record.

        raises  Diverged   when the loss or the gradient is not a finite number; the parameters are
                           then those of the step before
        """
        import torch

        started, batch, step = time.perf_counter(), self.batches[self.step], self.step
        lr = self.learning_rate(step)
        for own, group in zip(self.optimizer.param_groups, self.groups, strict=True):
            own["lr"] = lr * group.rate
        self.optimizer.zero_grad(set_to_none=True)
        terms = self.method.loss(batch)
        shares = self._term_norms(terms) if step % TERMS_EVERY == TERMS_FIRST else {}
        torch.stack(list(terms.values())).sum().backward()
        self.method.edit_gradients()
        norms = {
            layer: torch.nn.utils.get_total_norm(gradients)
            for layer, members in self.layers.items()
            if (gradients := [p.grad for p in members if p.grad is not None])
        }
        total = torch.nn.utils.get_total_norm(list(norms.values()))
        # one transfer a step: every number that is recorded
        numbers = torch.stack(
            [
                *(t.detach().float() for t in terms.values()),
                *norms.values(),
                *shares.values(),
                total,
            ]
        )
        values = numbers.tolist()
        self._finite(terms, values, lr)
        torch.nn.utils.clip_grads_with_norm_(self.parameters, self.settings.clip, total)
        self.optimizer.step()
        self.method.after_step()
        self.step += 1
        record = StepRow(
            phase=self.phase.index,
            step=step,
            terms=dict(zip(terms, values, strict=False)),
            gradient_norm=values[-1],
            layer_gradient_norms=dict(zip(norms, values[len(terms) :], strict=False)),
            term_gradient_norms=dict(zip(shares, values[len(terms) + len(norms) :], strict=False)),
            lr=lr,
            tokens=batch["input_ids"].numel(),
            batch=_digest(batch),
            seconds=time.perf_counter() - started,
        )
        return [
            record,
            *(
                InvariantRow(phase=self.phase.index, step=step, **invariant._asdict())
                for invariant in self.method.invariants()
            ),
            *self.trace(step, ended=False),
        ]

    def trace(self, step: int, ended: bool) -> list[TraceRow]:
        """The record of what the method's mechanism is now; none if it shows none."""
        found = self.method.trace(ended)
        traces = [found] if isinstance(found, Trace) else found or []
        return [TraceRow(phase=self.phase.index, step=step, **t._asdict()) for t in traces]

    def state(self) -> dict[str, Tensor]:
        """The optimizer's state and the global generators', as tensors."""
        import torch

        saved = self.optimizer.state_dict()["state"]
        tensors = {
            f"optimizer/{index}/{key}": value.detach().cpu()
            for index, entry in saved.items()
            for key, value in entry.items()
        }
        device = next(self.method.model.parameters()).device
        if device.type == "cuda":
            tensors["generator/cuda"] = torch.cuda.get_rng_state(device)
        return {**tensors, "generator/cpu": torch.get_rng_state()}

    def restore(self, tensors: Mapping[str, Tensor], step: int) -> None:
        """Go on at ``step`` with what ``state`` returned.

        raises  ValueError   a moment has not the shape of its parameter: the method restored its
                             parameters in another order
        """
        import torch

        state = self.optimizer.state_dict()
        trained = [p for group in self.optimizer.param_groups for p in group["params"]]
        for name, tensor in tensors.items():
            kind, *path = name.split("/")
            if kind == "optimizer":
                shape = trained[int(path[0])].shape
                if tensor.dim() and tensor.shape != shape:  # a count of steps has none
                    raise ValueError(
                        f"{name} has the shape {tuple(tensor.shape)} and its parameter "
                        f"{tuple(shape)}; {self.method.__class__.__name__} gives its parameters in "
                        f"another order after restore() than before.\n"
                        f"  Order them by something that a checkpoint keeps, for instance by name."
                    )
                state["state"].setdefault(int(path[0]), {})[path[1]] = tensor
        self.optimizer.load_state_dict(state)
        torch.set_rng_state(tensors["generator/cpu"])
        device = next(self.method.model.parameters()).device
        if "generator/cuda" in tensors:
            torch.cuda.set_rng_state(tensors["generator/cuda"], device)
        self.step = step

    def _term_norms(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The norm of each term's own gradient, where there is more than one term."""
        import torch

        norms: dict[str, Tensor] = {}
        for name, term in terms.items() if len(terms) > 1 else ():
            found = (
                torch.autograd.grad(term, self.parameters, retain_graph=True, allow_unused=True)
                if term.requires_grad
                else ()
            )
            gradients = [gradient for gradient in found if gradient is not None]
            norms[name] = torch.nn.utils.get_total_norm(gradients).to(term.device)
        return norms

    def _finite(self, terms: Mapping[str, Tensor], values: Sequence[float], lr: float) -> None:
        if all(map(math.isfinite, values)):
            return
        shown = ", ".join(f"{k} = {v}" for k, v in zip(terms, values, strict=False))
        raise Diverged(
            f"phase {self.phase.index} ({self.phase.domain}), step {self.step}: {shown}, gradient "
            f"norm {values[-1]}; finite numbers were needed.\n"
            f"  The parameters are those of the step before. Lower the learning rate (it is {lr:g} "
            f"at this step) or the method's strength."
        )


def _digest(batch: Batch) -> str:
    ids, labels = (batch[key].cpu().numpy().astype(np.int32) for key in ("input_ids", "labels"))
    return packing.Batch(ids, labels).digest
