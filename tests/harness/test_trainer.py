"""The training loop: what a step does, what is recorded of it, how it goes on after a kill."""

from __future__ import annotations

import math
from hashlib import sha256
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

import numpy as np

from classay import packing, trainer
from classay.adapters import Adapters
from classay.base import Base, locate
from classay.errors import Diverged
from classay.method import Group, Invariant, Method, Phase, Trace
from classay.methods.ewc import EWC, Config
from classay.records import StepRow
from classay.seeding import Seeds
from classay.suite import AdapterSpec, BaseSpec, Training
from classay.trainer import PhaseTraining, phase_of


class Line(torch.nn.Module):
    """loss = mean (w − y)² / 2 over a batch: the gradient is mean (w − y)."""

    def __init__(self, w: float = 0.0) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor([w]))

    def forward(self, input_ids, labels, use_cache):
        return SimpleNamespace(loss=0.5 * ((self.w - labels) ** 2).mean())


class OneParameter(Method):
    """A method without adapters: the loop alone is under test."""

    def __init__(self, model, **hooks):
        self.model, self.hooks = model, hooks

    def parameters(self):
        return iter(self.model.parameters())

    def edit_gradients(self):
        self.hooks.get("edit", lambda: None)()

    def after_step(self):
        self.hooks.get("after", lambda: None)()

    def invariants(self):
        return self.hooks.get("invariants", list)()


def batch(*labels: float):
    return {"input_ids": torch.zeros(1, len(labels)), "labels": torch.tensor([labels])}


def settings(**changes) -> Training:
    plain = {"tokens_per_domain": 8, "learning_rate": 0.1, "warmup_steps": 0, "clip": 1e9}
    return Training(**plain | changes)


def training(model=None, batches=4, *, hooks=None, **changes) -> PhaseTraining:
    method = OneParameter(model or Line(), **(hooks or {}))
    phase = Phase(0, "toy", tuple(batch(1.0, 3.0) for _ in range(batches)))
    return PhaseTraining(method, phase, settings(**changes), Seeds(0))


def test_a_step_by_hand():
    # w = 0, y = (1, 3): loss = (1 + 9) / 4 = 2.5; gradient = mean(−1, −3) = −2; AdamW's first step
    # is lr · g / (|g| + ε) = 0.1, whatever the gradient's size, so w becomes 0.1
    step = training()
    (row,) = step.advance()
    assert row.terms == {"lm": pytest.approx(2.5)}
    assert row.gradient_norm == pytest.approx(2.0)
    assert step.method.model.w.item() == pytest.approx(0.1)
    assert (row.phase, row.step, row.lr) == (0, 0, pytest.approx(0.1))
    assert row.tokens == 2


def test_the_learning_rate_by_hand():
    # 2 warm-up steps of 6, then linear to 0: 1/3, 2/3, then (6 − 2)/4 = 1, 3/4, 2/4, 1/4
    rate = training(batches=6, warmup_steps=2).learning_rate
    expected = [1 / 3, 2 / 3, 1.0, 0.75, 0.5, 0.25]
    assert [rate(step) for step in range(6)] == pytest.approx([0.1 * x for x in expected])


def test_the_learning_rate_begins_anew_where_the_method_says():
    # a stretch of 3 steps with 1 of warm-up, and one of 2: 1/2, (3 − 1)/2, 1/2; 1/2, (2 − 1)/1
    class TwoStretches(OneParameter):
        def restarts(self, phase):
            return (3,)

    phase = Phase(0, "toy", tuple(batch(1.0, 3.0) for _ in range(5)))
    rate = PhaseTraining(
        TwoStretches(Line()), phase, settings(warmup_steps=1), Seeds(0)
    ).learning_rate
    expected = [0.5, 1.0, 0.5, 0.5, 1.0]
    assert [rate(step) for step in range(5)] == pytest.approx([0.1 * x for x in expected])


def test_a_phase_shorter_than_its_warm_up_still_learns():
    rate = training(batches=2, warmup_steps=50).learning_rate
    assert all(rate(step) > 0 for step in range(2))


