"""LwF: the right KL, from the model before the phase, batch by batch, where there are labels."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from classay import registry
from classay.errors import ConfigError
from classay.method import Phase, State
from classay.methods.lwf import Config, LwF
from classay.methods.naive_lora import NaiveLoRA
from classay.packing import IGNORED
from classay.seeding import Seeds
from classay.suite import Training
from classay.trainer import PhaseTraining

PLAIN = Config(strength=2.0)
SETTINGS = Training(tokens_per_domain=128, batch=2, learning_rate=0.02, warmup_steps=1)


class Table(torch.nn.Module):
    """The logits of a position are a row of a table, chosen by its token."""

    def __init__(self, rows) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor(rows))

    def forward(self, input_ids, labels, use_cache):
        return SimpleNamespace(loss=self.w.sum() * 0, logits=self.w[input_ids])


def lwf(model: Table, **changes) -> LwF:
    def load(name, tensors):
        with torch.no_grad():
            model.w.copy_(tensors["w"])

    adapters = SimpleNamespace(
        model=model,
        active="shared",
        copies=lambda names: {name: {"w": model.w.detach().clone()} for name in names},
        load=load,
    )
    return LwF(adapters, Config(**{"strength": 1.0, "temperature": 1.0} | changes), Seeds(0))


def phase(ids, labels=None) -> Phase:
    ids = torch.tensor(ids)
    labels = ids if labels is None else torch.tensor(labels)
    return Phase(1, "oven", ({"input_ids": ids, "labels": labels},))


def taught(method: LwF, lesson: Phase, new) -> torch.Tensor:
    """The term on the first batch, after the model has become ``new``."""
    method.begin_phase(lesson)
    (batch,) = method.curriculum(lesson)
    with torch.no_grad():
        method.model.w.copy_(torch.tensor(new))
    return method.loss(batch)["distillation"]


def test_the_term_by_hand_and_in_which_direction():
    # old (1/4, 3/4), new (1/2, 1/2): ¼ ln ½ + ¾ ln 3/2 = 0.1308; the other direction is 0.1438
    found = taught(lwf(Table([[0.0, math.log(3)]]), strength=2.0), phase([[0, 0]]), [[0.0, 0.0]])
    assert found.item() == pytest.approx(2 * (0.25 * math.log(0.5) + 0.75 * math.log(1.5)))
    assert found.item() == pytest.approx(0.26162, abs=1e-5)


def test_the_temperature_by_hand():
    # logits ln 9 / 2 = ln 3: the same distributions, times T² = 4
    method = lwf(Table([[0.0, math.log(9)]]), temperature=2.0)
    found = taught(method, phase([[0, 0]]), [[0.0, 0.0]])
    assert found.item() == pytest.approx(4 * 0.13081, abs=1e-4)


def test_the_gradient_is_new_minus_old_and_none_goes_through_the_old_model():
    # ∂KL/∂logits of the new model is p_new − p_old = (½ − ¼, ½ − ¾)
    method = lwf(Table([[0.0, math.log(3)]]))
    term = taught(method, phase([[0, 0]]), [[0.0, 0.0]])
    assert torch.autograd.grad(term, method.model.w)[0].tolist() == [
        pytest.approx([0.25, -0.25], abs=1e-6)
    ]
    (batch,) = method.curriculum(phase([[0, 0]]))
    assert not batch["teacher"].requires_grad


@pytest.mark.parametrize("temperature", [0.7, 2.0])
def test_the_gradient_is_that_of_finite_differences(temperature):
    method = lwf(Table([[0.3, -1.0, 0.2], [0.0, 0.5, 1.5]]), temperature=temperature)
    term = taught(method, phase([[0, 1, 0]]), [[0.1, 0.1, -0.4], [0.7, 0.0, 0.2]])
    (batch,) = method.curriculum(phase([[0, 1, 0]]))
    (found,) = torch.autograd.grad(term, method.model.w)
    at, step = method.model.w.detach().clone(), 1e-2
    for place in [(0, 0), (0, 2), (1, 1)]:
        sides = []
        for sign in (1, -1):
            with torch.no_grad():
                method.model.w.copy_(at)
                method.model.w[place] += sign * step
            sides.append(method.loss(batch)["distillation"].item())
        assert found[place].item() == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-3)


def test_only_positions_with_a_label_are_taught():
    # token 0 is answered as before, token 1 is not; a position is scored with the next one's label
    old, new = [[0.0, 1.0], [0.0, math.log(3)]], [[0.0, 1.0], [0.0, 0.0]]
    ids = [[0, 1, 0, 1]]

    def found(labels):
        return taught(lwf(Table(old)), phase(ids, labels), new).item()

    one = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    assert found([[5, 5, IGNORED, 5]]) == pytest.approx(0.0, abs=1e-7)
    assert found([[IGNORED, IGNORED, 5, IGNORED]]) == pytest.approx(one, abs=1e-6)
    # the mean over the two that are left, and the last position has no next
    assert found([[IGNORED, 5, 5, IGNORED]]) == pytest.approx(one / 2, abs=1e-6)


def test_where_the_model_is_still_the_old_one_there_is_no_term_and_no_gradient(
    make, learn, offered
):
    method = make(LwF, PLAIN)
    learn(method, [0])
    method.begin_phase(offered(1))
    term = method.loss(method.curriculum(offered(1))[0])["distillation"]
    assert term.item() == pytest.approx(0.0, abs=1e-6)
    gradients = torch.autograd.grad(term, list(method.parameters()))
    assert max(float(gradient.abs().max()) for gradient in gradients) < 1e-4


def test_every_batch_has_the_old_answers_to_itself_whatever_the_order(make, learn, offered):
    method = make(LwF, PLAIN)
    learn(method, [0])
    method.begin_phase(offered(1))
    batches = method.curriculum(offered(1))
    for batch in (batches[2], batches[0], batches[3]):
        assert method.loss(batch)["distillation"].item() == pytest.approx(0.0, abs=1e-6)
    swapped = {**batches[0], "teacher": batches[1]["teacher"]}
    assert method.loss(swapped)["distillation"].item() > 0.1


def test_the_old_answers_are_those_of_evaluation_mode(make, learn, offered):
    method = make(LwF, PLAIN, dropout=0.5)
    learn(method, [0])
    method.begin_phase(offered(1))
    state = torch.get_rng_state()
    method.model.train()
    first = method.curriculum(offered(1))
    assert method.model.training
    assert all(m.training for m in method.model.modules() if isinstance(m, torch.nn.Dropout))
    assert torch.equal(torch.get_rng_state(), state)
    method.model.eval()
    again = method.curriculum(offered(1))
    assert not method.model.training
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one["teacher"], other["teacher"])


def test_the_teacher_is_the_model_before_the_phase_also_in_the_middle_of_it(make, learn, offered):
    method, other = make(LwF, PLAIN), make(LwF, PLAIN)
    learn(method, [0])
    method.begin_phase(offered(1))
    training = PhaseTraining(method, offered(1), SETTINGS, method.seeds)
    training.advance()
    training.advance()
    now = method.adapters.copies(["shared"])
    state = method.state()
    other.restore(State({k: t.clone() for k, t in state.tensors.items()}, state.about))
    for mine, theirs in zip(training.batches, other.curriculum(offered(1)), strict=True):
        assert torch.equal(mine["teacher"], theirs["teacher"])
    # and it is the adapter in training that goes on
    assert other.adapters.moved(now) == 0.0
    assert other.loss(training.batches[0])["distillation"] > 0


def test_without_strength_it_is_naive_to_the_byte(make, learn, bytes_of):
    method, naive = make(LwF, Config(strength=0.0)), make(NaiveLoRA)
    learn(method)
    learn(naive)
    assert bytes_of(method) == bytes_of(naive)


def test_the_term_begins_with_the_second_phase_and_is_felt_after_its_first_step(make, learn):
    rows = learn(make(LwF, PLAIN))
    assert all(set(row.terms) == {"lm"} for row in rows if row.phase == 0)
    assert all(row.terms["distillation"] > 0 for row in rows if row.phase > 0 and row.step > 0)
    felt = [row.term_gradient_norms for row in rows if row.phase > 0 and row.step == 1]
    assert len(felt) == 2
    assert all(norms["distillation"] / norms["lm"] > 1e-3 for norms in felt)


def test_with_strength_it_answers_more_like_before(make, learn, offered):
    moved = []
    for strength in (0.0, 50.0):
        method = make(LwF, Config(strength=strength))
        learn(method, [0])
        method.begin_phase(offered(1))
        training = PhaseTraining(method, offered(1), SETTINGS, method.seeds)
        while training.step < training.steps:
            training.advance()
        method.config = PLAIN
        moved.append(method.loss(training.batches[0])["distillation"].item())
    assert 0 < moved[1] < 0.7 * moved[0]


def test_old_answers_are_charged_while_they_are_held(make, learn, offered):
    method = make(LwF, PLAIN)
    learn(method, [0])
    assert method.cost().stored_bytes == 0
    method.begin_phase(offered(1))
    method.curriculum(offered(1))
    cost = method.cost()
    # 4 batches of 2 rows of 15 scored positions and 320 tokens, and the old adapter: 4 bytes each
    assert cost == (cost.trainable, 4 * (4 * 2 * 15 * 320 + cost.trainable), 0)
    method.end_phase(offered(1))
    assert method.cost() == (cost.trainable, 0, 0)
    assert set(method.state().tensors) == {k for k in method.state().tensors if "adapter/" in k}


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError, match=r"lacks \['strength'\], which have no default"):
        registry.resolve("lwf", {})
    for wrong in ({"strength": -1.0}, {"strength": 1.0, "temperature": 0.0}):
        with pytest.raises(ConfigError, match=f"methods.lwf has settings.*{[*wrong][-1]}"):
            registry.resolve("lwf", wrong)
