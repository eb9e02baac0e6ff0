"""Untrained: the base alone, whatever is offered."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from classay.methods.naive_lora import NaiveLoRA
from classay.methods.untrained import Config, Untrained

IDS = torch.arange(16).reshape(1, 16)


def logits(method, domain):
    with method.answering(domain), torch.inference_mode():
        return method.model(input_ids=IDS, use_cache=False).logits


def test_it_answers_as_the_base_does_to_the_bit(make, learn):
    method, plain = make(Untrained, Config()), make(NaiveLoRA)
    assert learn(method) == []  # not one step
    with torch.inference_mode():
        base = plain.model(input_ids=IDS, use_cache=False).logits
    assert all(torch.equal(logits(method, d), base) for d in ("river", "clock", "unheard_of", None))


def test_it_costs_nothing(make, learn):
    method = make(Untrained, Config())
    learn(method)
    assert method.cost() == (0, 0, 0)
    assert method.state() == ({}, {"active": None, "beside": []})
    assert Untrained.budgets(Config(), 5) == 0


def test_it_goes_on_from_nothing(make):
    method = make(Untrained, Config())
    method.restore(method.state())
    assert method.adapters.active is None
