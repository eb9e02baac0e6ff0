"""CRMA-R: its operator by hand, its laws, its policies and its controls."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from classay.adapters import Adapters
from classay.base import Base, locate
from classay.errors import ConfigError, Diverged
from classay.method import Phase
from classay.methods import crma
from classay.methods.crma import Config, Crma
from classay.methods.crma.invariants import trace
from classay.methods.crma.stream import Operators, mixed
from classay.methods.frozen import Config as NoSettings
from classay.methods.frozen import Frozen
from classay.seeding import Seeds
from classay.suite import AdapterSpec, BaseSpec, Training
from classay.trainer import PhaseTraining

SETTINGS = Training(tokens_per_domain=128, batch=2, learning_rate=0.02, warmup_steps=1)
DOMAINS = ("river", "oven", "clock")


def method(folder, kind=Crma, config=None):
    base = Base(locate(BaseSpec(path=str(folder))), "fp32", "cpu")
    adapters = Adapters(base.model, AdapterSpec(rank=2, alpha=4), Seeds(0))
    return kind(adapters, config or Config(preset="strong"), Seeds(0))


@pytest.fixture
def make(tiny_base):
    def made(**settings) -> Crma:
        return method(tiny_base, config=Config(**{"preset": "strong"} | settings))

    return made


def phase(index: int) -> Phase:
    ids = torch.randint(2, 300, (4, 2, 16), generator=torch.Generator().manual_seed(100 + index))
    return Phase(index, DOMAINS[index], tuple({"input_ids": b, "labels": b} for b in ids))


def learn(made, index: int) -> list[dict]:
    made.begin_phase(phase(index))
    training, rows = PhaseTraining(made, phase(index), SETTINGS, made.seeds), []
    while training.step < training.steps:
        rows.append(training.advance()[0].fact())
    made.end_phase(phase(index))
    return rows


def logits(made, domain):
    with made.answering(domain), torch.inference_mode():
        return made.model(input_ids=phase(0).batches[0]["input_ids"], use_cache=False).logits


def disturb(made) -> None:
    """Give the structure values that nothing is special about."""
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in made.structure.own.values():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=draw))


def matrix(operators: Operators, layer: int) -> torch.Tensor:
    """g of one layer as a matrix: what it makes of the unit vectors."""
    width = operators.q.shape[-1]
    return mixed(torch.eye(width, dtype=torch.float32), operators, layer).T.double()


def test_two_streams_have_a_closed_form(make):
    # Sinkhorn's limit of a 2 × 2 matrix is [[p, 1 − p], [1 − p, p]] with
    # p = σ((L11 + L22 − L12 − L21) / 2). With log_mix = [[1, 0.2], [−0.3, 0.5]] and τ = 2 the
    # logits' sum is 1.6 / 2, so p = σ(0.4)
    made = make()
    with torch.no_grad():
        made.structure.own["log_mix"][:] = torch.tensor([[1.0, 0.2], [-0.3, 0.5]])
        made.structure.own["log_tau"][:] = math.log(2.0)
        m = made.structure.operators().m
    p = 1 / (1 + math.exp(-0.4))
    torch.testing.assert_close(m[0].double(), torch.tensor([[p, 1 - p], [1 - p, p]]).double())


def test_the_operator_by_hand():
    # d = 3, n = 2, r = 1, Q takes the first two coordinates: h = (1, 3, 5) has the streams 1 and 3.
    # With p = 0.75 and α = 0.4, α (M − I) = 0.4 · [[−0.25, 0.25], [0.25, −0.25]] turns them into
    # 0.1 · (3 − 1) = 0.2 and −0.2, so g(h) = (1.2, 2.8, 5)
    q = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]]])
    m = torch.tensor([[[0.75, 0.25], [0.25, 0.75]]])
    h = torch.tensor([[1.0, 3.0, 5.0]])
    found = mixed(h, Operators(m, torch.tensor([0.4]), q), 0)
    torch.testing.assert_close(found, torch.tensor([[1.2, 2.8, 5.0]]))


def test_streams_are_mixed_whole_and_not_coordinate_by_coordinate():
    # n = 2, r = 2: a swap exchanges the first two coordinates with the last two, in their order
    q, m = torch.eye(4)[None], torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    h = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert mixed(h, Operators(m, torch.ones(1), q), 0).tolist() == [3.0, 4.0, 1.0, 2.0]


def test_sixteen_bits_are_rounded_once(make):
    operators = make().structure.operators()
    h = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0)).bfloat16()
    found = mixed(h, operators, 0)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, mixed(h.float(), operators, 0).bfloat16())


@pytest.mark.parametrize("preset", ["evidence", "mhc", "strong"])
@pytest.mark.parametrize("control", ["none", "identity", "fixed_permutation"])
def test_the_norm_of_g_is_one_whatever_was_learned(make, preset, control):
    made = make(preset=preset, control=control)
    for _ in range(3):
        with torch.no_grad():
            operators = made.structure.operators()
        for layer in range(2):
            norm = torch.linalg.matrix_norm(matrix(operators, layer), 2)
            assert norm.item() == pytest.approx(1.0, abs=1e-6)
        disturb(made)


def test_the_rows_of_q_stay_orthonormal(make):
    made = make()
    disturb(made)
    with torch.no_grad():
        q = made.structure.operators().q
    torch.testing.assert_close(q @ q.mT, torch.eye(8).expand(2, 8, 8), rtol=0, atol=1e-5)


def test_what_is_traced_is_what_a_decomposition_finds(make):
    made = make()
    disturb(made)
    found = trace(made.structure, ended=True)
    assert found.layers == ("0", "1")
    with torch.no_grad():
        operators = made.structure.operators()
    for layer in range(2):
        g = matrix(operators, layer)
        distance = torch.linalg.matrix_norm(g - torch.eye(16), 2).item()
        assert found.values["‖g − I‖"][layer] == pytest.approx(distance, abs=1e-6)
        m = operators.m[layer].double()
        sigma = torch.linalg.svdvals(m).tolist()
        assert [found.values[f"σ{i}(M)"][layer] for i in "₁₂"] == pytest.approx(sigma)
        assert found.values["bound on ‖M‖₂"][layer] >= sigma[0] - 1e-12
        assert found.values["least entry of M"][layer] == m.min().item()


def test_sinkhorn_that_has_not_converged_breaks_the_promise(make):
    made = make()
    with torch.no_grad():  # nearly the identity and not symmetric: 20 iterations are too few
        made.structure.own["log_mix"][:] = torch.tensor([[9.0, 0.0], [4.0, 8.0]])
    found = trace(made.structure, ended=False)
    low, high = found.promised["row sums, max |Σ − 1|"]
    assert not low <= found.values["row sums, max |Σ − 1|"][0] <= high


def test_every_parameter_has_a_gradient(make):
    made = make()
    made.begin_phase(phase(0))
    made.adapters.use("domain_river")
    made.loss(phase(0).batches[0])["lm"].backward()
    for name, parameter in made.structure.own.items():
        assert parameter.grad.abs().amax(tuple(range(1, parameter.ndim))).min() > 0, name


@pytest.mark.parametrize("policy", ["live", "snapshot", "single"])
def test_every_group_moves_in_every_phase(make, policy):
    made = make(policy=policy)
    for index in range(3):
        made.begin_phase(phase(index))
        groups = {
            g.name: [p.detach().clone() for p in g.parameters] for g in made.parameter_groups()
        }
        assert list(groups) == ["lora", "mix", "gate", "proj"]
        learn_on(made, index)
        for group in made.parameter_groups():
            pairs = zip(groups[group.name], group.parameters, strict=True)
            assert all(not torch.equal(old, new) for old, new in pairs), group.name


def learn_on(made, index: int) -> None:
    training = PhaseTraining(made, phase(index), SETTINGS, made.seeds)
    while training.step < training.steps:
        training.advance()
    made.end_phase(phase(index))


def test_the_projection_moves_at_its_presets_rate(make):
    rates = {
        name: {g.name: g.rate for g in make(preset=name).structure.groups()}
        for name in ("evidence", "strong")
    }
    assert rates["evidence"] == {"mix": 1.0, "gate": 1.0, "proj": 0.1}
    assert rates["strong"] == {"mix": 1.0, "gate": 1.0, "proj": 1.0}
    assert not any(group.decays for group in make().structure.groups())


def test_identity_is_frozen_to_the_bit(make, tiny_base):
    placebo, frozen = make(control="identity"), method(tiny_base, Frozen, NoSettings())
    for index in range(3):
        mine, theirs = learn(placebo, index), learn(frozen, index)
        assert mine == theirs  # losses, gradient norms, batches, step by step
        for name in frozen.adapters.names:
            pair = placebo.adapters.tensors(name), frozen.adapters.tensors(name)
            assert all(torch.equal(pair[0][key], pair[1][key]) for key in pair[1])
    for domain in (*DOMAINS, "unheard_of"):
        assert torch.equal(logits(placebo, domain), logits(frozen, domain))


def test_a_fresh_adapter_has_the_bytes_that_frozen_gives_it(make, tiny_base):
    made, frozen = make(), method(tiny_base, Frozen, NoSettings())
    for index in range(3):
        for one in (made, frozen):
            one.begin_phase(phase(index))
        name = f"domain_{DOMAINS[index]}"
        mine, theirs = made.adapters.tensors(name), frozen.adapters.tensors(name)
        assert all(torch.equal(mine[key], theirs[key]) for key in theirs)
        learn_on(made, index)
        learn_on(frozen, index)


@pytest.mark.parametrize(
    ("policy", "still"), [("live", False), ("snapshot", True), ("freeze_after_first", True)]
)
def test_whether_a_learned_domain_is_still_answered_alike(make, policy, still):
    made = make(policy=policy)
    learn(made, 0)
    first = logits(made, "river")
    for index in (1, 2):
        learn(made, index)
        assert torch.equal(logits(made, "river"), first) is still


def test_after_the_first_phase_a_frozen_structure_trains_no_more(make):
    made = make(policy="freeze_after_first")
    learn(made, 0)
    before = {name: p.detach().clone() for name, p in made.structure.own.items()}
    learn(made, 1)
    assert [group.name for group in made.parameter_groups()] == ["lora"]
    assert all(torch.equal(before[name], p) for name, p in made.structure.own.items())


def test_single_has_one_adapter_and_asks_for_no_domain(make):
    made = make(policy="single")
    assert not made.needs_domain
    learn(made, 0)
    learn(made, 1)
    assert made.adapters.names == ["shared"]
    assert torch.equal(logits(made, None), logits(made, "river"))


def test_bypassed_it_answers_like_its_adapter_alone(make):
    made = make()
    learn(made, 0)
    with made.ablations()["crma"]:
        off = logits(made, "river")
    assert not torch.equal(off, logits(made, "river"))
    made.structure.on = False
    assert torch.equal(off, logits(made, "river"))


def test_before_the_first_phase_the_base_answers_alone(make, tiny_base):
    base = Base(locate(BaseSpec(path=str(tiny_base))), "fp32", "cpu")
    ids = phase(0).batches[0]["input_ids"]
    with torch.inference_mode():
        assert torch.equal(
            make().model(input_ids=ids, use_cache=False).logits,
            base.model(input_ids=ids, use_cache=False).logits,
        )


def test_a_permutation_keeps_every_promise_and_moves_what_was_learned(make):
    made = make(control="fixed_permutation")
    learn(made, 0)
    first = logits(made, "river")
    learn(made, 1)
    found = trace(made.structure, ended=True)
    for name, (low, high) in found.promised.items():
        assert all(low <= value <= high for value in found.values[name]), name
    assert found.values["σ₁(M)"] == found.values["σ₂(M)"] == pytest.approx([1.0, 1.0])
    assert not torch.equal(logits(made, "river"), first)


def test_an_exact_gate_begins_at_the_identity_and_stays_in_its_range(make, tiny_base):
    made, frozen = make(gate="exact"), method(tiny_base, Frozen, NoSettings())
    for one in (made, frozen):
        one.begin_phase(phase(0))
    assert torch.equal(logits(made, "river"), logits(frozen, "river"))
    made.loss(phase(0).batches[0])["lm"].backward()
    assert made.structure.own["gate"].grad.abs().min() > 0
    with torch.no_grad():
        made.structure.own["gate"][:] = torch.tensor([-0.5, 1.5])
    made.after_step()
    assert made.structure.own["gate"].tolist() == [0.0, 1.0]


def test_every_byte_that_is_kept_is_charged(make):
    made = make(policy="snapshot")
    learn(made, 0)
    learn(made, 1)
    # 2 layers: n² + 2 = 6 numbers and 8 × 16 of V, of 4 bytes; the latest and 2 snapshots of it
    structure = 4 * 2 * (6 + 8 * 16)
    adapter = sum(t.nbytes for t in made.adapters.tensors("domain_river").values())
    assert made.cost().stored_bytes == 3 * structure + adapter


def test_the_base_keeps_its_modules_and_its_bytes(tiny_base):
    base = Base(locate(BaseSpec(path=str(tiny_base))), "fp32", "cpu")
    names, before = [name for name, _ in base.model.named_parameters()], base.digest()
    Crma(Adapters(base.model, AdapterSpec(), Seeds(0)), Config(preset="strong"), Seeds(0))
    assert [name for name, _ in base.model.named_parameters()] == names
    assert base.digest() == before


def test_v_starts_with_the_singular_vectors_of_down_proj(make):
    made = make()
    w = made.model.get_submodule("model.layers.0.mlp.down_proj").weight.detach().double()
    left = torch.linalg.svd(w).U[:, :8].T
    v = made.structure.own["v"][0].detach().double()
    torch.testing.assert_close((v * left).sum(1).abs(), torch.ones(8).double())
    assert (v.gather(1, v.abs().argmax(1, keepdim=True)) > 0).all()


def test_a_base_that_does_not_fit_is_refused_with_what_to_do(make, monkeypatch):
    made = make()
    with monkeypatch.context() as patch:
        patch.setattr(made.model.config, "hidden_size", 4)
        with pytest.raises(ConfigError, match=r"hidden size of 4.*needs 8.*(?s:.)*fewer streams"):
            Crma(made.adapters, Config(preset="strong"), Seeds(0))
    made.model.get_submodule("model.layers.1.mlp").down_proj = None
    with pytest.raises(ConfigError, match=r"layer 1 .*one of 16 rows(?s:.)*start: random"):
        Crma(made.adapters, Config(preset="strong"), Seeds(0))


def test_dependent_rows_stop_the_cell_with_a_reason(make):
    made = make()
    with torch.no_grad():
        made.structure.own["v"][:, 1] = made.structure.own["v"][:, 0]
    with pytest.raises(Diverged, match="no longer linearly independent"):
        made.structure.operators()


def test_what_must_be_said_of_it_is_said():
    assert crma.DISCLOSURE.startswith("`crma` here is an independent reconstruction")
    assert "neither confirm nor refute the vendor's implementation" in crma.DISCLOSURE
    assert "every permutation among them" in crma.CERTIFIES
