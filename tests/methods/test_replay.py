"""Replay: what it keeps is a uniform sample, what it says it keeps is what it keeps."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from classay import registry
from classay.errors import ConfigError
from classay.method import Phase
from classay.methods._memory import reservoir
from classay.methods.naive_lora import NaiveLoRA
from classay.methods.replay import Config, Replay
from classay.seeding import Seeds


def phase(index: int) -> Phase:
    ids = 1000 * index + torch.arange(4 * 2 * 4).reshape(4, 2, 4)  # 4 batches of 2 rows
    return Phase(index, f"d{index}", tuple({"input_ids": b, "labels": b} for b in ids))


def past(batches) -> list[int]:
    """How many rows of each batch are from an earlier phase than 1."""
    return [int((b["input_ids"][:, 0] < 1000).sum()) for b in batches]


@pytest.fixture
def replay(make):
    def after(first: int, **config) -> Replay:
        method = make(Replay, Config(**{"capacity": 100, "share": 0.5} | config))
        for index in range(first):
            method.begin_phase(phase(index))
            method.end_phase(phase(index))
        return method

    return after


def test_a_memory_that_is_large_enough_keeps_everything(replay):
    method = replay(2)
    ids = method.state().tensors["memory/ids"]
    rows = torch.cat([b["input_ids"] for i in range(2) for b in phase(i).batches])
    assert torch.equal(ids, rows)


def test_its_bytes_are_what_it_says(replay):
    method = replay(2, capacity=5)
    tensors = method.state().tensors
    kept = [tensors["memory/ids"], tensors["memory/labels"]]
    # 5 rows of 4 tokens, ids and labels of 8 bytes
    assert method.cost().stored_examples == 5 == len(kept[0])
    assert method.cost().stored_bytes == 5 * 4 * 8 * 2 == sum(t.nbytes for t in kept)


def test_before_the_first_domain_is_learned_nothing_is_kept(make):
    method = make(Replay, Config(capacity=5, share=0.5))
    method.begin_phase(phase(0))
    assert method.cost()[1:] == (0, 0)


def test_every_kept_row_is_the_row_that_it_is_said_to_be(replay):
    state = replay(3, capacity=6).state()
    assert len(state.about["memory"]) == 6
    for (index, row), ids in zip(state.about["memory"], state.tensors["memory/ids"], strict=True):
        assert torch.equal(ids, torch.cat([b["input_ids"] for b in phase(index).batches])[row])


def test_a_batch_by_hand(replay):
    # share 0.5 of 2 rows: one row of the past behind the two that were offered
    mixed = replay(1).curriculum(phase(1))
    assert past(mixed) == [1, 1, 1, 1]
    for batch, offered in zip(mixed, phase(1).batches, strict=True):
        assert torch.equal(batch["input_ids"][:2], offered["input_ids"])
        assert torch.equal(batch["labels"], batch["input_ids"])


@pytest.mark.parametrize(
    ("share", "expected"),
    # 2 · share rows are due a step: half a row comes every other step, four whole ones at once
    [(0.25, [0, 1, 1, 0]), (0.125, [0, 0, 1, 0]), (2.0, [4, 4, 4, 4]), (0.0, [0, 0, 0, 0])],
)
def test_a_share_is_spread_over_the_steps(replay, share, expected):
    assert past(replay(1, share=share).curriculum(phase(1))) == expected
    # what the plan counts: 2 domains' budgets and the share of the second, in rows of 8 a phase
    assert Replay.budgets(Config(capacity=1, share=share), 2) * 8 == 16 + sum(expected)


@pytest.mark.parametrize("capacity", [8, 3])
def test_a_step_repeats_no_row_unless_it_needs_more_than_there_are(replay, capacity):
    batch = replay(1, capacity=capacity, share=4.0).curriculum(phase(1))[0]  # 8 rows of the past
    found = {int(row[0]) for row in batch["input_ids"][2:]}
    assert len(batch["input_ids"]) == 10
    assert len(found) == 8 if capacity == 8 else len(found) <= 3


def test_the_curriculum_of_a_phase_is_the_same_however_often_it_is_asked_for(replay):
    method = replay(2, capacity=5)
    first, second = (method.curriculum(phase(2)) for _ in range(2))
    assert all(
        torch.equal(a["input_ids"], b["input_ids"]) for a, b in zip(first, second, strict=True)
    )


def test_the_reservoir_by_hand():
    def draws(*slots: int):
        found = iter(slots)
        return SimpleNamespace(integers=lambda high: next(found))

    assert reservoir(0, 0, 3, 5, draws()) == [0, 1, 2]
    # a memory of 2: row 2 draws slot 1 of 3 and takes it, row 3 draws 2 of 4 and is dropped
    assert reservoir(0, 0, 4, 2, draws(1, 2)) == [0, 2]
    # 2 rows held of 4 seen; the next ones are places 2 and 3
    assert reservoir(2, 4, 2, 2, draws(0, 5)) == [2, 1]


def test_after_three_domains_every_row_is_kept_equally_often():
    # 6 of 24 rows, offered in threes of 8: each with probability 1/4, however early it came
    trials, kept, phases = 2000, np.zeros((3, 8)), [phase(index) for index in range(3)]
    for trial in range(trials):
        adapters = SimpleNamespace(model=None)
        method = Replay(adapters, Config(capacity=6, share=0.5), Seeds(trial))
        for domain in phases:
            method.end_phase(domain)
        assert len({tuple(origin) for origin in method.memory.origins}) == 6
        for index, row in method.memory.origins:
            kept[index, row] += 1
    error = np.sqrt(0.25 * 0.75 / trials)
    assert np.abs(kept / trials - 0.25).max() < 4 * error


def test_an_empty_memory_draws_nothing(make):
    method = make(Replay, Config(capacity=5, share=0.5))
    method.begin_phase(phase(0))
    method.seeds = None  # whoever asks it for a generator fails
    first = phase(0)
    assert method.curriculum(first) is first.batches


def test_without_a_share_it_is_naive_to_the_byte(make, learn, bytes_of):
    method, naive = make(Replay, Config(capacity=8, share=0.0)), make(NaiveLoRA)
    assert [r.batch for r in learn(method)] == [r.batch for r in learn(naive)]
    assert bytes_of(method) == bytes_of(naive)


def test_with_a_share_it_is_another_training_from_the_second_phase_on(make, learn):
    rows = learn(make(Replay, Config(capacity=8, share=0.5)))
    plain = learn(make(NaiveLoRA))
    same = [a.batch == b.batch for a, b in zip(rows, plain, strict=True)]
    assert same == [True] * 4 + [False] * 8
    assert [row.tokens for row in rows] == [32] * 4 + [48] * 8


def test_the_global_generator_is_left_alone(replay):
    method, state = replay(2, capacity=3), torch.get_rng_state()
    method.curriculum(phase(2))
    method.end_phase(phase(2))
    assert torch.equal(torch.get_rng_state(), state)


def test_share_and_the_capacity_of_a_reservoir_have_no_default():
    with pytest.raises(ConfigError, match=r"lacks \['share'\], which have no default"):
        registry.resolve("replay", {})
    with pytest.raises(ConfigError, match=r"'reservoir' with capacity None.*needs a number"):
        registry.resolve("replay", {"share": 0.5})


@pytest.mark.parametrize("wrong", [{"capacity": 0}, {"share": -0.1}, {"memory": "ring"}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"methods.replay has settings.*{next(iter(wrong))}"):
        registry.resolve("replay", {"capacity": 1, "share": 0.5} | wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"capacity": 4, "share": 0.5}, "'fixed_share' with capacity 4.*take it out"),
        ({"share": 1.5}, "share 1.5 with memory 'fixed_share'; at most 1 can be kept"),
    ],
)
def test_settings_that_do_not_go_with_a_fixed_share_are_refused(wrong, said):
    with pytest.raises(ConfigError, match=said):
        registry.resolve("replay", {"memory": "fixed_share"} | wrong)


@pytest.fixture
def fixed(replay):
    return lambda first, share: replay(first, memory="fixed_share", capacity=None, share=share)


@pytest.mark.parametrize(("share", "quota"), [(1.0, 8), (0.5, 4), (0.3, 2), (0.1, 1), (0.0, 0)])
def test_every_domain_leaves_the_same_share(fixed, share, quota):
    # of 8 rows a domain; 0.3 of them are 2.4 and 0.1 of them are 0.8
    method = fixed(3, share)
    assert [index for index, _ in method.memory.origins] == [0] * quota + [1] * quota + [2] * quota
    assert len({tuple(origin) for origin in method.memory.origins}) == 3 * quota
    # 4 tokens a row, ids and labels of 8 bytes
    assert method.cost()[1:] == (3 * quota * 4 * 8 * 2, 3 * quota)


def test_every_row_of_a_fixed_share_is_the_row_that_it_is_said_to_be(fixed):
    state = fixed(3, 0.5).state()
    for (index, row), ids in zip(state.about["memory"], state.tensors["memory/ids"], strict=True):
        assert torch.equal(ids, torch.cat([b["input_ids"] for b in phase(index).batches])[row])


def test_what_a_domain_has_left_stays(fixed):
    two, three = (fixed(count, 0.5).state().about["memory"] for count in (2, 3))
    assert three[:8] == two


def test_every_row_of_a_fixed_share_is_seen_once_a_phase(fixed):
    method = fixed(2, 0.3)  # 2 rows of each of 2 domains over 4 steps: one a step
    mixed = method.curriculum(phase(2))
    assert [len(b["labels"]) for b in mixed] == [3, 3, 3, 3]
    again = torch.cat([b["input_ids"][2:] for b in mixed])
    kept = method.state().tensors["memory/ids"]
    assert sorted(again.tolist()) == sorted(kept.tolist())
    assert again.tolist() != kept.tolist()  # shuffled: domains are not replayed one by one
    assert all(torch.equal(b["labels"], b["input_ids"]) for b in mixed)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.25, 0.0])
def test_the_plan_of_a_fixed_share_by_hand(fixed, share):
    # 3 domains of 8 rows; one share in the second phase and two in the third
    trained = sum(len(b["labels"]) for i in range(3) for b in fixed(i, share).curriculum(phase(i)))
    config = Config(memory="fixed_share", share=share)
    assert trained == 24 + 8 * share * 3 == 8 * Replay.budgets(config, 3)


def test_the_rows_of_a_fixed_share_are_drawn_equally_often():
    trials, kept, domain = 2000, np.zeros(8), phase(0)
    for trial in range(trials):
        adapters = SimpleNamespace(model=None)
        method = Replay(adapters, Config(memory="fixed_share", share=0.25), Seeds(trial))
        method.end_phase(domain)
        for _, row in method.memory.origins:
            kept[row] += 1
    error = np.sqrt(0.25 * 0.75 / trials)
    assert np.abs(kept / trials - 0.25).max() < 4 * error


def test_a_fixed_share_of_nothing_is_naive_to_the_byte(make, learn, bytes_of):
    method = make(Replay, Config(memory="fixed_share", share=0.0))
    naive = make(NaiveLoRA)
    assert [r.batch for r in learn(method)] == [r.batch for r in learn(naive)]
    assert bytes_of(method) == bytes_of(naive)
