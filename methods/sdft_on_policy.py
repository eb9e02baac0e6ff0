"""SDFT (2026): the model teaches itself on its own samples, as one that has the text in view.

::

    y ~ π_θ(· | x)                                     x: the first part of an offered row
    reverse  L = mean_i KL(π_θ(· | x, y_<i) ‖ π_φ(· | c, x, y_<i))
    forward  L = mean_i KL(π_φ(· | c, x, y_<i) ‖ π_θ(· | x, y_<i))
    φ ← φ + rate · (θ − φ)                             after every step

c, the demonstration, is the whole offered row, its later part included: the teacher reads the row,
then its first part once more, then the sample. The sum over the vocabulary is taken in full.

source      Shenfeld et al. 2026 (arXiv:2601.19897) eq. 1 and its EMA teacher for ``reverse``;
            idanshen/Self-Distillation at commit 1825ef3 (alpha = 0) and its issue 5 for
            ``forward``, with which, as its authors found, the paper's results were made
departures  packed rows of plain text have no question and no demonstration of an answer: the parts
            of a row stand for them, and no words ask for anything. A sample is as long as the
            original's later part and does not stop at an end-of-text token. The teacher begins
            every domain as the student.
choices     sampled at temperature 1 without dropout; the teacher reads without dropout, the student
            learns with it; no gradient goes through the sampling or the teacher. Only labelled
            tokens are sampled and count. The one term is recorded as ``lm`` because it stands in
            the place of the language model's loss; no cross-entropy is taken. An offered row is
            charged as tokens trained, of which the later part is learned from; sampling and the
            teacher's pass over two rows are charged in seconds alone. The batch that is recorded is
            the offered one, not what was sampled from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from classay.method import Cost, Method, Phase, State
from classay.methods._generation import check, cut, write, written

if TYPE_CHECKING:
    from torch import Tensor

    from classay.method import Batch, Terms

TEACHER = "teacher"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which divergence, how fast the teacher follows, how much of a row is sampled."""

    divergence: Literal["reverse", "forward"]
    rate: Annotated[float, Field(ge=0, le=1)]  # 0: the teacher stays what it was at the beginning
    sampled: Annotated[float, Field(gt=0, lt=1)] = 0.5  # of a row: its later part


class SdftOnPolicy(Method):
    """One shared adapter, and its moving average as the teacher."""

    stackable = False
    rewrites = True
    _place = (0, 0)  # phase and step, after which a step's samples are named

    def begin_phase(self, phase: Phase) -> None:
        check(self.model, phase, self.config.sampled, "methods.sdft_on_policy.sampled")
        super().begin_phase(phase)
        student = str(self.adapters.active)
        self.adapters.load(TEACHER, self.adapters.tensors(student))
        self.adapters.use(student)
        self._place = (phase.index, 0)

    def loss(self, batch: Batch) -> Terms:
        start = cut(batch["input_ids"].shape[1], self.config.sampled)
        said = self._sample(batch, start)
        taught = self._taught(batch, said, start)
        learned = self.model(input_ids=said, use_cache=False).logits[:, start - 1 : -1]
        own = written(batch, start)[:, start:]
        apart = divergence(learned, taught, self.config.divergence)
        return {"lm": (apart * own).sum() / own.sum().clamp_min(1)}

    def after_step(self) -> None:
        import torch

        student = self.adapters.tensors(str(self.adapters.active))
        teacher = self.adapters.tensors(TEACHER)
        torch._foreach_lerp_(
            list(teacher.values()), [student[key] for key in teacher], self.config.rate
        )
        index, step = self._place
        self._place = (index, step + 1)

    def cost(self) -> Cost:
        taught = TEACHER in self.adapters.names
        kept = self.adapters.tensors(TEACHER).values() if taught else ()
        return Cost(super().cost().trainable, sum(t.nbytes for t in kept), 0)

    def state(self) -> State:
        tensors, about = super().state()
        return State(tensors, about | {"place": list(self._place)})

    def restore(self, state: State) -> None:
        super().restore(state)
        index, step = state.about["place"]
        self._place = (index, step)

    def _sample(self, batch: Batch, start: int) -> Tensor:
        """What the student says after the first part of each row."""
        import torch

        generator = torch.Generator(batch["input_ids"].device)
        generator.manual_seed(self.seeds.integer("sdft_on_policy", *self._place))
        return write(self.model, batch, start, None, 1.0, generator)

    def _taught(self, batch: Batch, said: Tensor, start: int) -> Tensor:
        """The logits of the teacher, which has the whole row in view, on the student's tokens."""
        import torch

        training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad(), self.adapters.answering(TEACHER):
                shown = torch.cat([batch["input_ids"], said], dim=1)
                logits = self.model(input_ids=shown, use_cache=False).logits
        finally:
            self.model.train(training)
        return logits[:, said.shape[1] + start - 1 : -1]


def divergence(student: Tensor, teacher: Tensor, kind: str) -> Tensor:
    """KL between two distributions over tokens, from their logits.

    student, teacher  (…, vocabulary)
    kind              ``reverse`` is KL(student ‖ teacher), ``forward`` KL(teacher ‖ student)
    returns           (…), nats
    """
    ours, theirs = student.float().log_softmax(-1), teacher.float().log_softmax(-1)
    if kind == "reverse":
        return (ours.exp() * (ours - theirs)).sum(-1)
    return (theirs.exp() * (theirs - ours)).sum(-1)


METHOD = SdftOnPolicy
EXAMPLE = Config(divergence="reverse", rate=0.01)  # runs in the conformance tests
VARIANTS = {"forward": Config(divergence="forward", rate=0.01)}
