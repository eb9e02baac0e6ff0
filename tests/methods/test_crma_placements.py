"""CRMA-R's placements beside ``stream``: what they do by hand, and what all of them share."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from classay.adapters import Adapters
from classay.errors import ConfigError
from classay.methods.crma import Config, Crma
from classay.methods.crma.group import grouped
from classay.methods.crma.invariants import PROJECTION, PROMISED, trace
from classay.methods.crma.operators import Operators
from classay.methods.crma.rank import between
from classay.methods.crma.stream import mixed
from classay.methods.frozen import Config as NoSettings
from classay.methods.frozen import Frozen
from classay.seeding import Seeds
from classay.suite import AdapterSpec

DOMAINS = ("river", "oven", "clock")
PLACED = ["group", "rank"]
# α = 0.4 and M = [[0.75, 0.25], [0.25, 0.75]]: of two streams a and b, α (M − I) adds 0.1 (b − a)
# to the first and takes it from the second
HAND = Operators(torch.tensor([[[0.75, 0.25], [0.25, 0.75]]]), torch.tensor([0.4]))


@pytest.fixture
def placed(make):
    def made(**settings) -> Crma:
        return make(Crma, Config(**{"preset": "strong"} | settings))

    return made


@pytest.fixture
def logits(offered):
    def read(made, domain):
        made.model.eval()
        with made.answering(domain), torch.inference_mode():
            ids = offered(0).batches[0]["input_ids"]
            return made.model(input_ids=ids, use_cache=False).logits

    return read


def disturb(made) -> None:
    """Give the structure values that nothing is special about."""
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in made.structure.own.values():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=draw))


def test_groups_by_hand():
    # (1, 2, 3, 4) in two groups: (1, 2) and (3, 4), whose differences are 2 and 2
    found = grouped(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), HAND, 0)
    torch.testing.assert_close(found, torch.tensor([[1.2, 2.2, 2.8, 3.8]]))


def test_groups_are_streams_that_nothing_projects():
    h = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        grouped(h, HAND, 0), mixed(h, HAND._replace(q=torch.eye(4)[None]), 0)
    )


def test_ranks_by_hand():
    found = between(torch.tensor([[1.0, 3.0]]), HAND, 0)
    torch.testing.assert_close(found, torch.tensor([[1.2, 2.8]]))


def test_a_matrix_that_is_not_symmetric_acts_from_the_left():
    # M sends the first stream to the second place: M (1, 3) = (3, 1) for an exchange, and for
    # [[0, 1], [0, 1]], which is no mixing, (3, 3)
    open_gate = Operators(torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]), torch.ones(1))
    assert between(torch.tensor([1.0, 3.0]), open_gate, 0).tolist() == [3.0, 3.0]
    assert grouped(torch.tensor([1.0, 3.0]), open_gate, 0).tolist() == [3.0, 3.0]


def test_an_adapted_matrix_is_w_plus_b_m_a(placed, offered):
    made = placed(placement="rank", gate="open")
    made.begin_phase(offered(0))
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for _, parameter in made.adapters.named("domain_river"):
            parameter.copy_(torch.randn(parameter.shape, generator=draw))
    disturb(made)
    name = "model.layers.1.mlp.down_proj"
    module, place = made.model.get_submodule(name), made.structure.layers.index(name)
    seen = []
    hook = module.register_forward_hook(lambda _, inputs, output: seen.append((*inputs, output)))
    made.model.eval()
    with torch.no_grad():
        made.model(input_ids=offered(0).batches[0]["input_ids"], use_cache=False)
        m = made.structure.operators().m[place]
    hook.remove()
    own = made.adapters.tensors("domain_river")
    a, b = (own[f"base_model.model.{name}.lora_{side}.weight"] for side in "AB")
    x, y = seen[0]
    # a / r = 4 / 2
    expected = x @ (module.base_layer.weight + 2 * b @ m @ a).T
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-4)
    assert not torch.allclose(y, x @ (module.base_layer.weight + 2 * b @ a).T, atol=1e-2)


def test_every_adapted_matrix_has_one_m_and_the_domains_share_it(placed, learn, offered):
    made = placed(placement="rank")
    learn(made, [0])
    # 2 layers of 7 matrices; r² + 1 numbers each, whatever the number of domains
    assert len(made.structure.layers) == 14
    sizes = {key: tuple(tensor.shape) for key, tensor in made.structure.own.items()}
    assert sizes == {"log_mix": (14, 2, 2), "gate": (14,)}
    learn(made, [1])
    assert {key: tuple(tensor.shape) for key, tensor in made.structure.own.items()} == sizes


def test_at_every_rank_m_starts_with_the_second_singular_value_of_two_streams(make, offered):
    for rank in (2, 3, 8):
        made = make(Crma, Config(preset="strong", placement="rank"))
        adapters = Adapters(made.model, AdapterSpec(rank=rank), Seeds(0))
        made = Crma(adapters, made.config, Seeds(0))
        made.begin_phase(offered(0))
        with torch.no_grad():
            sigma = torch.linalg.svdvals(made.structure.operators().m[0].double())
        assert sigma[1].item() == pytest.approx((math.e - 1) / (math.e + 1), abs=1e-6)
        if rank == 2:
            assert torch.equal(made.structure.own["log_mix"][0], torch.eye(2))


def test_a_layer_of_groups_has_n_squared_plus_one_numbers(placed):
    sizes = {k: tuple(p.shape) for k, p in placed(placement="group").structure.own.items()}
    assert sizes == {"log_mix": (2, 2, 2), "gate": (2,)}


@pytest.mark.parametrize("control", ["none", "fixed_permutation"])
def test_the_norm_of_groups_is_one_whatever_was_learned(placed, control):
    made = placed(placement="group", preset="mhc", control=control)
    disturb(made)
    with torch.no_grad():
        operators = made.structure.operators()
        found = trace(made.structure, ended=False)
    for layer in range(2):
        g = grouped(torch.eye(16), operators, layer).T.double()
        assert torch.linalg.matrix_norm(g, 2).item() == pytest.approx(1.0, abs=1e-6)
        distance = torch.linalg.matrix_norm(g - torch.eye(16), 2).item()
        assert found.values["‖g − I‖"][layer] == pytest.approx(distance, abs=1e-6)


def test_an_open_gate_is_one_and_has_no_number(placed, learn):
    made = placed(placement="group", gate="open")
    assert list(made.structure.own) == ["log_mix"]
    learn(made, [0])
    assert [group.name for group in made.parameter_groups()] == ["lora", "mix"]
    assert trace(made.structure, ended=False).values["α"] == [1.0, 1.0]


@pytest.mark.parametrize("placement", PLACED)
def test_identity_is_frozen_to_the_bit(placed, make, learn, logits, bytes_of, placement):
    placebo, frozen = placed(placement=placement, control="identity"), make(Frozen, NoSettings())
    mine, theirs = learn(placebo), learn(frozen)
    assert [row.fact() for row in mine] == [row.fact() for row in theirs]
    assert bytes_of(placebo) == bytes_of(frozen)
    for domain in (*DOMAINS, "unheard_of"):
        assert torch.equal(logits(placebo, domain), logits(frozen, domain))


@pytest.mark.parametrize("placement", PLACED)
def test_an_exact_gate_begins_as_frozen(placed, make, offered, logits, placement):
    made, frozen = placed(placement=placement, gate="exact"), make(Frozen, NoSettings())
    draw = torch.Generator().manual_seed(1)
    for one in (made, frozen):
        one.begin_phase(offered(0))
        draw.manual_seed(1)
        for _, parameter in one.adapters.named("domain_river"):
            with torch.no_grad():
                parameter.copy_(torch.randn(parameter.shape, generator=draw))
    assert torch.equal(logits(made, "river"), logits(frozen, "river"))
    made.loss(offered(0).batches[0])["lm"].backward()
    assert made.structure.own["gate"].grad.abs().min() > 0


@pytest.mark.parametrize("placement", PLACED)
@pytest.mark.parametrize("policy", ["live", "single"])
def test_every_group_moves_in_every_phase(placed, learn, offered, placement, policy):
    made = placed(placement=placement, policy=policy)
    learn(made, [0])
    for index in (1, 2):
        before = {key: tensor.detach().clone() for key, tensor in made.structure.own.items()}
        learn(made, [index])
        assert [group.name for group in made.parameter_groups()] == ["lora", "mix", "gate"]
        assert all((made.structure.own[key] != old).any() for key, old in before.items())


@pytest.mark.parametrize("placement", PLACED)
@pytest.mark.parametrize(
    ("policy", "still"), [("live", False), ("snapshot", True), ("freeze_after_first", True)]
)
def test_whether_a_learned_domain_is_still_answered_alike(
    placed, learn, logits, placement, policy, still
):
    made = placed(placement=placement, policy=policy)
    learn(made, [0])
    first = logits(made, "river")
    for index in (1, 2):
        learn(made, [index])
        assert torch.equal(logits(made, "river"), first) is still


@pytest.mark.parametrize("placement", PLACED)
def test_bypassed_it_answers_like_its_adapter_alone(placed, learn, logits, placement):
    made = placed(placement=placement)
    learn(made, [0])
    with made.ablations()["crma"]:
        off = logits(made, "river")
    assert not torch.equal(off, logits(made, "river"))
    made.structure.on = False
    assert torch.equal(off, logits(made, "river"))


@pytest.mark.parametrize("placement", PLACED)
@pytest.mark.parametrize("mixing", ["sinkhorn", "birkhoff_softmax", "kron2", "orthostochastic"])
def test_it_promises_all_but_a_projection_and_keeps_it(placed, learn, placement, mixing):
    made = placed(placement=placement, mixing=mixing)
    learn(made, [0, 1])
    found = trace(made.structure, ended=True)
    assert found.promised.keys() == PROMISED.keys() - {PROJECTION}
    for name, (low, high) in found.promised.items():
        assert all(low <= value <= high for value in found.values[name]), name


def test_what_does_not_fit_is_refused_with_what_to_do(placed, make, monkeypatch):
    made = placed(placement="group")
    with monkeypatch.context() as patch:
        patch.setattr(made.model.config, "hidden_size", 15)
        with pytest.raises(ConfigError, match=r"hidden size of 15.*2 groups(?s:.)*stream"):
            Crma(made.adapters, made.config, Seeds(0))
    one = Adapters(made.model, AdapterSpec(rank=1), Seeds(0))
    with pytest.raises(ConfigError, match=r"adapter.rank is 1(?s:.)*Raise adapter.rank"):
        Crma(one, Config(preset="strong", placement="rank"), Seeds(0))
    eight = Adapters(made.model, AdapterSpec(rank=8), Seeds(0))
    config = Config(preset="strong", placement="rank", mixing="birkhoff_softmax")
    with pytest.raises(ConfigError, match=r"8! permutations(?s:.)*lower rank"):
        Crma(eight, config, Seeds(0))


@pytest.mark.parametrize("placement", PLACED)
def test_a_start_of_a_projection_that_is_not_there_is_refused(placement):
    with pytest.raises(ValueError, match=rf"'random' with placement '{placement}'.*leave it out"):
        Config(preset="strong", placement=placement, start="random")
