"""X-LoRA: its scalings by hand, its two passes, what moves, what grows and what answers."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from classay import registry
from classay.errors import ConfigError
from classay.method import Method, State
from classay.methods.frozen import Config as NoSettings
from classay.methods.frozen import Frozen
from classay.methods.x_lora import Config, XLoRA
from classay.suite import Training
from classay.trainer import PhaseTraining

ALONE = Config(variant="no_memory", examples=4, share=1.0)
MEMORY = Config(variant="memory", examples=3, share=0.5)
OFF = Config(variant="no_memory", examples=4, share=0.0)
SETTINGS = Training(tokens_per_domain=128, batch=2, learning_rate=0.02, warmup_steps=1)
IDS = torch.arange(16).reshape(1, 16)


def logits(method: Method, domain: str | None, ids: torch.Tensor = IDS) -> torch.Tensor:
    with method.answering(domain), torch.inference_mode():
        return method.model(input_ids=ids, use_cache=False).logits


def copied(state: State) -> State:
    return State({key: tensor.clone() for key, tensor in state.tensors.items()}, state.about)


def sent_to(method: XLoRA, chosen: int) -> None:
    """Let the classifier send every token of every module to one adapter, whatever it sees."""
    with torch.no_grad():
        method.own["weight"].zero_()
        method.own["bias"].zero_()
        method.own["bias"][:, chosen] = 100.0


def test_the_scalings_by_hand(make, learn):
    # d = 16: H = (1, 2, 0, …), C = ((1, 0, …), (0, 1, 0, …)), c = (0, 0.5) and τ = 1 give the
    # scores 1 and 2.5, so s₂ = σ(1.5); at τ = 3 it is σ(0.5)
    method = make(XLoRA, ALONE)
    learn(method, [0, 1])
    with torch.no_grad():
        method.own["weight"].zero_()
        method.own["weight"][:, 0, 0] = method.own["weight"][:, 1, 1] = 1.0
        method.own["bias"][:] = torch.tensor([0.0, 0.5])
        hidden = torch.zeros(2, 3, 16)
        hidden[..., 0], hidden[..., 1] = 1.0, 2.0
        for temperature, score in ((1.0, 1.5), (3.0, 0.5)):
            method.config = Config(
                variant="no_memory", examples=4, share=1.0, temperature=temperature
            )
            found = method.scalings(hidden)
            assert found.shape == (len(method.mixture.modules), 2, 3, 2)
            expected = 1 / (1 + math.exp(-score))
            torch.testing.assert_close(found[..., 1], torch.full(found.shape[:3], expected))
            torch.testing.assert_close(found.sum(-1), torch.ones(found.shape[:3]))


def test_every_module_and_token_has_scalings_of_its_own(make, learn):
    method = make(XLoRA, ALONE)
    learn(method)
    with torch.no_grad():
        found = method.scalings(torch.randn(1, 4, 16, generator=torch.Generator().manual_seed(0)))
    flat = found.flatten(0, 2)
    assert len(flat.unique(dim=0)) == len(flat)


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_with_all_weight_on_one_adapter_it_is_that_adapter(make, learn, chosen):
    method = make(XLoRA, ALONE)
    learn(method)
    sent_to(method, chosen)
    with method.adapters.answering(method.learned[chosen]), torch.inference_mode():
        expected = method.model(input_ids=IDS, use_cache=False).logits
    torch.testing.assert_close(logits(method, None), expected, rtol=1e-5, atol=1e-5)


def test_equal_scalings_are_the_mean_of_the_adapters_in_every_module(make, learn):
    method = make(XLoRA, ALONE)
    learn(method)
    with torch.no_grad():
        for parameter in method.own.values():
            parameter.zero_()
    base = make(Frozen, NoSettings())
    with torch.no_grad():
        for name in method.learned:
            tensors = method.adapters.tensors(name)
            for key, down in tensors.items():
                if "lora_A" in key:
                    up = tensors[key.replace("lora_A", "lora_B")]
                    module = key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
                    base.model.get_submodule(module).weight += 4 / 2 / 3 * up @ down
        expected = base.model(input_ids=IDS, use_cache=False).logits
    torch.testing.assert_close(logits(method, None), expected, rtol=1e-4, atol=1e-5)


def test_the_first_pass_is_the_base_alone(make, learn, monkeypatch):
    method, plain = make(XLoRA, ALONE), make(Frozen, NoSettings())
    learn(method)
    seen, scalings = [], XLoRA.scalings

    def watched(self, hidden):
        seen.append(hidden.clone())
        return scalings(self, hidden)

    monkeypatch.setattr(XLoRA, "scalings", watched)
    logits(method, None)
    with torch.inference_mode():
        out = plain.model(input_ids=IDS, use_cache=False, output_hidden_states=True)
    assert len(seen) == 1
    assert torch.equal(seen[0], out.hidden_states[-1])


def test_other_ways_to_ask_give_the_same_answer(make, learn):
    method = make(XLoRA, ALONE)
    learn(method)
    with method.answering(None), torch.inference_mode():
        out = method.model(input_ids=IDS, labels=IDS, use_cache=False, output_hidden_states=True)
    assert torch.equal(out.logits, logits(method, None))


def test_a_token_is_not_told_of_those_that_come_after_it(make, learn):
    method = make(XLoRA, ALONE)
    learn(method)
    whole = logits(method, None, torch.cat([IDS, IDS.flip(1)], dim=1))
    torch.testing.assert_close(whole[:, :16], logits(method, None), rtol=1e-5, atol=1e-5)


def test_no_gradient_reaches_an_adapter_and_every_module_has_one(make, learn, offered):
    method = make(XLoRA, ALONE)
    learn(method, [0])
    method.begin_phase(offered(1))
    training = PhaseTraining(method, offered(1), SETTINGS, method.seeds)
    while training.step < 4:
        training.advance()
    adapters = [p for name in method.learned for _, p in method.adapters.named(name)]
    for parameter in (*adapters, *method.own.values()):
        parameter.grad = None  # what the first stretch left
    terms = method.loss(offered(1).batches[0])
    assert list(terms) == ["lm"]
    terms["lm"].backward()
    assert all(parameter.grad is None for parameter in adapters)
    for key, parameter in method.own.items():
        assert (parameter.grad.flatten(1).abs().amax(1) > 0).all(), key


def test_a_gradient_is_its_slope(make, learn, offered):
    # (L(c + h·d) − L(c − h·d)) / 2h along a random direction, in float32: about three digits
    method = make(XLoRA, ALONE)
    learn(method, [0, 1])
    method._left = 0
    batch, bias = offered(1).batches[0], method.own["bias"]
    (gradient,) = torch.autograd.grad(method.loss(batch)["lm"], [bias])
    at, direction = bias.detach().clone(), gradient / gradient.norm()
    losses = []
    for step in (0.05, -0.05):
        with torch.no_grad():
            bias.copy_(at + step * direction)
            losses.append(method.loss(batch)["lm"].item())
    assert (losses[0] - losses[1]) / 0.1 == pytest.approx(gradient.norm().item(), rel=0.02)


def test_first_the_adapter_moves_and_then_the_classifier(make, learn, offered, bytes_of):
    method = make(XLoRA, ALONE)
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
    assert [found.value for found in method.invariants()] == [0.0]


def test_its_adapters_are_frozens_to_the_byte(make, learn, bytes_of):
    method, frozen = make(XLoRA, MEMORY), make(Frozen, NoSettings())
    learn(method)
    learn(frozen)
    assert bytes_of(method) == bytes_of(frozen)


def test_a_new_domain_adds_rows_and_leaves_the_others(make, learn, offered):
    method = make(XLoRA, ALONE)
    learn(method, [0, 1])
    kept = {key: parameter.detach().clone() for key, parameter in method.own.items()}
    method.begin_phase(offered(2))
    for key, parameter in method.own.items():
        assert parameter.shape[1] == 3
        assert torch.equal(parameter[:, :2], kept[key])
        # U(−1/4, 1/4) for d = 16
        assert 0 < parameter[:, 2].abs().max() <= 0.25
    assert not torch.equal(method.own["bias"][:, 1], method.own["bias"][:, 2])


def test_ablated_or_without_a_share_it_answers_as_frozen(make, learn):
    frozen, method, off = make(Frozen, NoSettings()), make(XLoRA, ALONE), make(XLoRA, OFF)
    for one in (frozen, method, off):
        learn(one)
    assert (method.needs_domain, off.needs_domain) == (False, True)
    for domain in ("river", "oven", "clock", "never", None):
        expected = logits(frozen, domain)
        assert not torch.equal(logits(method, domain), expected)
        assert torch.equal(logits(off, domain), expected)
        with method.ablations()["composition"]:
            assert torch.equal(logits(method, domain), expected)


def test_memory_changes_what_is_learned(make, learn):
    found = []
    for variant in ("no_memory", "memory"):
        method = make(XLoRA, Config(variant=variant, examples=4, share=1.0))
        learn(method, [0, 1])
        found.append(method.own["bias"].detach().clone())
    assert not torch.equal(*found)


@pytest.mark.parametrize("config", [ALONE, MEMORY], ids=["no_memory", "memory"])
@pytest.mark.parametrize("step", [2, 4, 5])
def test_killed_in_either_stretch_it_goes_on_with_the_same_bits(make, learn, offered, config, step):
    straight = make(XLoRA, config)
    learn(straight)
    killed, there = make(XLoRA, config), make(XLoRA, config)
    learn(killed, [0, 1])
    killed.begin_phase(offered(2))
    training = PhaseTraining(killed, offered(2), SETTINGS, killed.seeds)
    while training.step < step:
        training.advance()
    there.restore(copied(killed.state()))
    resumed = PhaseTraining(there, offered(2), SETTINGS, there.seeds)
    resumed.restore({key: tensor.clone() for key, tensor in training.state().items()}, step)
    while resumed.step < resumed.steps:
        resumed.advance()
    there.end_phase(offered(2))
    mine, theirs = there.state(), straight.state()
    assert mine.about == theirs.about
    assert all(torch.equal(mine.tensors[key], tensor) for key, tensor in theirs.tensors.items())
    assert torch.equal(logits(there, None), logits(straight, None))


def test_its_price_is_a_row_a_module_and_adapter(make, learn):
    method = make(XLoRA, MEMORY)
    learn(method)
    classifier = len(method.mixture.modules) * 3 * (16 + 1)
    adapter = sum(t.numel() for t in method.adapters.tensors("domain_oven").values())
    memory = 2 * 3 * 3 * 16 * 8  # ids and labels, rows, domains, tokens, bytes
    assert method.cost() == (adapter + classifier, 4 * (2 * adapter + classifier) + memory, 9)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"variant": "memory", "examples": 0, "share": 1.0}, "examples.*greater than 0"),
        ({"variant": "memory", "examples": 1, "share": -1.0}, "share.*greater than or equal to 0"),
        (
            {"variant": "memory", "examples": 1, "share": 1.0, "temperature": 0.0},
            "temperature.*greater than 0",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, said):
    with pytest.raises(ConfigError, match=f"methods.x_lora has settings of.*{said}"):
        registry.resolve("x_lora", settings)
