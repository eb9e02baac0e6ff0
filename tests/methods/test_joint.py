"""Joint training: it sees everything so far, once a phase, and pays for it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from classay.adapters import Adapters
from classay.base import Base, locate
from classay.method import Phase
from classay.methods.joint import Config, Joint
from classay.seeding import Seeds
from classay.suite import AdapterSpec, BaseSpec


@pytest.fixture
def joint(tiny_base) -> Joint:
    base = Base(locate(BaseSpec(path=str(tiny_base))), "fp32", "cpu")
    return Joint(Adapters(base.model, AdapterSpec(rank=2), Seeds(0)), Config(), Seeds(0))


def phase(index: int) -> Phase:
    ids = 1000 * index + torch.arange(3 * 2 * 4).reshape(3, 2, 4)  # 3 batches of 2 rows
    return Phase(index, f"d{index}", tuple({"input_ids": b, "labels": b} for b in ids))


def rows(batches) -> list[tuple[int, ...]]:
    return [tuple(row.tolist()) for batch in batches for row in batch["input_ids"]]


def test_with_one_domain_it_trains_on_what_is_offered(joint):
    joint.begin_phase(phase(0))
    assert rows(joint.curriculum(phase(0))) == rows(phase(0).batches)


def test_every_row_so_far_comes_exactly_once(joint):
    for index in range(3):
        joint.begin_phase(phase(index))
        seen = rows(joint.curriculum(phase(index)))
        expected = [row for i in range(index + 1) for row in rows(phase(i).batches)]
        assert sorted(seen) == sorted(expected)


def test_batches_mix_the_domains(joint):
    joint.begin_phase(phase(0))
    joint.begin_phase(phase(1))
    first = joint.curriculum(phase(1))[0]["input_ids"]
    # rows alternate: the first batch of two holds one row of each domain
    assert (first[:, 0] // 1000).tolist() == [0, 1]


def test_it_starts_from_scratch(joint):
    joint.begin_phase(phase(0))
    with torch.no_grad():
        for tensor in joint.adapters.tensors("joint").values():
            tensor.fill_(1.0)
    joint.begin_phase(phase(1))
    tensors = joint.adapters.tensors("joint")
    assert all(not t.any() for key, t in tensors.items() if "lora_B" in key)
    assert joint.adapters.names == ["joint"]


def test_every_example_it_keeps_is_counted(joint):
    joint.begin_phase(phase(0))
    joint.begin_phase(phase(1))
    cost = joint.cost()
    # 2 domains of 6 rows; ids and labels of 4 tokens of 8 bytes
    assert cost.stored_examples == 12
    assert cost.stored_bytes == 12 * 4 * 8 * 2
