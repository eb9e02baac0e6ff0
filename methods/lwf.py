"""LwF: on the new domain's text, the model keeps giving the answers that it gave before.

::

    L(θ) + λ T² (1/n) Σ KL(p_old ‖ p_new)        over the n positions of the batch with a label

    p = softmax(logits / T);  old: the model before this phase, new: the model in training

source      Li & Hoiem 2016 (arXiv:1606.09282), the knowledge-distillation loss; T² as in Hinton et
            al. 2015 (arXiv:1503.02531) §2, so that T does not change the size of the gradient
departures  the paper has heads of their own for old tasks, trains a new head first, and takes the
            cross-entropy of p_old and p_new, which has the gradient of this KL; here one model with
            one output layer learns all domains, so old and new answers are about the same tokens
choices     nothing of earlier domains is seen again: the term knows of them only what the old model
            says about the new text. The old answers are computed at the start of a phase, in
            evaluation mode, for every batch that will be trained on, and travel with it, so that no
            order can part them. They are n · vocabulary float32 numbers a batch, for a whole phase:
            charged while they are held, and gone between phases. A phase that is resumed computes
            them again, from the old adapter, which is kept until the phase ends. The passes that
            compute them are in no count of tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from classay.method import Cost, Method, Phase, State
from classay.packing import IGNORED

if TYPE_CHECKING:
    from torch import Tensor

    from classay.method import Batch, Terms

SHARED = "shared"  # the adapter that every domain trains
KEPT = "memory/teacher/"


@dataclass(frozen=True, kw_only=True)
class Config:
    """How strongly, and how softly, the old model teaches."""

    strength: Annotated[float, Field(ge=0)]  # λ
    temperature: Annotated[float, Field(gt=0)] = 2.0  # T


class LwF(Method):
    """One shared adapter, taught by what it was before the phase."""

    plain_first_phase = True
    _old: dict[str, Tensor] | None = None  # the adapter before this phase, while it lasts
    _held = 0  # bytes of old answers

    def begin_phase(self, phase: Phase) -> None:
        super().begin_phase(phase)
        if phase.index > 0:
            self._old = self._copy()

    def curriculum(self, phase: Phase) -> Sequence[Batch]:
        if self._old is None:
            return phase.batches
        import torch

        now, training = self._copy(), self.model.training
        self.adapters.load(SHARED, self._old)
        self.model.eval()
        with torch.no_grad():
            batches = [{**batch, "teacher": self._answers(batch)[1]} for batch in phase.batches]
        self.model.train(training)
        self.adapters.load(SHARED, now)
        self._held = sum(batch["teacher"].nbytes for batch in batches)
        return batches

    def loss(self, batch: Batch) -> Terms:
        if "teacher" not in batch:
            return super().loss(batch)
        from torch.nn.functional import kl_div

        lm, new = self._answers(batch)
        # PyTorch's kl_div(q, p) is KL(p ‖ q)
        found = kl_div(new, batch["teacher"], reduction="batchmean", log_target=True)
        scale = self.config.strength * self.config.temperature**2
        return {"lm": lm, "distillation": scale * found}

    def end_phase(self, phase: Phase) -> None:
        self._old, self._held = None, 0

    def cost(self) -> Cost:
        old = sum(tensor.nbytes for tensor in (self._old or {}).values())
        return Cost(super().cost().trainable, old + self._held, 0)

    def state(self) -> State:
        tensors, about = super().state()
        return State(tensors | {KEPT + key: t for key, t in (self._old or {}).items()}, about)

    def restore(self, state: State) -> None:
        super().restore(state)
        kept = {k.removeprefix(KEPT): t for k, t in state.tensors.items() if k.startswith(KEPT)}
        self._old = kept or None

    def _copy(self) -> dict[str, Tensor]:
        return self.adapters.copies([SHARED])[SHARED]

    def _answers(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The language model's loss, and ln p of every position with a label: (n, vocabulary)."""
        labels = batch["labels"]
        output = self.model(input_ids=batch["input_ids"], labels=labels, use_cache=False)
        # a position is scored with the label of the next
        logits = output.logits[:, :-1][labels[:, 1:] != IGNORED]
        return output.loss, (logits.float() / self.config.temperature).log_softmax(-1)


METHOD = LwF
EXAMPLE = Config(strength=2.0)  # runs in the conformance tests
OFF = Config(strength=0.0)
