"""CRMA-R's policy ``anchored``: its penalty by hand, its limits, its place in a state."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from classay.methods.crma import Config, Crma
from classay.suite import Training
from classay.trainer import PhaseTraining

SETTINGS = Training(tokens_per_domain=128, batch=2, learning_rate=0.02, warmup_steps=1)


@pytest.fixture
def anchored(make):
    def made(anchor: float, **settings) -> Crma:
        chosen = {"preset": "strong", "policy": "anchored", "anchor": anchor} | settings
        return make(Crma, Config(**chosen))

    return made


def weights(made: Crma) -> dict[str, bytes]:
    """Every byte that answers: adapters and structure, without what only learning needs."""
    kept = made.state().tensors.items()
    return {k: t.numpy().tobytes() for k, t in kept if not k.startswith("memory/")}


def test_the_penalty_by_hand(anchored, learn, offered):
    made, batch = anchored(4.0), offered(1).batches[0]
    learn(made, [0])
    made.begin_phase(offered(1))
    assert made.loss(batch)["anchor"].item() == 0.0
    with torch.no_grad():
        made.structure.own["gate"].add_(0.5)
    term = made.loss(batch)["anchor"]
    # two layers, one gate each, 0.5 away: 4/2 · 2 · 0.25 = 1, and each gate's slope is 4 · 0.5 = 2
    assert term.item() == pytest.approx(1.0, rel=1e-5)
    own = made.structure.own
    gate, v = torch.autograd.grad(term, [own["gate"], own["v"]])
    assert gate.tolist() == pytest.approx([2.0, 2.0], rel=1e-5)
    assert not v.any()


def test_its_gradient_is_that_of_finite_differences(anchored, learn, offered):
    made, batch = anchored(3.0), offered(1).batches[0]
    learn(made, [0])
    made.begin_phase(offered(1))
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in made.structure.own.values():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=draw))
    own = made.structure.own
    gradients = torch.autograd.grad(made.loss(batch)["anchor"], list(own.values()))
    for (key, parameter), gradient in zip(own.items(), gradients, strict=True):
        place = (0,) * parameter.ndim
        values = []
        for step in (1e-2, -2e-2, 1e-2):
            with torch.no_grad():
                parameter[place] += step
                values.append(made.loss(batch)["anchor"].item())
        slope = (values[0] - values[1]) / 2e-2
        assert gradient[place].item() == pytest.approx(slope, abs=5e-3), key


def test_it_is_felt_after_the_first_step_of_the_second_phase(anchored, learn):
    rows = learn(anchored(1.0))
    assert [set(row.terms) for row in rows[:4]] == [{"lm"}] * 4
    for phase in (rows[4:8], rows[8:]):
        assert phase[0].terms["anchor"] == 0.0
        assert all(row.terms["anchor"] > 0 for row in phase[1:])
        norms = phase[1].term_gradient_norms
        assert norms["anchor"] >= 1e-3 * norms["lm"]


@pytest.mark.parametrize("placement", ["stream", "group", "rank"])
def test_strength_zero_is_live_byte_for_byte(anchored, make, learn, placement):
    off = anchored(0.0, placement=placement)
    live = make(Crma, Config(preset="strong", placement=placement))
    some = anchored(1.0, placement=placement)
    for one in (off, live, some):
        learn(one)
    assert weights(off) == weights(live)
    assert weights(some) != weights(live)


def test_the_stronger_the_nearer(anchored, learn, offered):
    far = []
    for strength in (0.0, 10.0, 1000.0):
        made = anchored(strength)
        learn(made, [0])
        before = made.structure.own["v"].detach().clone()
        learn(made, [1])
        far.append((made.structure.own["v"] - before).norm().item())
    assert far[0] > 1.2 * far[1] > 1.2 * far[2] > 0


def test_the_anchor_is_where_the_domain_before_left_it(anchored, learn):
    made = anchored(1.0)
    for index in range(3):
        learn(made, [index])
        learned = torch.cat([p.detach().flatten() for p in made.structure.own.values()])
        assert torch.equal(made.state().tensors["memory/anchor"], learned)


def test_the_anchor_is_charged_and_survives_a_new_process(anchored, make, learn, offered):
    made = anchored(1.0)
    learn(made, [0])
    live = make(Crma, Config(preset="strong"))
    learn(live, [0])
    # 2 layers of n² + 2 = 6 numbers and 8 × 16 of V, of 4 bytes
    assert made.cost().stored_bytes == live.cost().stored_bytes + 4 * 2 * (6 + 8 * 16)
    resumed = anchored(1.0)
    resumed.restore(made.state())
    losses = []
    for one in (made, resumed):
        one.begin_phase(offered(1))
        training = PhaseTraining(one, offered(1), SETTINGS, one.seeds)
        losses.append([training.advance()[0].fact() for _ in range(training.steps)])
    assert losses[0] == losses[1]


def test_a_control_that_holds_the_mixing_anchors_the_rest(anchored, learn):
    made = anchored(1.0, control="fixed_permutation")
    learn(made, [0])
    assert len(made.state().tensors["memory/anchor"]) == 2 * (1 + 8 * 16)


@pytest.mark.parametrize(("policy", "anchor"), [("anchored", None), ("live", 1.0), ("single", 0.0)])
def test_a_strength_without_its_policy_is_refused(policy, anchor):
    with pytest.raises(ValueError, match=rf"'{policy}' with anchor {anchor}.*needs a strength"):
        Config(preset="strong", policy=policy, anchor=anchor)


@pytest.mark.parametrize(
    "settings",
    [
        {"control": "identity"},
        {"control": "fixed_permutation", "placement": "group", "gate": "open"},
        {"control": "fixed_permutation", "placement": "rank", "gate": "open"},
    ],
)
def test_an_anchor_of_nothing_is_refused(settings):
    with pytest.raises(ValueError, match=rf"'anchored' with control '{settings['control']}'"):
        Config(preset="strong", policy="anchored", anchor=1.0, **settings)