def test_the_gradient_is_recorded_before_it_is_clipped():
    step = training(clip=0.5)
    (row,) = step.advance()
    assert row.gradient_norm == pytest.approx(2.0)
    assert step.parameters[0].grad.norm().item() == pytest.approx(0.5, rel=1e-5)


def test_an_edited_gradient_is_what_is_recorded_and_stepped():
    model = Line()
    step = training(model, hooks={"edit": lambda: model.w.grad.mul_(-3)})
    (row,) = step.advance()
    assert row.gradient_norm == pytest.approx(6.0)
    assert model.w.item() == pytest.approx(-0.1)


def test_what_is_changed_after_the_step_stays():
    model = Line()

    def project():
        with torch.no_grad():
            model.w.clamp_(max=0.05)

    training(model, hooks={"after": project}).advance()
    assert model.w.item() == pytest.approx(0.05)


def test_invariants_are_recorded_at_every_step():
    step = training(hooks={"invariants": lambda: [Invariant("norm", "all", 1.5, 1.0, 0.1)]})
    rows = [row for _ in range(3) for row in step.advance()[1:]]
    assert [(r.step, r.value, r.promised, r.tolerance) for r in rows] == [
        (s, 1.5, 1.0, 0.1) for s in range(3)
    ]


class TwoRates(OneParameter):
    """A second parameter, at a tenth of the rate and without decay."""

    def __init__(self, model, **hooks):
        super().__init__(model, **hooks)
        self.gate = torch.nn.Parameter(torch.zeros(1))

    def parameters(self):
        return iter([*self.model.parameters(), self.gate])

    def parameter_groups(self):
        weights = Group("other", list(self.model.parameters()))
        return [weights, Group("gate", [self.gate], rate=0.1, decays=False)]

    def loss(self, batch):
        return {"lm": self.model(**batch, use_cache=False).loss - 4 * self.gate.sum()}


def test_a_group_moves_at_its_own_rate():
    # AdamW's first step is its rate, against the gradient's sign: 0.1 · 1, and 0.1 · 0.1 for the
    # gate; the gradients are −2 and −4, and their norm √(2² + 4²)
    method = TwoRates(Line())
    phase = Phase(0, "toy", (batch(1.0, 3.0),))
    (row,) = PhaseTraining(method, phase, settings(), Seeds(0)).advance()
    assert method.model.w.item() == pytest.approx(0.1)
    assert method.gate.item() == pytest.approx(0.01)
    assert row.lr == pytest.approx(0.1)
    assert row.layer_gradient_norms == {"other": pytest.approx(2.0), "gate": pytest.approx(4.0)}
    assert row.gradient_norm == pytest.approx(math.sqrt(20))


def test_a_group_that_does_not_decay_keeps_its_value():
    method = TwoRates(Line(1.0))
    with torch.no_grad():
        method.gate.fill_(1.0)
    method.loss = lambda b: {"lm": 0 * method.model.w.sum() + 0 * method.gate.sum()}
    phase = Phase(0, "toy", (batch(1.0, 3.0),))
    PhaseTraining(method, phase, settings(weight_decay=0.5), Seeds(0)).advance()
    assert method.model.w.item() == pytest.approx(1 - 0.1 * 0.5)  # AdamW: w − lr · decay · w
    assert method.gate.item() == 1.0


def test_groups_go_on_where_they_were():
    phase = Phase(0, "toy", tuple(batch(1.0, 3.0) for _ in range(6)))
    straight = PhaseTraining(TwoRates(Line()), phase, settings(), Seeds(0))
    rows = [straight.advance()[0].fact() for _ in range(6)]
    first = PhaseTraining(TwoRates(Line()), phase, settings(), Seeds(0))
    for _ in range(3):
        first.advance()
    method = TwoRates(Line(first.method.model.w.item()))
    with torch.no_grad():
        method.gate.copy_(first.method.gate)
    second = PhaseTraining(method, phase, settings(), Seeds(0))
    second.restore(first.state(), 3)
    assert [second.advance()[0].fact() for _ in range(3)] == rows[3:]
    assert method.gate.item() == straight.method.gate.item()


