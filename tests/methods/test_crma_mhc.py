"""CRMA-R's placement ``mhc``: its maps by hand, its laws, what it promises and what it does not."""

from __future__ import annotations

import math
import shutil

import pytest

torch = pytest.importorskip("torch")

from classay.adapters import Adapters
from classay.base import Base, locate
from classay.methods.crma import Config, Crma
from classay.methods.crma.invariants import COLUMNS, LEAST, PROJECTION, PROMISED, ROWS, trace
from classay.methods.crma.mhc import Maps, read, written
from classay.seeding import Seeds
from classay.suite import AdapterSpec, BaseSpec

DOMAINS = ("river", "oven", "clock")


@pytest.fixture
def wrapped(make):
    def made(**settings) -> Crma:
        return make(Crma, Config(**{"preset": "strong", "placement": "mhc"} | settings))

    return made


@pytest.fixture
def logits(offered):
    def read(made, domain, **more):
        made.model.eval()
        with made.answering(domain), torch.inference_mode():
            ids = offered(0).batches[0]["input_ids"]
            found = made.model(input_ids=ids, use_cache=False, **more)
        return found if more else found.logits

    return read


def test_a_layer_by_hand():
    # d = 1, n = 2, streams 1 and 3, read with 1/4 and 3/4: 0.25 + 2.25 = 2.5. M keeps 3/4 of each:
    # 1.5 and 2.5. An update of 2 is written with 1 and 1/2: 1.5 + 2 = 3.5 and 2.5 + 1 = 3.5
    maps = Maps(
        torch.tensor([0.25, 0.75]),
        torch.tensor([1.0, 0.5]),
        torch.tensor([[0.75, 0.25], [0.25, 0.75]]),
    )
    streams = torch.tensor([[1.0], [3.0]])
    assert read(streams, maps).tolist() == [2.5]
    assert written(streams, maps, torch.tensor([2.0])).tolist() == [[3.5], [3.5]]


def test_the_maps_of_a_token_by_hand(wrapped):
    made = wrapped()
    own = made.structure.own
    with torch.no_grad():
        for parameter in own.values():
            parameter.zero_()
        # x is 1 in its only coordinate that is not 0, times √32: one of n d = 32 numbers
        own["phi_pre"][0, 0, 1] = own["phi_post"][0, 0, 0] = own["phi_mix"][0, 0, 0] = 1.0
        own["gate"][0] = torch.tensor([0.1, 0.2, 0.3])
        streams = torch.zeros(2, 16)
        streams[0, 0] = 7.0
        maps = made.structure.maps(streams, 0)
    root = math.sqrt(32)

    def sigma(logit: float) -> float:
        return 1 / (1 + math.exp(-logit))

    assert maps.pre.tolist() == pytest.approx([0.5, sigma(0.1 * root)], rel=1e-5)
    assert maps.post.tolist() == pytest.approx([2 * sigma(0.2 * root), 1.0], rel=1e-5)
    # two streams: p = σ((L₁₁ + L₂₂ − L₁₂ − L₂₁) / 2), and only L₁₁ is not 0
    p = sigma(0.3 * root / 2)
    assert maps.m.flatten().tolist() == pytest.approx([p, 1 - p, 1 - p, p], abs=1e-4)


@pytest.mark.parametrize("preset", ["evidence", "mhc"])
def test_without_what_depends_on_a_token_it_starts_as_the_identity(
    wrapped, make, offered, logits, preset
):
    made, plain = wrapped(preset=preset), make(Crma, Config(preset=preset))
    for one in (made, plain):
        one.begin_phase(offered(0))
    with plain.ablations()["crma"]:
        base = logits(plain, None)
    found = logits(made, None)
    assert not torch.equal(found, base)
    # α = 0.01 moves logits of H_pre and H_post by about 0.01
    assert (found - base).abs().max() < 0.1 * base.abs().max()
    with torch.no_grad():
        made.structure.own["gate"].zero_()
    torch.testing.assert_close(logits(made, None), base, rtol=1e-4, atol=1e-4)


def test_every_layer_passes_what_its_streams_are_on_average(wrapped, learn, logits):
    made = wrapped()
    learn(made, [0])
    found = logits(made, "river", output_hidden_states=True)
    assert len(found.hidden_states) == 3
    assert all(state.shape == (2, 16, 16) for state in found.hidden_states)
    assert torch.equal(found.logits, logits(made, "river"))


def test_m_is_another_for_every_token(wrapped, learn):
    made = wrapped()
    learn(made, [0])
    m = made.structure.operators().m
    assert tuple(m.shape) == (2, 2 * 16, 2, 2)  # the last batch: 2 rows of 16 tokens
    assert (m[0, 0] - m[0, 1]).abs().max() > 1e-6


def test_answering_leaves_what_is_traced_alone(wrapped, learn, logits):
    made = wrapped()
    learn(made, [0])
    before = trace(made.structure, ended=True)
    logits(made, "river")
    assert trace(made.structure, ended=True) == before


def test_what_is_traced_is_the_worst_of_all_tokens(wrapped, learn):
    made = wrapped(preset="mhc")
    learn(made, [0])
    found, m = trace(made.structure, ended=True), made.structure.operators().m.double()
    worst = [max((one.sum(-1) - 1).abs().max().item() for one in layer) for layer in m]
    assert found.values[ROWS] == worst
    first = [max(torch.linalg.svdvals(one)[0].item() for one in layer) for layer in m]
    assert found.values["σ₁(M)"] == pytest.approx(first, abs=1e-12)
    assert "‖M − I‖" in found.values
    assert "‖M − I‖" not in trace(made.structure, ended=False).values


