"""Isolated: every domain is the first, in whatever order they come."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from classay.method import Phase
from classay.methods.frozen import Config as FrozenConfig
from classay.methods.frozen import Frozen
from classay.methods.isolated import Config, Isolated
from classay.methods.naive_lora import NaiveLoRA

IDS = torch.arange(16).reshape(1, 16)


@pytest.fixture
def placed(offered):
    """The domain of one place, learned at another: the same batches."""

    def phase(domain: int, place: int) -> Phase:
        return Phase(place, offered(domain).domain, offered(domain).batches)

    return phase


@pytest.fixture
def in_order(make, placed):
    """Every domain's adapter after the domains were learned in some order."""
    from classay.suite import Training
    from classay.trainer import PhaseTraining

    settings = Training(tokens_per_domain=128, batch=2, learning_rate=0.02, warmup_steps=1)

    def learned(kind, order):
        method = make(kind, Config() if kind is Isolated else FrozenConfig())
        for place, domain in enumerate(order):
            phase = placed(domain, place)
            method.begin_phase(phase)
            training = PhaseTraining(method, phase, settings, method.seeds)
            while training.step < training.steps:
                training.advance()
            method.end_phase(phase)
        return {
            name: {k: t.numpy().tobytes() for k, t in method.adapters.tensors(name).items()}
            for name in sorted(method.adapters.names)
        }

    return learned


def test_a_permutation_of_the_domains_changes_no_bit(in_order):
    assert in_order(Isolated, (0, 1, 2)) == in_order(Isolated, (2, 0, 1))
    # which is what frozen does not promise
    assert in_order(Frozen, (0, 1, 2)) != in_order(Frozen, (2, 0, 1))


def test_a_domain_is_what_it_is_alone(in_order):
    alone = in_order(Isolated, (1,))
    assert alone == {"domain_oven": in_order(Isolated, (0, 1, 2))["domain_oven"]}


def test_the_first_domain_is_naive_to_the_byte(make, learn, bytes_of):
    method, naive = make(Isolated, Config()), make(NaiveLoRA)
    learn(method, [0])
    learn(naive, [0])
    assert [*bytes_of(method).values()] == [*bytes_of(naive).values()]


def test_each_domain_is_answered_by_its_own_adapter_and_others_by_the_base(make, learn):
    method, plain = make(Isolated, Config()), make(NaiveLoRA)
    learn(method, [0, 1])

    def logits(domain):
        with method.answering(domain), torch.inference_mode():
            return method.model(input_ids=IDS, use_cache=False).logits

    with torch.inference_mode():
        base = plain.model(input_ids=IDS, use_cache=False).logits
    assert not torch.equal(logits("river"), logits("oven"))
    assert all(torch.equal(logits(domain), base) for domain in ("clock", None))
    assert not torch.equal(logits("river"), base)


def test_adapters_that_are_kept_are_charged(make, learn):
    method = make(Isolated, Config())
    learn(method, [0])
    assert method.cost() == (method.cost().trainable, 0, 0)
    learn(method, [1, 2])
    # two finished adapters of 4 bytes a number
    assert method.cost().stored_bytes == 2 * 4 * method.cost().trainable
