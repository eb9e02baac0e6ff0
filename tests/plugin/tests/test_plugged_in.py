"""plugged_in on a small base with random weights: its own number, then what every method owes."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")

from classay import demonstration, registry
from classay.adapters import Adapters
from classay.base import Base
from classay.errors import ConfigError
from classay.method import Phase, State
from classay.seeding import Seeds
from classay.sources import Record, Records
from classay.suite import AdapterSpec, Training
from classay.trainer import PhaseTraining

SETTINGS = Training(tokens_per_domain=128, batch=2, learning_rate=0.02, warmup_steps=1)
DOMAINS = ("river", "oven", "clock")
STEPS = 4


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """A base of two layers, made on the spot."""
    text = Record(id="0", split="train", text="a stone in the river, a dough in the oven")
    part = Records("river", (text,), (), (), "text of this test")
    return demonstration.base(tmp_path_factory.mktemp("bases"), [part])


@pytest.fixture
def make(files):
    """The method, or another one by name, on a base of its own."""

    def made(config=None, name="plugged_in", seed=0):
        module = registry.load("method", name)
        seeds = Seeds(seed)
        adapters = Adapters(Base(files, "fp32", "cpu").model, AdapterSpec(rank=2, alpha=4), seeds)
        return module.METHOD(adapters, config or module.EXAMPLE, seeds)

    return made


def offered(index):
    generator = torch.Generator().manual_seed(100 + index)
    ids = torch.randint(2, 300, (STEPS, 2, 16), generator=generator)
    return Phase(index, DOMAINS[index], tuple({"input_ids": b, "labels": b} for b in ids))


def began(method, index):
    method.begin_phase(offered(index))
    return PhaseTraining(method, offered(index), SETTINGS, method.seeds)


def finish(method, index, training):
    while training.step < training.steps:
        training.advance()
    method.model.eval()
    method.end_phase(offered(index))
    return method


def learn(method, phases=3):
    for index in range(phases):
        finish(method, index, began(method, index))
    return method


def adapters(method):
    """Every number of every adapter, a copy."""
    tensors = [t for n in method.adapters.names for t in method.adapters.tensors(n).values()]
    return torch.cat([t.flatten() for t in tensors])


# --- its own


def test_the_pull_by_hand(make):
    method = learn(make(registry.resolve("plugged_in", {"strength": 3.0})), phases=1)
    batch = offered(1).batches[0]
    method.begin_phase(offered(1))
    assert method.loss(batch)["pull"] == 0
    with torch.no_grad():
        for parameter in method.parameters():
            parameter += 0.5
    # (λ/2) ‖θ − θ*‖² = 3/2 · n · 0.5², and its gradient is λ · 0.5
    pull = method.loss(batch)["pull"]
    assert pull.item() == pytest.approx(3 / 2 * method.cost().trainable * 0.25, rel=1e-4)
    for gradient in torch.autograd.grad(pull, list(method.parameters())):
        assert torch.allclose(gradient, torch.full_like(gradient, 1.5), rtol=1e-4)


def test_a_strength_has_no_default():
    with pytest.raises(ConfigError, match=r"lacks \['strength'\], which have no default"):
        registry.resolve("plugged_in", {})


# --- what every method owes


def test_same_seed_same_bits(make):
    assert torch.equal(adapters(learn(make())), adapters(learn(make())))


def test_another_seed_gives_other_weights(make):
    assert not torch.equal(adapters(learn(make())), adapters(learn(make(seed=1))))


def test_switched_off_it_is_its_parent_to_the_byte(make):
    module = registry.load("method", "plugged_in")
    parent = adapters(learn(make(name=module.PARENT)))
    assert torch.equal(adapters(learn(make(module.OFF))), parent)
    assert not torch.equal(adapters(learn(make())), parent)


def test_a_killed_phase_goes_on_with_the_same_bits(make):
    straight = adapters(learn(make(), phases=2))
    killed = learn(make(), phases=1)
    training = began(killed, 1)
    for _ in range(2):
        training.advance()
    state = killed.state()
    saved = {key: t.clone() for key, t in {**state.tensors, **training.state()}.items()}
    about = json.loads(json.dumps(state.about))

    resumed = make()
    resumed.restore(State(saved, about))
    training = PhaseTraining(resumed, offered(1), SETTINGS, resumed.seeds)
    training.restore(saved, 2)
    assert torch.equal(adapters(finish(resumed, 1, training)), straight)


def test_its_price_is_whole(make):
    method = learn(make())
    cost, own = method.cost(), f"adapter/{method.adapters.active}/"
    beside = [t.nbytes for key, t in method.state().tensors.items() if not key.startswith(own)]
    assert cost.trainable == sum(p.numel() for p in method.parameters()) > 0
    assert cost.stored_bytes >= sum(beside)


def test_what_a_plan_is_told_of_it_is_true(make):
    method, trained = make(), 0
    for index in range(len(DOMAINS)):
        method.begin_phase(offered(index))
        trained += sum(b["labels"].numel() for b in method.curriculum(offered(index)))
        method.end_phase(offered(index))
    kind, config = type(method), method.config
    assert kind.needs_domain_with(config) is method.needs_domain
    assert tuple(kind.mechanisms(config)) == tuple(method.ablations())
    assert trained == kind.budgets(config, len(DOMAINS)) * SETTINGS.tokens_per_domain