def test_a_mechanism_is_traced_after_every_step_and_at_the_end():
    step = training(batches=2)
    seen = []

    def trace(ended):
        seen.append((step.method.model.w.item(), ended))
        return Trace(("0", "1"), {"gate": [0.5, float(ended)]}, {"gate": (0.0, 1.0)})

    step.method.trace = trace
    rows = [row for _ in range(2) for row in step.advance()[1:]] + step.trace(2, ended=True)
    assert [(row.step, row.values["gate"]) for row in rows] == [
        (0, [0.5, 0.0]),
        (1, [0.5, 0.0]),
        (2, [0.5, 1.0]),
    ]
    assert rows[0].promised == {"gate": (0.0, 1.0)}
    assert seen[0] == (pytest.approx(0.1), False)  # after the step, not before it


def test_terms_are_summed_and_kept_by_name():
    model = Line()
    step = training(model)
    step.method.loss = lambda b: {"lm": model.w.sum() * 2, "penalty": model.w.sum() * 3}
    (row,) = step.advance()
    assert set(row.terms) == {"lm", "penalty"}
    assert row.gradient_norm == pytest.approx(5.0)  # d(2w + 3w)/dw


def two_terms(model, steps=8) -> PhaseTraining:
    made = training(model, batches=steps)
    made.method.loss = lambda b: {"lm": model.w.sum() * 2, "penalty": (model.w**2).sum() * 3}
    return made


def test_the_gradient_of_each_term_by_hand():
    step = two_terms(Line(0.5))
    rows = [step.advance()[0] for _ in range(8)]
    # every fourth step from the second on
    assert [bool(row.term_gradient_norms) for row in rows] == [False, True, False, False] * 2
    # d(2w)/dw = 2; after one step of 0.1 downwards d(3w²)/dw = 6 · 0.4
    assert rows[1].term_gradient_norms == {
        "lm": pytest.approx(2.0),
        "penalty": pytest.approx(2.4),
    }
    assert rows[1].gradient_norm == pytest.approx(4.4)


def test_a_single_term_is_not_measured_twice():
    step = training(batches=8)
    assert all(step.advance()[0].term_gradient_norms == {} for _ in range(8))


def test_a_term_that_no_parameter_moves_has_no_gradient():
    model = Line(0.5)
    step = two_terms(model)
    step.method.loss = lambda b: {"lm": model.w.sum(), "constant": torch.tensor(3.0)}
    step.advance()
    assert step.advance()[0].term_gradient_norms == {"lm": pytest.approx(1.0), "constant": 0.0}


def test_a_resumed_phase_measures_the_same_steps():
    straight = two_terms(Line(0.5))
    rows = [straight.advance()[0].fact() for _ in range(8)]
    first = two_terms(Line(0.5))
    for _ in range(3):
        first.advance()
    second = two_terms(Line(first.method.model.w.item()))
    second.restore(first.state(), 3)
    assert [second.advance()[0].fact() for _ in range(5)] == rows[3:]


def test_measuring_the_terms_changes_no_bit_of_the_training(tiny_base, monkeypatch):
    def learned(first: int) -> tuple[list[StepRow], list[torch.Tensor]]:
        monkeypatch.setattr(trainer, "TERMS_FIRST", first)
        base = Base(locate(BaseSpec(path=str(tiny_base))), "fp32", "cpu")
        adapters = Adapters(base.model, AdapterSpec(rank=2, dropout=0.1), Seeds(0))
        method = EWC(adapters, Config(strength=1e3, examples=2, normalisation="max"), Seeds(0))
        rows = []
        for index in range(2):
            ids = torch.arange(96).reshape(6, 1, 16) + 100 * index
            batches = tuple({"input_ids": b, "labels": b} for b in ids)
            phase = Phase(index, "toy", batches)
            method.begin_phase(phase)
            step = PhaseTraining(method, phase, settings(), Seeds(0))
            rows += [step.advance()[0] for _ in range(6)]
            method.end_phase(phase)
        return rows, list(adapters.tensors("shared").values())

    (rows, weights), (plain_rows, plain_weights) = learned(1), learned(-1)
    assert sum(bool(row.term_gradient_norms) for row in rows) == 2  # steps 1 and 5 of phase 1
    assert not any(row.term_gradient_norms for row in plain_rows)
    assert [row.model_copy(update={"term_gradient_norms": {}}).fact() for row in rows] == [
        row.fact() for row in plain_rows
    ]
    assert all(torch.equal(a, b) for a, b in zip(weights, plain_weights, strict=True))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_before_the_parameters_move(value):
    model = Line()
    step = training(model)
    step.advance()
    before = model.w.item()
    step.method.loss = lambda b: {"lm": model.w.sum() * value}
    with pytest.raises(Diverged, match=r"(?s)phase 0 \(toy\), step 1: lm = .*finite.*Lower the le"):
        step.advance()
    assert model.w.item() == before


