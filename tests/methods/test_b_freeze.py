"""B-freeze: B moves in the first phase, and by nothing in any later one."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from classay.methods.b_freeze import BFreeze, Config
from classay.methods.naive_lora import NaiveLoRA
from classay.suite import Training
from classay.trainer import PhaseTraining


def halves(bytes_by_name, half):
    return {key: data for key, data in bytes_by_name.items() if half in key}


def test_b_stays_and_a_learns_from_the_second_domain_on(make, learn, bytes_of):
    method, left = make(BFreeze, Config()), []
    for index in range(3):
        learn(method, [index])
        left.append(bytes_of(method))
    assert halves(left[0], "lora_B") == halves(left[1], "lora_B") == halves(left[2], "lora_B")
    pairs = [[halves(one, "lora_A") for one in pair] for pair in (left[:2], left[1:])]
    assert all(not {*a.items()} & {*b.items()} for a, b in pairs)
    naive = make(NaiveLoRA)
    learn(naive, [0])
    assert bytes_of(naive) == left[0]


def test_weight_decay_moves_it_neither_and_it_has_no_part_in_the_clipped_norm(make, learn, offered):
    method = make(BFreeze, Config())
    learn(method, [0])
    before = {k: t.clone() for k, t in method.adapters.tensors("shared").items()}
    settings = Training(tokens_per_domain=128, batch=2, learning_rate=0.1, weight_decay=0.5)
    method.begin_phase(offered(1))
    training = PhaseTraining(method, offered(1), settings, method.seeds)
    row, kept = training.advance()
    moved = {k for k, t in method.adapters.tensors("shared").items() if not t.equal(before[k])}
    assert moved == {key for key in before if "lora_A" in key}
    assert (kept.name, kept.value) == ("lora_B, max |Δ|", 0.0)
    gradients = [p.grad for k, p in method.adapters.named("shared") if "lora_A" in k]
    # clipping leaves a gradient of at most the suite's norm, and all of it is A's
    assert float(torch.nn.utils.get_total_norm(gradients)) == pytest.approx(
        min(1.0, row.gradient_norm), rel=1e-4
    )


def test_a_b_that_moves_is_seen(make, learn, offered):
    method = make(BFreeze, Config())
    learn(method, [0])
    assert method.invariants() == []
    method.begin_phase(offered(1))
    with torch.no_grad():
        next(p for k, p in method.adapters.named("shared") if "lora_B" in k).view(-1)[1] += 0.25
    assert method.invariants()[0].value == pytest.approx(0.25)
