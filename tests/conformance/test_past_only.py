"""No method keeps, or acts on, what it was not offered; and that is seen of one that does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import ClassVar

import pytest

torch = pytest.importorskip("torch")

from classay.method import Method, Phase, State
from classay.trainer import PhaseTraining

from .lives import DOMAINS, SETTINGS, STEPS, Bench, examples, grams


class Marked:
    """A stream in which every domain and the hold-out have words of their own.

    A word that has not been offered is poison: what the model makes of it is no number, and so is
    everything that anybody computes from that. Nor does the model say it by itself.
    """

    OWN: ClassVar = {
        **{d: (2 + 70 * i, 72 + 70 * i) for i, d in enumerate(DOMAINS)},
        "": (212, 300),
    }

    def __init__(self, model) -> None:
        self.offered: set[str] = set()
        model.get_input_embeddings().register_forward_hook(self._poison)
        model.get_output_embeddings().register_forward_hook(self._silence)

    def _unheard(self):
        return (words for owner, words in self.OWN.items() if owner not in self.offered)

    def _silence(self, module, arguments, output):
        for low, high in self._unheard():
            unheard = torch.arange(low, high, device=output.device)
            output = output.index_fill(-1, unheard, -1e4)
        return output

    def _poison(self, module, arguments, output):
        (ids,) = arguments
        for low, high in self._unheard():
            poison = ((low <= ids) & (ids < high)).unsqueeze(-1)
            output = output.masked_fill(poison, torch.nan)
        return output

    def text(self, owner: str) -> tuple[torch.Tensor, ...]:
        low, high = self.OWN[owner]
        draw = torch.Generator().manual_seed(low)
        return tuple(torch.randint(low, high, (STEPS, 2, 16), generator=draw))

    def phase(self, index: int) -> Phase:
        self.offered.add(DOMAINS[index])
        ids = self.text(DOMAINS[index])
        return Phase(index, DOMAINS[index], tuple({"input_ids": b, "labels": b} for b in ids))

    def found(self, tensors: Iterable[torch.Tensor], about: object = None) -> Iterator[str]:
        """Traces of what was not offered."""
        tensors, later = list(tensors), self.OWN.keys() - self.offered
        yield from (d for d in later - {""} if d in json.dumps(about))
        yield from (d for d in later if grams(self.text(d)) & grams(tensors))
        yield from ("poison" for t in tensors if not t.isfinite().all())


def traces(learned: Bench) -> list[str]:
    """Learn a marked stream; what of it was known before its time, or at all."""
    marked, found = Marked(learned.base.model), []
    held_out = marked.text("")[0]
    for index in range(len(DOMAINS)):
        phase = marked.phase(index)
        learned.method.begin_phase(phase)
        training = PhaseTraining(learned.method, phase, SETTINGS, learned.seeds)
        found += marked.found(t for batch in training.batches for t in batch.values())
        while training.step < training.steps:
            training.advance()
        learned.method.end_phase(phase)
        for domain in (*DOMAINS, None):  # as the harness does after every phase
            with learned.method.answering(domain), torch.inference_mode():
                for text in (torch.cat([marked.text(owner)[0] for owner in DOMAINS]), held_out):
                    learned.base.model(input_ids=text, use_cache=False)
        state = learned.method.state()
        found += marked.found(state.tensors.values(), state.about)
    return found


@pytest.mark.parametrize("name", examples())
def test_it_keeps_and_does_nothing_of_what_it_was_not_offered(bench, name):
    assert traces(bench(name)) == []


@pytest.mark.parametrize("loot", ["ids", "features"])
def test_that_law_sees_a_thief(bench, loot):
    class Thief(Method):
        """It listens while the hold-out is scored."""

        def begin_phase(self, phase):
            super().begin_phase(phase)
            self.loot = torch.zeros(4)
            self.model.get_input_embeddings().register_forward_hook(self.listen)

        def listen(self, module, arguments, output):
            self.loot = arguments[0] if loot == "ids" else output.sum(dim=(0, 1))

        def state(self):
            tensors, about = super().state()
            return State({**tensors, "memory/loot": self.loot}, about)

    learned = bench(None)
    learned.method = Thief(learned.adapters, None, learned.seeds)
    assert set(traces(learned)) == {"" if loot == "ids" else "poison"}
