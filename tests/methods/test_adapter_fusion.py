"""AdapterFusion: its attention by hand, its two stretches, what moves in each and what answers."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from classay import registry
from classay.errors import ConfigError
from classay.method import Method, State
from classay.methods.adapter_fusion import AdapterFusion, Config
from classay.methods.frozen import Config as NoSettings
from classay.methods.frozen import Frozen
from classay.suite import Training
from classay.trainer import PhaseTraining

ALONE = Config(variant="no_memory", examples=4, share=1.0)
MEMORY = Config(variant="memory", examples=3, share=0.5)
OFF = Config(variant="no_memory", examples=4, share=0.0)
SETTINGS = Training(tokens_per_domain=128, batch=2, learning_rate=0.02, warmup_steps=1)
IDS = torch.arange(16).reshape(1, 16)


def logits(method: Method, domain: str | None) -> torch.Tensor:
    with method.answering(domain), torch.inference_mode():
        return method.model(input_ids=IDS, use_cache=False).logits


def copied(state: State) -> State:
    return State({key: tensor.clone() for key, tensor in state.tensors.items()}, state.about)


def module_of(method, width: int) -> tuple[int, object]:
    """The first target module of this output width: its place, itself."""
    for place, module in enumerate(method.mixture.modules.values()):
        if module.out_features == width:
            return place, module
    raise AssertionError(width)


def test_the_attention_by_hand(make, learn):
    # every entry of h is 1; z₁ = (3, 0, …) and z₂ = (0, 5, 0, …). With Q = K = I, up to a factor of
    # 1/10 in Q, the scores are 0.3 and 0.5, so s₂ = σ(0.2); V doubles: 6 s₁ and 10 s₂
    method = make(AdapterFusion, ALONE)
    learn(method, [0, 1])
    place, module = module_of(method, 16)
    with torch.no_grad():
        for which, factor in (("query", 0.1), ("key", 1.0), ("value", 2.0)):
            method.own[f"{which}.16"].copy_(
                factor * torch.eye(16).expand_as(method.own[f"{which}.16"])
            )
    down, up = torch.zeros(4, module.in_features), torch.zeros(16, 4)
    down[0, 0] = down[2, 0] = 1.0
    up[0, 0], up[1, 2] = 3.0, 5.0
    method.stacks[place] = method.stacks[place]._replace(down=down, up=up)
    x, h = torch.zeros(1, 1, module.in_features), torch.ones(1, 1, 16)
    x[..., 0] = 1.0
    with method.composed(), torch.no_grad():
        found = method.mixture._blend(place, x, h)[0, 0]
    second = 1 / (1 + math.exp(-0.2))
    expected = torch.zeros(16)
    expected[0], expected[1] = 6 * (1 - second), 10 * second
    torch.testing.assert_close(found, expected)


def test_on_a_module_it_is_the_formula_written_out(make, learn):
    method = make(AdapterFusion, ALONE)
    learn(method)
    draw = torch.Generator().manual_seed(0)
    for place, (name, module) in enumerate(method.mixture.modules.items()):
        x = torch.randn(2, 5, module.in_features, generator=draw)
        h = torch.randn(2, 5, module.out_features, generator=draw)
        with torch.no_grad(), method.composed():
            found = method.mixture._blend(place, x, h)
            query, key, value = method._parts()[place]
            z = torch.stack(
                [2 * module.lora_B[n](module.lora_A[n](x)) for n in method.learned], dim=-2
            )
            scores = torch.einsum("bld,blnd->bln", h @ query.T, z @ key.T)
            expected = torch.einsum("bln,blnd->bld", scores.softmax(-1), z @ value.T)
        torch.testing.assert_close(found, expected, msg=name)


def test_the_regularisation_by_hand(make, learn):
    # in every V one number is off by 0.5: 0.01 · 0.25 a module
    method = make(AdapterFusion, ALONE)
    learn(method, [0, 1])
    modules = len(method.mixture.modules)
    with torch.no_grad():
        for key, parameter in method.own.items():
            if key.startswith("value"):
                parameter.copy_(torch.eye(parameter.shape[-1]).expand_as(parameter))
                parameter[:, 1, 0] += 0.5
    assert method.penalties()["value"].item() == pytest.approx(0.01 * 0.25 * modules)
    gradients = torch.autograd.grad(
        method.penalties()["value"], [p for k, p in method.own.items() if k.startswith("value")]
    )
    # 2 · 0.01 · 0.5 where it is off, and nothing elsewhere
    assert all(g[:, 1, 0].tolist() == pytest.approx([0.01] * len(g)) for g in gradients)
    assert sum(int((g != 0).sum()) for g in gradients) == modules


def test_v_starts_as_the_identity_so_that_it_begins_near_a_mean_of_adapters(make, learn, offered):
    method = make(AdapterFusion, ALONE)
    learn(method, [0])
    method.begin_phase(offered(1))
    value = method.own["value.16"]
    assert torch.equal(value.diagonal(dim1=1, dim2=2), torch.ones(len(value), 16))
    assert value[0, 0, 1].item() == pytest.approx(1e-6)
    assert method.own["query.16"].std().item() == pytest.approx(0.02, rel=0.1)
    assert not torch.equal(method.own["query.16"], method.own["key.16"])


def stretches(method, offered, index: int = 1):
    """Begin a phase and train it to the end of its first stretch."""
    phase = offered(index)
    method.begin_phase(phase)
    training = PhaseTraining(method, phase, SETTINGS, method.seeds)
    while training.step < len(phase.batches):
        training.advance()
    return training


def test_first_the_adapter_moves_and_then_the_attention(make, learn, offered, bytes_of):
    method = make(AdapterFusion, ALONE)
    learn(method, [0])
    method.begin_phase(offered(1))
    start = {key: parameter.detach().clone() for key, parameter in method.own.items()}
    training = PhaseTraining(method, offered(1), SETTINGS, method.seeds)
    while training.step < 4:
        training.advance()
    assert all(torch.equal(start[key], parameter) for key, parameter in method.own.items())
    adapters = bytes_of(method)
    while training.step < training.steps:
        training.advance()
    assert bytes_of(method) == adapters
    assert not any(torch.equal(start[key], parameter) for key, parameter in method.own.items())


def test_while_an_adapter_is_learned_it_answers_alone(make, learn, offered):
    method = make(AdapterFusion, ALONE)
    learn(method, [0, 1])
    method.begin_phase(offered(2))
    found = logits(method, "river")
    with method.adapters.answering("domain_clock"), torch.inference_mode():
        assert torch.equal(found, method.model(input_ids=IDS, use_cache=False).logits)


def test_no_gradient_reaches_an_adapter_and_every_matrix_has_one(make, learn, offered):
    method = make(AdapterFusion, ALONE)
    learn(method, [0])
    stretches(method, offered)
    adapters = [p for name in method.learned for _, p in method.adapters.named(name)]
    for parameter in (*adapters, *method.own.values()):
        parameter.grad = None  # what the first stretch left
    terms = method.loss(offered(1).batches[0])
    assert list(terms) == ["lm", "value"]
    sum(terms.values()).backward()
    assert all(parameter.grad is None for parameter in adapters)
    for key, parameter in method.own.items():
        assert (parameter.grad.flatten(1).abs().amax(1) > 0).all(), key  # of every module


def test_its_adapters_are_frozens_to_the_byte(make, learn, bytes_of):
    # the schedule begins anew: with one of eight steps the first four would differ
    method, frozen = make(AdapterFusion, ALONE), make(Frozen, NoSettings())
    learn(method)
    learn(frozen)
    assert bytes_of(method) == bytes_of(frozen)


def test_the_schedule_begins_anew_with_the_composition(make, learn):
    rows = learn(make(AdapterFusion, ALONE))
    rates = [[row.lr for row in rows if row.phase == phase] for phase in range(3)]
    assert rates[1] == rates[2] == rates[0] * 2


def test_the_composition_sees_rows_of_the_current_domain_or_as_many_of_every(make, learn, offered):
    for config, domains in ((ALONE, [2]), (MEMORY, [0, 1, 2])):
        method = make(AdapterFusion, config)
        learn(method, [0, 1])
        method.begin_phase(offered(2))
        batches = method.curriculum(offered(2))[4:]
        seen = torch.cat([batch["input_ids"] for batch in batches])
        assert len(seen) == round(8 * config.share)
        pool = method.rows.all(offered(2))["input_ids"]
        assert len(pool) == config.examples * len(domains)
        assert all((pool == row).all(dim=1).any() for row in seen)
        # nothing is seen a second time before all was seen once
        assert len(seen.unique(dim=0)) == min(len(seen), len(pool))
        for domain in domains:
            own = torch.cat([batch["input_ids"] for batch in offered(domain).batches])
            assert sum(bool((own == row).all(dim=1).any()) for row in pool) == config.examples
        assert method.cost().stored_examples == (6 if config is MEMORY else 0)


def test_the_attention_answers_every_question_and_goes_on_from_phase_to_phase(make, learn):
    method = make(AdapterFusion, ALONE)
    learn(method, [0, 1])
    first = logits(method, "river")
    assert torch.equal(first, logits(method, None))
    kept = {key: parameter.detach().clone() for key, parameter in method.own.items()}
    learn(method, [2])
    assert {k: p.shape for k, p in method.own.items()} == {k: t.shape for k, t in kept.items()}
    assert not torch.equal(first, logits(method, "river"))
    assert torch.equal(logits(method, "river"), logits(method, "never"))


def test_a_token_is_not_told_of_those_that_come_after_it(make, learn):
    method = make(AdapterFusion, ALONE)
    learn(method)
    longer = torch.cat([IDS, IDS.flip(1)], dim=1)
    with method.answering(None), torch.inference_mode():
        whole = method.model(input_ids=longer, use_cache=False).logits
    torch.testing.assert_close(whole[:, :16], logits(method, None), rtol=1e-5, atol=1e-5)


def test_ablated_or_without_a_share_it_answers_as_frozen(make, learn):
    frozen = make(Frozen, NoSettings())
    method, off = make(AdapterFusion, ALONE), make(AdapterFusion, OFF)
    for one in (frozen, method, off):
        learn(one)
    for domain in ("river", "oven", "clock", "never", None):
        expected = logits(frozen, domain)
        assert not torch.equal(logits(method, domain), expected)
        assert torch.equal(logits(off, domain), expected)
        with method.ablations()["composition"]:
            assert torch.equal(logits(method, domain), expected)


@pytest.mark.parametrize("config", [ALONE, MEMORY], ids=["no_memory", "memory"])
@pytest.mark.parametrize("step", [1, 3, 4, 5])
def test_killed_in_either_stretch_it_goes_on_with_the_same_bits(make, learn, offered, config, step):
    straight = make(AdapterFusion, config)
    learn(straight, [0, 1])
    killed, there = make(AdapterFusion, config), make(AdapterFusion, config)
    learn(killed, [0])
    killed.begin_phase(offered(1))
    training = PhaseTraining(killed, offered(1), SETTINGS, killed.seeds)
    while training.step < step:
        training.advance()
    there.restore(copied(killed.state()))
    resumed = PhaseTraining(there, offered(1), SETTINGS, there.seeds)
    resumed.restore({key: tensor.clone() for key, tensor in training.state().items()}, step)
    while resumed.step < resumed.steps:
        resumed.advance()
    there.end_phase(offered(1))
    mine, theirs = there.state(), straight.state()
    assert mine.about == theirs.about
    assert all(torch.equal(mine.tensors[key], tensor) for key, tensor in theirs.tensors.items())
    assert torch.equal(logits(there, None), logits(straight, None))


def test_what_answers_can_be_restored_without_the_memory(make, learn):
    method, there = make(AdapterFusion, MEMORY), make(AdapterFusion, MEMORY)
    learn(method)
    tensors, about = copied(method.state())
    there.restore(State({k: t for k, t in tensors.items() if not k.startswith("memory")}, about))
    assert torch.equal(logits(there, "river"), logits(method, "river"))


def test_the_adapter_that_was_just_learned_is_watched_too(make, learn, offered):
    method = make(AdapterFusion, ALONE)
    learn(method, [0])
    stretches(method, offered)
    (still,) = method.invariants()
    assert still.value == 0.0
    with torch.no_grad():
        next(iter(method.adapters.tensors("domain_oven").values())).view(-1)[3] += 0.5
    assert [found.value for found in method.invariants()] == [pytest.approx(0.5)]


def test_its_price_is_three_squares_a_module(make, learn):
    method = make(AdapterFusion, MEMORY)
    learn(method)
    squares = 3 * sum(m.out_features**2 for m in method.mixture.modules.values())
    adapter = sum(t.numel() for t in method.adapters.tensors("domain_oven").values())
    memory = 2 * 3 * 3 * 16 * 8  # ids and labels, rows, domains, tokens, bytes
    assert method.cost() == (adapter + squares, 4 * (2 * adapter + squares) + memory, 9)


def test_too_few_rows_are_refused(make, offered):
    method = make(AdapterFusion, Config(variant="memory", examples=9, share=1.0))
    with pytest.raises(ConfigError, match=r"'river' is offered 8 rows .* asks for examples: 9"):
        method.begin_phase(offered(0))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"variant": "memory", "examples": 0, "share": 1.0}, "examples.*greater than 0"),
        ({"variant": "memory", "examples": 1, "share": -1.0}, "share.*greater than or equal to 0"),
        ({"variant": "some", "examples": 1, "share": 1.0}, "'no_memory' or 'memory'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, said):
    with pytest.raises(ConfigError, match=f"methods.adapter_fusion has settings of.*{said}"):
        registry.resolve("adapter_fusion", settings)