def test_a_gradient_that_is_no_number_stops_too():
    model = Line()
    step = training(model, hooks={"edit": lambda: model.w.grad.fill_(math.nan)})
    with pytest.raises(Diverged, match="gradient norm nan"):
        step.advance()


def test_a_resumed_phase_has_the_bits_of_one_that_was_not():
    straight = training(batches=6)
    rows = [straight.advance()[0].fact() for _ in range(6)]
    first = training(batches=6)
    for _ in range(3):
        first.advance()
    model = Line(first.method.model.w.item())
    second = training(model, batches=6)
    second.restore(first.state(), 3)
    assert [second.advance()[0].fact() for _ in range(3)] == rows[3:]
    assert model.w.item() == straight.method.model.w.item()


def test_a_moment_that_is_not_its_parameters_is_refused():
    first = training(batches=6)
    first.advance()
    tensors = first.state()
    (name,) = (name for name in tensors if name.endswith("/exp_avg"))
    with pytest.raises(
        ValueError,
        match=r"(?s)exp_avg has the shape \(7, 2\) and its parameter .*another order.*by name",
    ):
        training(batches=6).restore({**tensors, name: torch.zeros(7, 2)}, 1)


def test_resuming_without_the_optimizer_would_be_seen():
    straight = training(batches=6)
    for _ in range(6):
        straight.advance()
    first = training(batches=6)
    for _ in range(3):
        first.advance()
    second = training(Line(first.method.model.w.item()), batches=6)
    second.step = 3
    for _ in range(3):
        second.advance()
    assert second.method.model.w.item() != straight.method.model.w.item()


def test_layers_are_told_apart_and_add_up(tiny_base):
    base = Base(locate(BaseSpec(path=str(tiny_base))), "fp32", "cpu")
    method = Method(Adapters(base.model, AdapterSpec(rank=2), Seeds(0)), None, Seeds(0))
    ids = torch.arange(32).reshape(2, 16)
    phase = Phase(0, "toy", ({"input_ids": ids, "labels": ids},) * 2)
    method.begin_phase(phase)
    step = PhaseTraining(method, phase, settings(), Seeds(0))
    (row,) = step.advance()
    assert set(row.layer_gradient_norms) == {"0", "1"}  # two decoder layers, nothing beside them
    total = math.sqrt(sum(norm**2 for norm in row.layer_gradient_norms.values()))
    assert row.gradient_norm == pytest.approx(total, rel=1e-6)


def test_the_digest_of_a_step_is_that_of_the_offered_batch():
    ids = np.arange(8, dtype=np.int32).reshape(2, 4)
    labels = np.where(ids > 3, ids, packing.IGNORED).astype(np.int32)
    offered = packing.Batch(ids, labels)
    phase = phase_of(0, "toy", [offered], "cpu")
    assert phase.batches[0]["labels"].tolist() == labels.tolist()
    model = Line()
    step = PhaseTraining(OneParameter(model), phase, settings(), Seeds(0))
    (row,) = step.advance()
    assert row.batch == offered.digest == sha256(ids.tobytes() + labels.tobytes()).hexdigest()


def test_dropout_depends_on_seed_and_phase_alone():
    def draws(seed: int, index: int) -> list[float]:
        torch.rand(17)
        phase = Phase(index, "x", (batch(1.0),))
        PhaseTraining(OneParameter(Line()), phase, settings(), Seeds(seed))
        return torch.rand(3).tolist()

    assert draws(0, 1) == draws(0, 1)
    assert draws(0, 1) != draws(0, 2)
    assert draws(0, 1) != draws(1, 1)
