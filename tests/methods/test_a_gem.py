"""A-GEM: what opposes the past is taken out of the gradient, exactly, and nothing else is."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from classay import registry
from classay.errors import ConfigError
from classay.methods.a_gem import AFTER, BEFORE, EXAMPLE, AGem, Config, project
from classay.methods.naive_lora import NaiveLoRA
from classay.suite import Training
from classay.trainer import PhaseTraining

SETTINGS = Training(tokens_per_domain=128, batch=2, learning_rate=0.02, warmup_steps=1)


def test_a_projection_by_hand():
    # g·g_ref = −2, ‖g_ref‖² = 4: g + ½ g_ref = (1, 0); beside ‖g‖‖g_ref‖ = √2 · 2: −1/√2 and 0
    projected, products = project(torch.tensor([1.0, -1.0]), torch.tensor([0.0, 2.0]))
    assert projected.tolist() == [1.0, 0.0]
    assert products.tolist() == pytest.approx([-(0.5**0.5), 0.0])


@pytest.mark.parametrize("past", [[0.0, 2.0], [-1.0, 1.0], [0.0, 0.0]])
def test_what_does_not_oppose_the_past_stays_to_the_bit(past):
    g = torch.tensor([1.0 / 3, 1.0 / 3])
    projected, products = project(g, torch.tensor(past))
    assert torch.equal(projected, g)
    assert products[0] == products[1] >= 0


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_after_a_projection_nothing_opposes_the_past(scale):
    generator = torch.Generator().manual_seed(0)
    g, past = (torch.randn(100_000, generator=generator) for _ in range(2))
    g -= 0.01 * past  # an opposed pair: their product is about −1000, and √100000 is 316
    projected, products = project(g, scale * past)
    assert products[0] < -1e-3
    cosine = torch.dot(projected.double(), past.double()) / (g.norm() * past.norm())
    assert abs(cosine) < 1e-7
    assert products[1] == pytest.approx(float(cosine), abs=1e-9)


def test_an_order_of_the_parameters_changes_nothing():
    g, past = torch.tensor([1.0, -3.0, 0.5]), torch.tensor([-2.0, 1.0, 4.0])
    order = [2, 0, 1]
    assert torch.allclose(project(g[order], past[order])[0], project(g, past)[0][order])


def gradients(method) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in method.parameters()])


def test_on_a_model_the_gradient_is_changed_and_keeps_nothing_against_the_past(
    make, learn, offered
):
    method = make(AGem, Config(capacity=8, share=1.0))
    learn(method, [0])
    method.begin_phase(offered(1))
    training = PhaseTraining(method, offered(1), SETTINGS, method.seeds)
    parameters = list(method.parameters())
    projections = 0
    for batch in training.batches:
        training.optimizer.zero_grad()
        method.loss(batch)["lm"].backward()
        before = gradients(method)
        lm = NaiveLoRA.loss(method, {k: batch[k][2:] for k in ("input_ids", "labels")})["lm"]
        past = torch.cat([g.flatten() for g in torch.autograd.grad(lm, parameters)])
        method.edit_gradients()
        after = gradients(method)
        if before @ past < 0:
            projections += 1
            assert not torch.equal(before, after)
            assert abs(after @ past) < 1e-5 * before.norm() * past.norm()
        else:
            assert torch.equal(before, after)
        training.optimizer.step()
    assert projections > 0


def test_a_batch_is_what_is_offered_and_a_sample_of_the_past(make, learn, offered):
    method = make(AGem, Config(capacity=8, share=1.0))
    learn(method, [0])
    past = {tuple(row) for b in offered(0).batches for row in b["input_ids"].tolist()}
    batches = method.curriculum(offered(1))
    samples = []
    for batch, plain in zip(batches, offered(1).batches, strict=True):
        assert torch.equal(batch["input_ids"][:2], plain["input_ids"])
        samples.append({tuple(row) for row in batch["input_ids"][2:].tolist()})
        assert len(samples[-1]) == 2
        assert samples[-1] <= past
    assert len(set(map(frozenset, samples))) > 1  # another one at every step


def test_the_loss_is_that_of_the_offered_rows_alone(make, learn, offered):
    method = make(AGem, Config(capacity=8, share=1.0))
    learn(method, [0])
    batch = method.curriculum(offered(1))[0]
    own = NaiveLoRA.loss(method, offered(1).batches[0])["lm"]
    assert torch.equal(method.loss(batch)["lm"], own)


def test_the_second_pass_is_charged_as_tokens(make, learn):
    method = make(AGem, Config(capacity=8, share=0.5))
    rows = learn(method)
    # 32 tokens offered a step, and from the second phase on one row of 16 more
    assert [row.tokens for row in rows] == [32] * 4 + [48] * 8
    assert AGem.budgets(method.config, 3) * 128 == sum(row.tokens for row in rows)
    # 8 rows of 16 tokens, ids and labels of 8 bytes
    assert method.cost()[1:] == (8 * 16 * 8 * 2, 8)


def test_what_is_traced_is_what_was_done(make, learn, offered):
    method = make(AGem, Config(capacity=8, share=1.0))
    learn(method, [0])
    assert method.trace(ended=True) is None
    method.begin_phase(offered(1))
    training = PhaseTraining(method, offered(1), SETTINGS, method.seeds)
    found = []
    while training.step < training.steps:
        training.advance()
        found.append(method.trace(ended=False))
    for trace in found:
        (before,), (after,) = trace.values[BEFORE], trace.values[AFTER]
        low, high = trace.promised[AFTER]
        assert low <= after <= high
        # after is of the gradient that the step took: clipped, and in float32
        assert after == pytest.approx(max(before, 0.0), abs=1e-6)
    assert any(trace.values[BEFORE][0] < 0 for trace in found)


def test_without_a_share_it_is_naive_to_the_byte(make, learn, bytes_of):
    method, naive = make(AGem, Config(capacity=8, share=0.0)), make(NaiveLoRA)
    assert [r.batch for r in learn(method)] == [r.batch for r in learn(naive)]
    assert bytes_of(method) == bytes_of(naive)


def test_with_a_share_it_is_another_training_from_the_second_phase_on(make, learn, bytes_of):
    method, naive = make(AGem, EXAMPLE), make(NaiveLoRA)
    learn(method, [0])
    learn(naive, [0])
    assert bytes_of(method) == bytes_of(naive)
    learn(method, [1])
    learn(naive, [1])
    assert bytes_of(method) != bytes_of(naive)


def test_less_than_a_row_a_step_is_refused_before_the_phase(make, offered):
    method = make(AGem, Config(capacity=8, share=0.25))
    with pytest.raises(ConfigError, match=r"(?s)offered 2 rows.*share = 0.25.*at least 0.5, or to"):
        method.begin_phase(offered(0))


def test_capacity_and_share_have_no_default():
    with pytest.raises(ConfigError, match=r"lacks \['capacity', 'share'\], which have no default"):
        registry.resolve("a_gem", {})


@pytest.mark.parametrize("wrong", [{"capacity": 0}, {"share": -0.1}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"methods.a_gem has settings.*{next(iter(wrong))}"):
        registry.resolve("a_gem", {"capacity": 1, "share": 0.5} | wrong)
