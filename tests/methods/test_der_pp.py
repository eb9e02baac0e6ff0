"""DER++: two draws, one held to kept logits and one to labels; without both weights it is naive."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from classay import registry
from classay.errors import ConfigError
from classay.method import Phase
from classay.methods.der_pp import Config, DerPP, cross_entropy, distance
from classay.methods.naive_lora import NaiveLoRA
from classay.packing import IGNORED

PLAIN = {"capacity": 8, "share": 0.5, "logits": 4, "alpha": 0.5, "beta": 0.5}


@pytest.fixture
def learned(make, learn):
    """The method after its first domain."""

    def made(**changes) -> DerPP:
        method = make(DerPP, Config(**PLAIN | changes))
        learn(method, [0])
        return method

    return made


def test_the_distance_by_hand():
    # one position: tokens 2 and 0 were 3 and 1 and are 5 and 1: (2² + 0²) / 2
    logits = torch.tensor([[[1.0, 9.0, 5.0], [0.0, 0.0, 0.0]]])
    labels, kept = torch.tensor([[0, 1]]), torch.tensor([[[3.0, 1.0]]])
    assert distance(logits, labels, kept, torch.tensor([[[2, 0]]], dtype=torch.int32)) == 2.0


def test_a_position_without_a_label_is_left_out_of_the_distance():
    logits = torch.tensor([[[5.0], [7.0], [0.0]]])
    kept, tokens = torch.zeros(1, 2, 1), torch.zeros(1, 2, 1, dtype=torch.int32)
    assert distance(logits, torch.tensor([[0, 0, IGNORED]]), kept, tokens) == 25.0
    assert distance(logits, torch.tensor([[0, 0, 0]]), kept, tokens) == (25 + 49) / 2


def test_the_gradient_of_the_distance_by_finite_differences():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 5, generator=generator)
    labels = torch.randint(0, 5, (2, 3), generator=generator)
    kept = torch.randn(2, 2, 2, generator=generator)
    tokens = torch.tensor([[[0, 3], [1, 2]], [[4, 0], [2, 1]]], dtype=torch.int32)

    def at(place, step):
        moved = logits.clone()
        moved[place] += step
        return float(distance(moved, labels, kept, tokens))

    found = torch.autograd.functional.jacobian(lambda h: distance(h, labels, kept, tokens), logits)
    assert (found != 0).sum() == 8
    for place in [(0, 0, 3), (1, 1, 2), (0, 2, 0), (1, 0, 1)]:
        # of a square the central difference is exact, whatever the step
        slope = (at(place, 0.25) - at(place, -0.25)) / 0.5
        assert float(found[place]) == pytest.approx(slope, abs=1e-5)


def test_the_cross_entropy_is_the_model_s_own(make, offered):
    method = make(NaiveLoRA)
    method.begin_phase(offered(0))
    batch = dict(offered(0).batches[0])
    batch["labels"] = batch["labels"].clone()
    batch["labels"][:, 5:9] = IGNORED
    logits = method.model(input_ids=batch["input_ids"], use_cache=False).logits
    assert torch.equal(cross_entropy(logits, batch["labels"]), method.loss(batch)["lm"])


def test_what_is_kept_is_what_the_model_said_at_the_end_of_the_phase(learned):
    columns = learned().memory.columns
    method = learned()
    with torch.no_grad():
        logits = method.model(input_ids=columns["ids"], use_cache=False).logits[:, :-1]
    # the likeliest four of 320 tokens, at each position of 8 rows of 16 that predicts one
    assert columns["values"].shape == columns["tokens"].shape == (8, 15, 4)
    assert torch.allclose(columns["values"], logits.topk(4).values, atol=1e-5)
    assert torch.equal(columns["tokens"].long(), logits.topk(4).indices)


def test_logits_stay_with_their_rows(make, learn):
    method = make(DerPP, Config(**PLAIN | {"capacity": 5}))
    learn(method, [0])
    first = method.state()
    before = dict(
        zip(map(tuple, first.about["memory"]), first.tensors["memory/values"], strict=True)
    )
    learn(method, [1])
    after = method.state()
    stayed = 0
    for origin, values in zip(after.about["memory"], after.tensors["memory/values"], strict=True):
        if tuple(origin) in before:
            stayed += 1
            assert torch.equal(values, before[tuple(origin)])  # as they were, not as they are
    assert 0 < stayed < 5


def test_its_bytes_are_what_it_says(learned):
    # 8 rows: 16 ids and 16 labels of 8 bytes, 15 positions of 4 values and 4 tokens of 4 bytes
    assert learned().cost()[1:] == (8 * (16 * 8 * 2 + 15 * 4 * 4 * 2), 8)
    # without α no logits are kept
    assert learned(alpha=0.0).cost()[1:] == (8 * 16 * 8 * 2, 8)


def test_more_logits_than_tokens_are_all_of_them(learned):
    assert learned(logits=1000).memory.columns["values"].shape == (8, 15, 320)


def test_the_terms_are_those_of_the_formula(learned, offered):
    method = learned(share=1.0, alpha=0.25, beta=3.0)
    batch = method.curriculum(offered(1))[1]
    with torch.no_grad():
        for parameter in method.parameters():
            parameter += 0.01  # so that the logits are not what they were
    terms = method.loss(batch)
    assert list(terms) == ["lm", "logits", "replay"]

    def plain(rows):
        return NaiveLoRA.loss(method, {"input_ids": rows, "labels": rows})["lm"]

    rows = batch["input_ids"]
    assert torch.allclose(terms["lm"], plain(rows[:2]))
    assert torch.allclose(terms["replay"], 3.0 * plain(rows[4:]))
    logits = method.model(input_ids=rows[2:4], use_cache=False).logits
    kept = [method.memory.columns[key][batch["logits"]] for key in ("values", "tokens")]
    moved = distance(logits, rows[2:4], *kept)
    assert moved > 1e-4
    assert torch.allclose(terms["logits"], 0.25 * moved)


def test_the_two_draws_are_independent_and_fresh_at_every_step(learned, offered):
    method = learned(share=1.0)
    batches = method.curriculum(offered(1))
    first, second = ([tuple(b[name].tolist()) for b in batches] for name in ("logits", "replay"))
    assert first != second
    assert len(set(first)) > 1
    assert len(set(second)) > 1
    for batch in batches:
        drawn = [*batch["logits"].tolist(), *batch["replay"].tolist()]
        assert torch.equal(batch["input_ids"][2:], method.memory.columns["ids"][drawn])
    # one draw is the same whether the other is made or not
    alone = learned(share=1.0, beta=0.0).curriculum(offered(1))
    assert [tuple(b["logits"].tolist()) for b in alone] == first


@pytest.mark.parametrize(
    ("alpha", "beta", "names"),
    [(0.5, 0.5, {"logits", "replay"}), (0.5, 0.0, {"logits"}), (0.0, 0.5, {"replay"})],
)
def test_its_penalties_begin_with_the_second_phase_and_are_felt(make, learn, alpha, beta, names):
    method = make(DerPP, Config(**PLAIN | {"alpha": alpha, "beta": beta}))
    rows = learn(method)
    assert all(set(row.terms) == {"lm"} for row in rows[:4])
    assert all(set(row.terms) == {"lm"} | names for row in rows[4:])
    for row in rows[4:]:
        if row.step == 1:
            norms = row.term_gradient_norms
            assert all(norms[name] > 1e-3 * norms["lm"] for name in names)
    # 32 tokens offered a step, and one row of 16 for every draw
    assert [row.tokens for row in rows] == [32] * 4 + [32 + 16 * len(names)] * 8
    assert DerPP.budgets(method.config, 3) * 128 == sum(row.tokens for row in rows)


def test_with_alpha_the_logits_of_the_past_move_less(make, learn):
    moved = []
    for alpha in (0.0, 10.0):
        method = make(DerPP, Config(**PLAIN | {"share": 4.0, "alpha": alpha, "beta": 0.0}))
        learn(method, [0])
        ids = method.memory.columns["ids"]
        with torch.no_grad():
            before = method.model(input_ids=ids, use_cache=False).logits
        learn(method, [1])
        with torch.no_grad():
            after = method.model(input_ids=ids, use_cache=False).logits
        top = before[:, :-1].topk(4)
        moved.append(float(distance(after, ids, top.values, top.indices)))
    assert moved[1] < moved[0] / 2


@pytest.mark.parametrize("off", [{"alpha": 0.0, "beta": 0.0}, {"share": 0.0}])
def test_without_its_weights_or_its_draws_it_is_naive_to_the_byte(make, learn, bytes_of, off):
    method, naive = make(DerPP, Config(**PLAIN | off)), make(NaiveLoRA)
    assert [r.batch for r in learn(method)] == [r.batch for r in learn(naive)]
    assert bytes_of(method) == bytes_of(naive)


def test_completions_alone_are_held(make, offered):
    method = make(DerPP, Config(**PLAIN | {"share": 1.0, "beta": 0.0}))
    plain = offered(0)
    batches = [{k: b[k].clone() for k in ("input_ids", "labels")} for b in plain.batches]
    for batch in batches:
        batch["labels"][:, :8] = IGNORED
    phase = Phase(0, "river", tuple(batches))
    method.begin_phase(phase)
    method.end_phase(phase)
    batch = method.curriculum(offered(1))[0]
    held = method.memory.columns["values"]
    before = method.loss(batch)["logits"]
    held[:, :7] += 1.0  # what predicts positions 1 … 7, which are prompts
    assert torch.equal(method.loss(batch)["logits"], before)
    held[:, 7] += 1.0
    assert method.loss(batch)["logits"] > before


def test_less_than_a_row_a_step_is_refused_before_the_phase(make, offered):
    method = make(DerPP, Config(**PLAIN | {"share": 0.25}))
    with pytest.raises(ConfigError, match=r"(?s)offered 2 rows.*share = 0.25.*at least 0.5, or to"):
        method.begin_phase(offered(0))


def test_nothing_has_a_default():
    owed = r"lacks \['capacity', 'share', 'logits', 'alpha', 'beta'\], which have no default"
    with pytest.raises(ConfigError, match=owed):
        registry.resolve("der_pp", {})


@pytest.mark.parametrize(
    "wrong", [{"capacity": 0}, {"share": -0.1}, {"logits": 0}, {"alpha": -1.0}, {"beta": -1.0}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"methods.der_pp has settings.*{next(iter(wrong))}"):
        registry.resolve("der_pp", PLAIN | wrong)
