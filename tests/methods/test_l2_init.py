"""L2 Init: the term is the distance from the first weights, whatever was learned in between."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from classay import registry
from classay.errors import ConfigError
from classay.method import Phase, State
from classay.methods.l2_init import Config, L2Init
from classay.methods.naive_lora import NaiveLoRA
from classay.seeding import Seeds

STRONG = Config(strength=50.0)


def written(strength: float, w: torch.Tensor) -> L2Init:
    """The method on one parameter that is written down, with a loss of 0."""
    model = lambda **batch: SimpleNamespace(loss=torch.tensor(0.0, dtype=w.dtype))  # noqa: E731
    own = {"names": [], "active": None, "beside": (), "fresh": lambda *of: None}
    adapters = SimpleNamespace(model=model, parameters=lambda: iter([w]), **own)
    return L2Init(adapters, Config(strength=strength), Seeds(0))


def phase(index: int) -> Phase:
    return Phase(index, "river", ())


def test_the_term_by_hand():
    w = torch.tensor([1.0, -1.0], requires_grad=True)
    method = written(3.0, w)
    method.begin_phase(phase(0))
    with torch.no_grad():
        w.copy_(torch.tensor([2.0, 1.0]))
    term = method.loss({})["l2_init"]
    # 3 · (1² + 2²) = 15, and its gradient 2 · 3 · (1, 2)
    assert term.item() == 15.0
    assert torch.autograd.grad(term, w)[0].tolist() == [6.0, 12.0]


def test_the_gradient_is_that_of_finite_differences():
    w = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64, requires_grad=True)
    method = written(0.9, w)
    method.begin_phase(phase(0))
    with torch.no_grad():
        w += torch.tensor([0.2, -0.4, 0.1])

    def term(at: torch.Tensor) -> torch.Tensor:
        method.adapters.parameters = lambda: iter([at])
        return method.loss({})["l2_init"]

    assert torch.autograd.gradcheck(term, [w])


def test_a_later_phase_does_not_move_where_it_is_pulled_to():
    w = torch.tensor([1.0, -1.0], requires_grad=True)
    method = written(1.0, w)
    for index in range(3):
        method.begin_phase(phase(index))
        with torch.no_grad():
            w += 1.0
    # three units each of two weights away from the first phase's beginning: 3² + 3²
    assert method.loss({})["l2_init"].item() == pytest.approx(18.0)


def test_where_it_begins_there_is_no_term_and_no_gradient(make, offered):
    method = make(L2Init, STRONG)
    method.begin_phase(offered(0))
    term = method.loss(offered(0).batches[0])["l2_init"]
    assert term.item() == 0.0
    found = torch.autograd.grad(term, list(method.parameters()))
    assert not any(gradient.any() for gradient in found)


def test_what_is_kept_are_the_weights_of_the_fresh_adapter(make, learn):
    method, fresh = make(L2Init, STRONG), make(NaiveLoRA)
    learn(method)
    fresh.adapters.fresh("shared", 0)
    expected = torch.cat([p.detach().flatten() for p in fresh.parameters()])
    assert torch.equal(method.state().tensors["memory/initial"], expected)


def test_without_strength_it_is_naive_to_the_byte(make, learn, bytes_of):
    method, naive = make(L2Init, Config(strength=0.0)), make(NaiveLoRA)
    learn(method)
    learn(naive)
    assert bytes_of(method) == bytes_of(naive)


def test_with_strength_it_stays_nearer_to_the_base(make, learn):
    distances = []
    for strength in (0.0, 50.0):
        method = make(L2Init, Config(strength=strength))
        learn(method)
        distances.append((method._weights() - method._initial).norm().item())
    assert 0 < distances[1] < distances[0] / 2


def test_the_term_is_felt_in_every_phase_after_the_first_step_of_all(make, learn):
    rows = learn(make(L2Init, STRONG))
    assert rows[0].terms["l2_init"] == 0.0
    assert all(row.terms["l2_init"] > 0 for row in rows[1:])
    felt = [row.term_gradient_norms for row in rows if row.step == 1]
    assert all(norms["l2_init"] / norms["lm"] > 1e-3 for norms in felt)


def test_a_new_process_is_pulled_to_the_same_place(make, learn, offered):
    method, other = make(L2Init, STRONG), make(L2Init, STRONG)
    learn(method, [0])
    state = method.state()
    other.restore(State({k: t.clone() for k, t in state.tensors.items()}, state.about))
    batch = offered(1).batches[0]
    expected = method.loss(batch)["l2_init"]
    assert expected > 0
    assert torch.equal(other.loss(batch)["l2_init"], expected)


def test_the_first_weights_are_charged(make, learn):
    method = make(L2Init, STRONG)
    assert learn(method, [0, 1])
    cost = method.cost()
    assert cost == (cost.trainable, 4 * cost.trainable, 0)


def test_the_strength_has_no_default_and_no_sign():
    with pytest.raises(ConfigError, match=r"lacks \['strength'\], which have no default"):
        registry.resolve("l2_init", {})
    with pytest.raises(ConfigError, match=r"methods.l2_init has settings.*strength"):
        registry.resolve("l2_init", {"strength": -1.0})
