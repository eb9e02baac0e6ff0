"""What one cell's work needs on the table: the base, the stream, the random streams, the scorer."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from classay import evaluate, lm_tasks, registry
from classay.adapters import Adapters
from classay.base import Base, locate
from classay.circumstances import same_program
from classay.determinism import settle
from classay.layout import RunFolder, write_atomically
from classay.method import Method, Phase, State
from classay.records import AnyRow, PhaseRow, TaskRow, canonical
from classay.router import ORACLE, answering
from classay.seeding import Seeds
from classay.stream import Stream, load, offered_digest
from classay.suite import BaseSpec
from classay.trainer import phase_of

if TYPE_CHECKING:
    from torch import Tensor


class Bench:
    """A base, a stream and a random state, ready for one cell's work."""

    def __init__(self, folder: RunFolder, seed: int, draw: int = 0) -> None:
        self.folder = folder
        self.setting, self.suite = folder.read()
        self.code = same_program(folder.about, self.setting)
        self.threads = settle(self.setting["threads"])
        self.device = str(self.setting["device"])
        self.seeds = Seeds(seed, draw)
        self.stream: Stream = load(folder.stream)
        self.tasks = lm_tasks.load(folder.stream)
        pinned = BaseSpec(path=self.setting["base"], digest=self.setting["content"]["base"])
        files = locate(pinned)
        self.base = Base(files, self.suite.base.dtype, self.device)
        self.adapters = Adapters(self.base.model, self.suite.adapter, self.seeds)
        self.scorer = evaluate.Scorer(
            folder, self.base.model, self.suite.evaluation.batch_items, self.device
        )

    def method(self, name: str) -> Method:
        """A method of the suite on this bench."""
        module = registry.load("method", self.suite.method_of(name))
        config = registry.resolve(name, self.suite.methods[name])
        made: Method = module.METHOD(self.adapters, config, self.seeds)
        return made

    def phase(self, index: int, domain: str) -> tuple[Phase, str]:
        """A domain as a method sees it, and the digest of what it is offered."""
        offered = self.stream.offered(domain, self.seeds.root)
        return phase_of(index, domain, offered, self.device), offered_digest(offered)

    def evaluated(self, method: Method | None, after: int) -> list[AnyRow]:
        """Every domain's hold-out and probes, in the suite's order, and lm-eval's tasks."""
        rows: list[AnyRow] = []
        for tokens in self.stream.domains.values():
            rows.append(evaluate.holdout(self.scorer, method, tokens, after, "holdout", "cell"))
            rows.extend(evaluate.probes(self.scorer, method, tokens, after))
        return rows + [self._asked(task, method, after) for task in self.tasks]

    def ablated(self, method: Method, after: int, learned: Sequence[str]) -> list[AnyRow]:
        """The hold-outs of the domains learned so far, each with one mechanism off at a time."""
        return [
            evaluate.holdout(
                self.scorer, method, self.stream.domains[domain], after, "holdout", "cell", name
            )
            for name in method.ablations()
            for domain in learned
        ]

    def save_adapters(self, state: State) -> dict[str, str]:
        """Write every adapter that is not on disk yet; name -> digest of its weights."""
        from safetensors.torch import save

        digests = {}
        for name, tensors in _named("adapter", state).items():
            data = save(tensors)
            digests[name] = sha256(data).hexdigest()
            place = self.folder.adapter(digests[name])
            # the weights last: another cell that finds them finds the whole adapter
            if not (place / "adapter_model.safetensors").exists():
                write_atomically(place / "adapter_config.json", canonical(self.adapters.config()))
                write_atomically(place / "adapter_model.safetensors", data)
        return digests

    def save_structures(self, state: State) -> dict[str, str]:
        """Write what answers beside the adapters and is not on disk yet; name -> digest."""
        from safetensors.torch import save

        digests = {}
        for name, tensors in _named("structure", state).items():
            data = save(tensors)
            digests[name] = sha256(data).hexdigest()
            if not self.folder.structure(digests[name]).exists():
                write_atomically(self.folder.structure(digests[name]), data)
        return digests

    def saved(self, phase: PhaseRow) -> State:
        """What answers after a phase, from disk."""
        from safetensors.torch import load_file

        files = {
            f"adapter/{name}": self.folder.adapter(digest) / "adapter_model.safetensors"
            for name, digest in phase.adapters.items()
        } | {
            f"structure/{name}": self.folder.structure(digest)
            for name, digest in phase.structures.items()
        }
        tensors = {
            f"{place}/{key}": tensor.clone()  # as in a checkpoint: aligned
            for place, path in files.items()
            for key, tensor in load_file(path, device=self.device).items()
        }
        return State(tensors, phase.state)

    def _asked(self, task: lm_tasks.Task, method: Method | None, after: int) -> TaskRow:
        started = time.perf_counter()
        self.base.model.eval()
        with answering(method, ORACLE, task.domain):
            found = lm_tasks.scored(
                task, self.base.model, Path(self.setting["base"]), self.scorer.batch
            )
        return TaskRow(
            after=after,
            task=task.name,
            domain=task.domain,
            digest=task.digest,
            asked=found.asked,
            right=found.right,
            seconds=time.perf_counter() - started,
        )

    def forget_peak(self) -> None:
        """Let the peak of a phase be its own, where the machine can tell."""
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.reset_peak_memory_stats(self.device)

    def peak_bytes(self) -> int:
        """The most memory held: on the GPU in this phase, in RAM by this process so far."""
        if self.device.startswith("cuda"):
            import torch

            return int(torch.cuda.max_memory_allocated(self.device))
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _named(kind: str, state: State) -> dict[str, dict[str, Tensor]]:
    """The tensors of one kind, by name; each name's in a fixed order."""
    named: dict[str, dict[str, Tensor]] = {}
    for key, tensor in sorted(state.tensors.items()):
        its, *path = key.split("/")
        if its == kind:
            named.setdefault(path[0], {})[path[1]] = tensor.cpu().contiguous()
    return named
