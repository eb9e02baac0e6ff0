"""Full fine-tuning: all of the base moves, at a rate of its own, and all of it is kept."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from classay import registry
from classay.adapters import Adapters
from classay.base import Base, locate
from classay.errors import ConfigError
from classay.method import State
from classay.methods.full_finetune import Config, FullFinetune
from classay.seeding import Seeds
from classay.suite import AdapterSpec, BaseSpec

IDS = torch.arange(16).reshape(1, 16)


def logits(method) -> torch.Tensor:
    with method.answering("river"), torch.inference_mode():
        return method.model(input_ids=IDS, use_cache=False).logits


def test_it_trains_every_weight_and_makes_no_adapter(make, learn):
    method = make(FullFinetune, Config(rate=0.1))
    before = {name: p.detach().clone() for name, p in method.model.named_parameters()}
    learn(method, [0])
    assert {id(p) for p in method.parameters()} == {id(p) for p in method.model.parameters()}
    assert not [name for name, p in method.model.named_parameters() if torch.equal(p, before[name])]
    assert method.adapters.names == []


def test_the_first_step_by_hand(make, offered):
    # AdamW's first step is lr · g / (|g| + ε), and so every weight moves by lr = rate · 0.02
    from classay.suite import Training
    from classay.trainer import PhaseTraining

    settings = Training(tokens_per_domain=128, batch=2, learning_rate=0.02, warmup_steps=0)
    for rate in (0.1, 0.5):
        method = make(FullFinetune, Config(rate=rate))
        training = PhaseTraining(method, offered(0), settings, method.seeds)
        weight = method.model.get_output_embeddings().weight
        before = weight.detach().clone()
        training.advance()
        far = (weight.detach() - before).abs()[weight.grad.abs() > 1e-4]
        assert len(far) > 100
        torch.testing.assert_close(far, torch.full_like(far, rate * 0.02), rtol=1e-3, atol=1e-6)


def test_what_answers_comes_back_from_its_state(make, learn):
    method, other = make(FullFinetune, Config(rate=0.1)), make(FullFinetune, Config(rate=0.1))
    learn(method, [0, 1])
    state = method.state()
    saved = {key: tensor.clone() for key, tensor in state.tensors.items()}
    before = logits(other)
    other.restore(State(saved, state.about))
    assert torch.equal(logits(other), logits(method))
    assert not torch.equal(logits(other), before)


def test_the_whole_base_is_charged(make, learn):
    method = make(FullFinetune, Config(rate=0.1))
    learn(method, [0])
    numbers = sum(p.numel() for p in method.model.parameters())
    assert method.cost() == (numbers, 4 * numbers, 0)


def test_a_weight_that_two_layers_share_is_one_weight(tiny_base):
    base = Base(locate(BaseSpec(path=str(tiny_base))), "fp32", "cpu")
    base.model.lm_head.weight = base.model.model.embed_tokens.weight
    method = FullFinetune(Adapters(base.model, AdapterSpec(), Seeds(0)), Config(rate=1), Seeds(0))
    shared = base.model.lm_head.weight
    assert sum(p is shared for p in method.parameters()) == 1
    assert sum(key.endswith(("embed_tokens.weight", "lm_head.weight")) for key in method._own) == 1


def test_a_base_of_codes_is_refused(tiny_base):
    base = Base(locate(BaseSpec(path=str(tiny_base))), "nf4", "cpu")
    adapters = Adapters(base.model, AdapterSpec(), Seeds(0))
    refusal = r"(?s)weights of the base are quantised.*needs floating-point.*Set base.dtype to fp32"
    with pytest.raises(ConfigError, match=refusal):
        FullFinetune(adapters, Config(rate=0.1), Seeds(0))


def test_the_rate_has_no_default_and_no_zero():
    with pytest.raises(ConfigError, match=r"lacks \['rate'\], which have no default"):
        registry.resolve("full_finetune", {})
    with pytest.raises(ConfigError, match=r"settings of the wrong kind: rate"):
        registry.resolve("full_finetune", {"rate": 0.0})
