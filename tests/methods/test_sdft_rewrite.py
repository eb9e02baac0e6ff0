"""SDFT (2024): the model's own words where they verify, the offered ones where they do not."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from classay import registry
from classay.errors import ConfigError
from classay.method import Phase
from classay.methods._generation import cut, write, written
from classay.methods.naive_lora import NaiveLoRA
from classay.methods.sdft_rewrite import KEPT, Config, SdftRewrite, common
from classay.packing import IGNORED
from classay.seeding import Seeds

PLAIN = {"overlap": 0.0, "temperature": 1.0}


class Counting(torch.nn.Module):
    """After token n comes token n + 1; what it was shown is noted."""

    def __init__(self, logits=None) -> None:
        super().__init__()
        self.seen: list[list[list[int]]] = []
        self.fixed = logits

    def forward(self, input_ids, past_key_values, use_cache):
        self.seen.append(input_ids.tolist())
        assert not self.training
        logits = torch.nn.functional.one_hot((input_ids + 1) % 50, 50).float()
        if self.fixed is not None:
            logits = self.fixed.expand(*input_ids.shape, -1)
        return SimpleNamespace(logits=logits, past_key_values=())


def batch(*rows, ignored=()):
    ids = torch.tensor(rows)
    labels = ids.clone()
    labels[:, list(ignored)] = IGNORED
    return {"input_ids": ids, "labels": labels}


def test_a_row_is_written_by_hand():
    model = Counting()
    row = batch([5, 6, 30, 40])
    assert write(model, row, 2, row["input_ids"]).tolist() == [[5, 6, 7, 8]]
    # the whole row is in view, then its beginning, then what was written
    assert model.seen == [[[5, 6, 30, 40, 5, 6]], [[7]]]
    assert model.training


def test_what_has_no_label_is_given():
    row = batch([5, 6, 30, 40, 41], ignored=[0, 3])
    model = Counting()
    # 7 is written, 40 is given and followed
    assert write(model, row, 2).tolist() == [[5, 6, 7, 40, 41]]
    assert model.seen == [[[5, 6]], [[7]], [[40]]]
    assert written(row, 2).tolist() == [[False, False, True, False, True]]
    assert row["labels"].tolist() == [[IGNORED, 6, 30, IGNORED, 41]]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_as_likely_as_they_are(temperature):
    logits, rows = torch.tensor([0.0, 1.0, -1.0, -torch.inf]), 20_000
    many = {k: v.expand(rows, -1) for k, v in batch([0, 0]).items()}
    generator = torch.Generator().manual_seed(0)
    drawn = write(Counting(logits), many, 1, None, temperature, generator)[:, 1]
    found = torch.bincount(drawn, minlength=4) / rows
    expected = torch.softmax(logits / temperature, 0)
    assert found[3] == 0
    error = (expected * (1 - expected) / rows).sqrt()
    assert bool(((found - expected).abs() <= 4 * error).all())


def test_on_a_model_every_token_is_the_likeliest_after_those_before_it(make, learn, offered):
    method = make(NaiveLoRA, dropout=0.5)
    learn(method, [0])
    method.model.train()
    rows = offered(1).batches[0]
    ids = rows["input_ids"]
    new = write(method.model, rows, 8, ids)
    assert method.model.training
    assert torch.equal(new[:, :8], ids[:, :8])
    method.model.eval()
    with torch.no_grad():
        whole = torch.cat([ids, new], dim=1)
        logits = method.model(input_ids=whole, use_cache=False).logits
    assert torch.equal(new[:, 8:], logits[:, 16 + 7 : -1].argmax(-1))


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        # three 1s and two 1s have two in common; 2 and 3 have none; 4 is where it was
        ([1, 1, 1, 2, 4], [1, 1, 3, 3, 4], 3),
        ([1, 2, 3, 4, 5], [5, 4, 3, 2, 1], 5),
        ([1, 1, 1, 1, 1], [2, 2, 2, 2, 1], 1),
        ([1, 2, 3, 4, 5], [6, 7, 8, 9, 0], 0),
    ],
)
def test_what_is_in_common_by_hand(new, old, expected):
    every = torch.ones(1, 5, dtype=torch.bool)
    assert common(torch.tensor([new]), torch.tensor([old]), every).tolist() == [expected]


def test_what_is_in_common_is_that_of_two_bags():
    generator = torch.Generator().manual_seed(0)
    new, old = (torch.randint(0, 6, (20, 30), generator=generator) for _ in range(2))
    own = torch.rand(20, 30, generator=generator) < 0.6
    bags = [
        (Counter(a[o].tolist()) & Counter(b[o].tolist())).total()
        for a, b, o in zip(new, old, own, strict=True)
    ]
    assert common(new, old, own).tolist() == bags
    # an order has no say
    order = torch.randperm(30, generator=generator)
    assert common(new[:, order], old[:, order], own[:, order]).tolist() == bags


def of(offered, index: int) -> torch.Tensor:
    return torch.cat([b["input_ids"] for b in offered(index).batches])


def rows_of(batches) -> torch.Tensor:
    return torch.cat([b["input_ids"] for b in batches])


def test_the_later_part_is_rewritten_and_as_much_is_offered(make, offered):
    method = make(SdftRewrite, Config(**PLAIN))
    method.begin_phase(offered(0))
    batches = method.curriculum(offered(0))
    assert [b["labels"].shape for b in batches] == [(2, 16)] * 4
    new, old = rows_of(batches), of(offered, 0)
    assert torch.equal(new[:, :8], old[:, :8])
    assert (new[:, 8:] != old[:, 8:]).any(dim=1).all()
    assert all(torch.equal(b["labels"], b["input_ids"]) for b in batches)
    assert method._verified == 1.0


def test_a_rewrite_that_does_not_verify_is_the_original(make, offered):
    new = make(SdftRewrite, Config(**PLAIN))
    new.begin_phase(offered(0))
    free, old = rows_of(new.curriculum(offered(0))), of(offered, 0)
    own = torch.zeros(8, 16, dtype=torch.bool)
    own[:, 8:] = True
    shares = common(free, old, own) / 8
    threshold = float(shares.max())
    assert 0 < threshold < 1  # random words of 320: few in common
    method = make(SdftRewrite, Config(**PLAIN | {"overlap": threshold}))
    method.begin_phase(offered(0))
    found = rows_of(method.curriculum(offered(0)))
    believed = shares >= threshold
    assert torch.equal(found, torch.where(believed.unsqueeze(1), free, old))
    assert method._verified == float(believed.double().mean()) < 1
    assert method.trace(ended=False).values[KEPT] == [method._verified]


def test_prompts_stay_as_they_are(make, offered):
    batches = [{k: t.clone() for k, t in b.items()} for b in offered(0).batches]
    for one in batches:
        one["labels"] = one["labels"].clone()
        one["labels"][:, 10:13] = IGNORED
    batches[0]["labels"][0, 8:] = IGNORED
    phase = Phase(0, "river", tuple(batches))
    method = make(SdftRewrite, Config(**PLAIN))
    method.begin_phase(phase)
    new, old = method.curriculum(phase), of(offered, 0)
    found, labels = rows_of(new), torch.cat([b["labels"] for b in new])
    assert torch.equal(found[:, 10:13], old[:, 10:13])
    assert (found[1:, 8:10] != old[1:, 8:10]).any()
    assert torch.equal(found[0], old[0])  # nothing of it is learned
    before = torch.cat([b["labels"] for b in batches])
    assert torch.equal(labels == IGNORED, before == IGNORED)
    assert torch.equal(labels[labels != IGNORED], found[labels != IGNORED])
    assert method._verified == 7 / 8


def test_each_phase_is_rewritten_by_the_model_that_it_finds(make, learn, offered):
    greedy = Config(overlap=0.0, temperature=0.0)
    untrained, trained = make(SdftRewrite, greedy), make(SdftRewrite, greedy)
    learn(trained, [0])
    for method in (untrained, trained):
        if not method.adapters.names:
            method.begin_phase(offered(0))
        method.begin_phase(offered(1))
    pair = [rows_of(m.curriculum(offered(1))) for m in (untrained, trained)]
    assert not torch.equal(*pair)


def test_the_seed_decides_and_the_global_generator_does_not(make, offered):
    found = []
    for root, state in ((0, 1), (0, 2), (1, 1)):
        method = make(SdftRewrite, Config(**PLAIN))
        method.seeds = Seeds(root)
        torch.manual_seed(state)
        method.begin_phase(offered(0))
        found.append(rows_of(method.curriculum(offered(0))))
    assert torch.equal(found[0], found[1])
    # a fresh adapter changes nothing that is said: what differs was drawn
    assert not torch.equal(found[0], found[2])


def test_the_rows_are_charged_while_they_are_kept(make, offered):
    method = make(SdftRewrite, Config(**PLAIN))
    method.begin_phase(offered(0))
    # 8 rows of 16 tokens of 8 bytes
    assert method.cost()[1:] == (8 * 16 * 8, 8)
    assert "memory/rewritten" in method.state().tensors
    method.end_phase(offered(0))
    assert method.cost()[1:] == (0, 0)
    assert not any(key.startswith("memory") for key in method.state().tensors)


def test_it_is_another_training_from_the_first_step_on(make, learn, bytes_of):
    method, naive = make(SdftRewrite, Config(**PLAIN)), make(NaiveLoRA)
    rows, plain = learn(method), learn(naive)
    assert not any(a.batch == b.batch for a, b in zip(rows, plain, strict=True))
    assert [r.tokens for r in rows] == [r.tokens for r in plain]
    assert bytes_of(method) != bytes_of(naive)


@pytest.mark.parametrize("off", [{"rewritten": 0.0}, {"overlap": 1.0}])
def test_without_rewrites_it_is_naive_to_the_byte(make, learn, bytes_of, off):
    # a rewrite that has every token of the original is not found among 320 random ones; that it
    # was looked for leaves no trace either
    method, naive = make(SdftRewrite, Config(**PLAIN | off)), make(NaiveLoRA)
    assert [r.batch for r in learn(method)] == [r.batch for r in learn(naive)]
    assert bytes_of(method) == bytes_of(naive)


@pytest.mark.parametrize(("share", "start"), [(0.5, 8), (0.25, 12), (0.0, 16), (0.9, 2)])
def test_where_the_later_part_begins(share, start):
    assert cut(16, share) == start


def test_a_row_without_a_beginning_is_refused(make, offered):
    method = make(SdftRewrite, Config(**PLAIN | {"rewritten": 0.99}))
    with pytest.raises(ConfigError, match=r"(?s)rewritten = 0.99 leaves no first token.*Lower"):
        method.begin_phase(offered(0))


def test_a_row_that_does_not_fit_twice_is_refused(make):
    ids = torch.zeros(1, 40, dtype=torch.int64)
    phase = Phase(0, "river", ({"input_ids": ids, "labels": ids},))
    method = make(SdftRewrite, Config(**PLAIN))
    with pytest.raises(ConfigError, match=r"(?s)reads up to 64 tokens.*takes 80.*stream.block"):
        method.begin_phase(phase)


def test_overlap_and_temperature_have_no_default():
    owed = r"lacks \['overlap', 'temperature'\], which have no default"
    with pytest.raises(ConfigError, match=owed):
        registry.resolve("sdft_rewrite", {})


@pytest.mark.parametrize(
    "wrong", [{"overlap": 1.5}, {"overlap": -0.1}, {"temperature": -1.0}, {"rewritten": 1.0}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"methods.sdft_rewrite.*{next(iter(wrong))}"):
        registry.resolve("sdft_rewrite", PLAIN | wrong)
