"""FROZEN: what it promises is measured, and the measurement can fail."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from classay.adapters import Adapters
from classay.base import Base, locate
from classay.method import Phase
from classay.methods.frozen import Config, Frozen
from classay.seeding import Seeds
from classay.suite import AdapterSpec, BaseSpec


@pytest.fixture
def frozen(tiny_base) -> Frozen:
    base = Base(locate(BaseSpec(path=str(tiny_base))), "fp32", "cpu")
    return Frozen(Adapters(base.model, AdapterSpec(rank=2), Seeds(0)), Config(), Seeds(0))


def phase(index: int, domain: str) -> Phase:
    ids = torch.arange(32).reshape(1, 2, 16)
    return Phase(index, domain, tuple({"input_ids": b, "labels": b} for b in ids))


def test_every_domain_has_an_adapter_of_its_own(frozen):
    for index, domain in enumerate(("river", "oven")):
        frozen.begin_phase(phase(index, domain))
    assert frozen.adapters.names == ["domain_river", "domain_oven"]


def test_nothing_is_promised_before_there_is_anything_to_keep(frozen):
    frozen.begin_phase(phase(0, "river"))
    assert frozen.invariants() == []


def test_a_finished_adapter_that_moves_is_seen(frozen):
    frozen.begin_phase(phase(0, "river"))
    frozen.begin_phase(phase(1, "oven"))
    (kept,) = frozen.invariants()
    assert kept.value == 0.0
    with torch.no_grad():
        next(iter(frozen.adapters.tensors("domain_river").values())).view(-1)[3] += 0.5
    (moved,) = frozen.invariants()
    assert moved.value == pytest.approx(0.5)


def test_the_router_decides_which_adapter_answers(frozen):
    ids = torch.arange(16).reshape(1, 16)
    for index, domain in enumerate(("river", "oven")):
        frozen.begin_phase(phase(index, domain))
        with torch.no_grad():
            for key, tensor in frozen.adapters.tensors(f"domain_{domain}").items():
                if "lora_B" in key:
                    tensor.fill_(0.1 * (index + 1))

    def logits(domain):
        with frozen.answering(domain), torch.inference_mode():
            return frozen.model(input_ids=ids, use_cache=False).logits

    assert not torch.equal(logits("river"), logits("oven"))
    # a domain that was never learned, and no domain at all, are answered by the base
    assert torch.equal(logits("clock"), logits(None))
    assert not torch.equal(logits("clock"), logits("river"))


def test_finished_adapters_are_charged_in_bytes(frozen):
    frozen.begin_phase(phase(0, "river"))
    assert frozen.cost().stored_bytes == 0
    frozen.begin_phase(phase(1, "oven"))
    # the finished adapter is as large as the one in training, and holds 4 bytes a number
    assert frozen.cost().stored_bytes == 4 * frozen.cost().trainable