def test_so_near_a_permutation_sinkhorn_promises_columns_alone(wrapped, learn):
    made = wrapped(preset="mhc")
    assert trace(made.structure, ended=True).promised.keys() == {COLUMNS, LEAST}
    learn(made)
    with torch.no_grad():
        made.structure.own["log_mix"][:, 0, 1] += 4.0
    made.structure._seen.clear()
    found = trace(made.structure, ended=False)
    # the rows have not converged and are seen to miss; the columns were normalised last
    assert min(found.values[ROWS]) > PROMISED[ROWS][1]
    assert max(found.values[COLUMNS]) <= PROMISED[COLUMNS][1]


@pytest.mark.parametrize("preset", ["strong", "mhc"])
@pytest.mark.parametrize("mixing", ["birkhoff_softmax", "kron2", "orthostochastic"])
def test_a_closed_form_keeps_every_promise_for_every_token(wrapped, learn, preset, mixing):
    made = wrapped(preset=preset, mixing=mixing)
    learn(made, [0, 1])
    found = trace(made.structure, ended=True)
    assert found.promised.keys() == PROMISED.keys() - {PROJECTION}
    for name, (low, high) in found.promised.items():
        assert all(low <= value <= high for value in found.values[name]), name


def test_free_promises_nothing_and_a_permutation_everything(wrapped, learn):
    free, shifted = wrapped(control="free"), wrapped(control="fixed_permutation")
    for made in (free, shifted):
        learn(made, [0, 1])
    found = trace(free.structure, ended=True)
    assert found.promised == {}
    assert min(found.values[ROWS]) > PROMISED[ROWS][1]
    found = trace(shifted.structure, ended=True)
    assert all(
        low <= value <= high
        for name, (low, high) in found.promised.items()
        for value in found.values[name]
    )
    assert found.values["‖M − I‖"] == pytest.approx([2.0, 2.0])


@pytest.fixture
def deep(tiny_base, tmp_path):
    """A method on a base of four layers, of which the two in the middle mix."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = shutil.copytree(tiny_base, tmp_path / "deep")
    config = LlamaConfig.from_pretrained(folder)
    config.num_hidden_layers = 4
    state = torch.get_rng_state()
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    torch.set_rng_state(state)

    def made(**settings) -> Crma:
        base = Base(locate(BaseSpec(path=str(folder))), "fp32", "cpu")
        adapters = Adapters(base.model, AdapterSpec(rank=2, alpha=4), Seeds(0))
        return Crma(adapters, Config(**{"preset": "mhc", "placement": "mhc"} | settings), Seeds(0))

    return made


@pytest.mark.parametrize("mixing", ["sinkhorn", "birkhoff_softmax", "kron2", "orthostochastic"])
def test_every_group_moves_and_every_m_between_the_first_and_the_last(deep, learn, mixing):
    made = deep(mixing=mixing)
    for index in range(2):
        before = {key: tensor.detach().clone() for key, tensor in made.structure.own.items()}
        learn(made, [index])
        assert [group.name for group in made.parameter_groups()] == ["lora", "mix", "gate", "maps"]
        for key, old in before.items():
            moved = (made.structure.own[key] != old).flatten(1).any(1)
            assert moved[1:3].all(), key
            assert moved.all() or key in (made.structure.mixing.key, "phi_mix"), key


def test_m_of_the_first_and_of_the_last_layer_changes_nothing(deep, learn, logits):
    made = deep(mixing="kron2")
    learn(made, [0])
    first = logits(made, "river")
    for layers, same in (((0, 3), True), ((1,), False), ((2,), False)):
        for layer in layers:
            with torch.no_grad():
                made.structure.own["logits"][layer].neg_()  # nearly a permutation of the streams
        difference = (logits(made, "river") - first).abs().max()
        assert bool(difference < 1e-4 * first.abs().max()) is same


@pytest.mark.parametrize(
    ("policy", "still"), [("live", False), ("snapshot", True), ("freeze_after_first", True)]
)
def test_whether_a_learned_domain_is_still_answered_alike(wrapped, learn, logits, policy, still):
    made = wrapped(policy=policy)
    learn(made, [0])
    first = logits(made, "river")
    for index in (1, 2):
        learn(made, [index])
        assert torch.equal(logits(made, "river"), first) is still


def test_bypassed_it_answers_like_its_adapter_alone(wrapped, learn, logits, tiny_base, offered):
    made = wrapped()
    base = Base(locate(BaseSpec(path=str(tiny_base))), "fp32", "cpu")
    ids = offered(0).batches[0]["input_ids"]
    with torch.inference_mode():
        plain = base.model(input_ids=ids, use_cache=False).logits
    assert torch.equal(logits(made, None), plain)  # before the first phase
    learn(made, [0])
    with made.ablations()["crma"]:
        assert torch.equal(logits(made, None), plain)
        off = logits(made, "river")
    assert not torch.equal(off, logits(made, "river"))


def test_anchored_at_strength_zero_it_is_live(wrapped, learn):
    made, live = wrapped(policy="anchored", anchor=0.0), wrapped()
    for one in (made, live):
        learn(one, [0, 1])
    theirs = live.state().tensors
    mine = {k: t for k, t in made.state().tensors.items() if not k.startswith("memory/")}
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[key], theirs[key]) for key in theirs)


def test_what_it_cannot_be_combined_with_is_refused():
    chosen = {"preset": "mhc", "placement": "mhc"}
    with pytest.raises(ValueError, match=r"gate 'exact' with placement 'mhc'.*leave gate out"):
        Config(**chosen, gate="exact")
    with pytest.raises(ValueError, match=r"'identity' with placement 'mhc'.*no placebo"):
        Config(**chosen, control="identity")
    with pytest.raises(ValueError, match=r"'random' with placement 'mhc'"):
        Config(**chosen, start="random")
