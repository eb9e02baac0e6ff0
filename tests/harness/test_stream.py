from dataclasses import fields, replace
from hashlib import sha256

import numpy as np
import pytest
import yaml

from classay import sources, stream
from classay.errors import StreamError
from classay.packing import Batch, Items
from classay.seeding import Seeds
from classay.sources import Record
from classay.stream import Stream, Tokens, offered_digest
from classay.suite_file import load

EOS = 2


class Characters:
    """One token a character."""

    bos, eos = 1, EOS

    def encode(self, text):
        return [ord(c) for c in text], [(i, i + 1) for i in range(len(text))]


@pytest.fixture
def plan(suite_file):
    return load(suite_file, {"stream.validation_share": 0.25})


@pytest.fixture
def records(plan, suite_file):
    return [sources.load(domain, suite_file.parent) for domain in plan.evaluated()]


@pytest.fixture
def built(plan, records):
    return stream.build(plan, records, Characters())


def no_items():
    empty = np.zeros((0, 0), np.int32)
    return Items((), (), (), (), empty, empty, np.zeros(0, np.int32))


def small(blocks, batch=2, steps=5, names=("river",)):
    """A stream whose every block is one number, so that a batch can be read at a glance."""
    table = np.repeat(np.arange(blocks, dtype=np.int32)[:, None], 8, axis=1)
    nothing = no_items()
    domains = {
        name: Tokens(name, "0" * 64, Batch(table, table), blocks, nothing, nothing, nothing, ())
        for name in names
    }
    return Stream(domains, batch, steps)


def numbers(batches):
    return [int(block[0]) for batch in batches for block in batch.ids]


# --- what is offered


def test_every_block_comes_once_an_epoch():
    # 5 steps of 2 blocks out of 5 blocks are exactly two epochs
    ours = numbers(small(5).offered("river", 0))
    assert sorted(ours[:5]) == sorted(ours[5:]) == [0, 1, 2, 3, 4]


def test_the_order_is_that_of_the_named_random_stream():
    ours = numbers(small(5).offered("river", 3))
    expected = [Seeds(3).generator("order", "river", epoch).permutation(5) for epoch in (0, 1)]
    assert ours == np.concatenate(expected).tolist()


def test_every_epoch_has_an_order_of_its_own():
    ours = numbers(small(20, batch=20, steps=5).offered("river", 0))
    epochs = [tuple(ours[i : i + 20]) for i in range(0, 100, 20)]
    assert len(set(epochs)) == 5
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)


@pytest.mark.parametrize("blocks", [1, 2, 3, 7, 10, 11, 40])
def test_exactly_the_budget_is_offered(blocks):
    batches = small(blocks).offered("river", 0)
    assert [batch.ids.shape for batch in batches] == [(2, 8)] * 5
    counts = np.bincount(numbers(batches), minlength=blocks)
    # no block comes twice before every block has come once
    assert counts.max() - counts.min() <= 1


def test_a_suite_s_budget_is_met_to_the_token(plan, built):
    for name in ("river", "oven", "clock"):
        batches = built.offered(name, 0)
        assert len(batches) == plan.steps == 4
        assert sum(batch.ids.size for batch in batches) == plan.training.tokens_per_domain == 256


def test_labels_stay_with_their_tokens(built):
    table = built.domains["river"].train
    pairs = {(a.tobytes(), b.tobytes()) for a, b in zip(table.ids, table.labels, strict=True)}
    for batch in built.offered("river", 0):
        for ids, labels in zip(batch.ids, batch.labels, strict=True):
            assert (ids.tobytes(), labels.tobytes()) in pairs


def test_the_same_seed_and_domain_are_offered_the_same():
    ours = small(50)
    assert numbers(ours.offered("river", 4)) == numbers(ours.offered("river", 4))
    assert numbers(small(50).offered("river", 4)) == numbers(ours.offered("river", 4))


def test_another_seed_or_domain_is_offered_in_another_order():
    ours = small(50, names=("river", "oven"))
    orders = [tuple(numbers(ours.offered("river", seed))) for seed in range(20)]
    orders += [tuple(numbers(ours.offered("oven", seed))) for seed in range(20)]
    assert len(set(orders)) == 40


def test_where_a_domain_stands_and_what_else_there_is_do_not_matter(plan, records, built):
    backwards = plan.stream.domains[::-1]
    other = plan.model_copy(
        update={"stream": plan.stream.model_copy(update={"domains": backwards, "general": None})}
    )
    again = stream.build(other, records[2::-1], Characters())
    assert list(again.domains) == ["clock", "oven", "river"]
    for name in again.domains:
        ours, theirs = built.offered(name, 1), again.offered(name, 1)
        assert offered_digest(ours) == offered_digest(theirs)
        assert built.domains[name].holdout.digest == again.domains[name].holdout.digest


# --- the digest


def test_the_digest_is_one_of_order_seed_and_every_token(built):
    order = ["river", "oven", "clock"]
    ours = built.digest(order, 0)
    assert built.digest(order, 0) == ours
    assert built.digest(order, 1) != ours
    assert built.digest(["oven", "river", "clock"], 0) != ours
    assert built.digest(order[:2], 0) != ours


@pytest.mark.parametrize("part", ["train", "holdout", "validation", "probe_rows"])
@pytest.mark.parametrize("table", ["ids", "labels"])
def test_one_token_changes_the_digest(built, part, table):
    tokens = built.domains["oven"]
    rows = getattr(tokens, part)
    changed = getattr(rows, table).copy()
    changed += 1
    if part == "train":
        changed_rows = rows._replace(**{table: changed})
    else:
        changed_rows = replace(rows, **{table: changed})
    domains = {**built.domains, "oven": replace(tokens, **{part: changed_rows})}
    order = ["river", "oven", "clock"]
    assert Stream(domains, built.batch, built.steps).digest(order, 0) != built.digest(order, 0)


def test_a_general_domain_that_is_only_scored_counts_too(built):
    tokens = built.domains["street"]
    ids = tokens.holdout.ids.copy()
    ids[0, 0] += 1
    other = replace(tokens, holdout=replace(tokens.holdout, ids=ids))
    changed = Stream({**built.domains, "street": other}, built.batch, built.steps)
    assert changed.digest(["river"], 0) != built.digest(["river"], 0)


# --- validation records


def fraction(name):
    return int(sha256(f"validation\x1f{name}".encode()).hexdigest()[:13], 16) / 16**13


def text_of(batch):
    return "".join(chr(token) for token in batch.ids.reshape(-1))


def test_validation_records_are_those_whose_hash_says_so(plan, records, built):
    for part in records:
        ours = built.domains[part.domain]
        held = {r.id for r in part.train if fraction(r.id) < 0.25}
        assert 0 < len(held) < 40
        # the plan scores at most 6 of them
        assert set(ours.validation.names) <= held
        assert len(ours.validation.names) == min(6, len(held))
        assert ours.train_records == 40 - len(held)


def test_what_is_only_evaluated_is_not_packed_to_train_on(built):
    assert built.domains["street"].train.ids.shape == (0, 16)
    assert len(built.domains["street"].holdout.names) > 0


def test_validation_records_are_never_trained_on(records, built):
    for part in records[:-1]:  # the last is the general domain
        learned = text_of(built.domains[part.domain].train)
        for record in part.train:
            begin = record.text.split(":")[0] + ":"
            # the last record may fall off the end of the last block
            if fraction(record.id) < 0.25:
                assert begin not in learned
            elif record is not part.train[-1]:
                assert begin in learned


def test_a_record_that_is_added_moves_none_to_the_other_side(plan, records, built):
    river, *others = records
    before = {r.id for r in river.train if fraction(r.id) >= 0.25}
    for i in range(8):
        new = Record(f"new-{i}", f"new {i}: water and stone", "train")
        more = [replace(river, train=(new, *river.train)), *others]
        again = stream.build(plan, more, Characters())
        kept = again.domains["river"].train_records - (fraction(new.id) >= 0.25)
        assert kept == len(before)
        learned = text_of(again.domains["river"].train)
        assert ("new " in learned) == (fraction(new.id) >= 0.25)
        assert again.domains["river"].holdout.digest == built.domains["river"].holdout.digest
        assert again.domains["oven"].train.digest == built.domains["oven"].train.digest


def test_the_order_of_the_records_does_not_decide_who_is_held_out(plan, records, built):
    backwards = [replace(part, train=part.train[::-1]) for part in records]
    again = stream.build(plan, backwards, Characters())
    for name, tokens in built.domains.items():
        assert again.domains[name].validation.digest == tokens.validation.digest
        assert again.domains[name].train_records == tokens.train_records


@pytest.mark.parametrize(("share", "held"), [(0, 0), (1, 40)])
def test_none_or_all_can_be_held_out(suite_file, records, share, held):
    plan = load(suite_file, {"stream.validation_share": share, "evaluation.items_per_domain": 99})
    if held:
        with pytest.raises(StreamError, match=r"its 0 train records give 0 tokens"):
            stream.build(plan, records, Characters())
    else:
        ours = stream.build(plan, records, Characters()).domains["river"]
        assert (ours.validation.names, ours.train_records) == ((), 40)


# --- build


def test_the_counts_of_the_plan_are_kept(plan, built):
    assert list(built.domains) == ["river", "oven", "clock", "street"]
    for tokens in built.domains.values():
        assert len(tokens.holdout.names) == plan.evaluation.items_per_domain == 6
        assert tokens.holdout.lengths.max() <= plan.evaluation.tokens_per_item
        assert len(tokens.probes) == plan.evaluation.probes_per_domain == 3
        assert len(tokens.probe_rows.names) == 2 * 3
        assert tokens.train.ids.shape[1] == plan.stream.block == 16


def test_a_hold_out_of_which_nothing_can_be_scored_is_refused(plan, records):
    domain = plan.stream.domains[0].model_copy(update={"loss_on": "completion"})
    domains = [domain, *plan.stream.domains[1:]]
    plan = plan.model_copy(update={"stream": plan.stream.model_copy(update={"domains": domains})})
    long = tuple(Record(f"h{i}", "x" * 90 + "y", "holdout", "x" * 90, "y") for i in range(3))
    with pytest.raises(
        StreamError,
        match=r"'river': none of its 3 hold-out records has a token that can be scored within 24 "
        r"tokens\.\n  Raise evaluation\.tokens_per_item, or score all tokens",
    ):
        stream.build(plan, [replace(records[0], holdout=long), *records[1:]], Characters())


def test_every_domain_needs_its_records(plan, records):
    with pytest.raises(ValueError, match="shorter"):
        stream.build(plan, records[:-1], Characters())


# --- on disk


def test_what_is_saved_is_read_back(built, tmp_path):
    stream.save(built, tmp_path / "stream")
    ours = stream.load(tmp_path / "stream")
    assert (ours.batch, ours.steps) == (built.batch, built.steps)
    assert list(ours.domains) == list(built.domains) == ["river", "oven", "clock", "street"]
    for name, tokens in built.domains.items():
        read = ours.domains[name]
        for key in ("name", "records", "train_records", "probes"):
            assert getattr(read, key) == getattr(tokens, key)
        assert read.train.digest == tokens.train.digest
        for part in ("holdout", "validation", "probe_rows"):
            for field in fields(Items):
                one, two = (getattr(getattr(t, part), field.name) for t in (read, tokens))
                assert np.array_equal(one, two)
                assert type(one) is type(two)
    order = ["clock", "river", "oven"]
    assert ours.digest(order, 7) == built.digest(order, 7)


def test_a_stream_with_nothing_to_validate_or_to_ask_is_read_back_too(
    suite_file, records, tmp_path
):
    changes = {"stream.validation_share": 0, "evaluation.probes_per_domain": 0}
    built = stream.build(load(suite_file, changes), records, Characters())
    stream.save(built, tmp_path / "stream")
    ours = stream.load(tmp_path / "stream")
    assert ours.domains["river"].validation.ids.shape == (0, 0)
    assert ours.domains["river"].probes == ()
    assert ours.digest(["river"], 0) == built.digest(["river"], 0)


def test_saving_twice_writes_the_same_bytes(built, tmp_path):
    for name in ("one", "two"):
        stream.save(built, tmp_path / name)
    files = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()} == files
    assert len(files) == 5


def test_the_order_of_the_suite_is_kept_on_disk_whatever_its_alphabet(suite_file, tmp_path):
    raw = yaml.safe_load(suite_file.read_text("utf-8"))
    raw["stream"]["domains"].reverse()
    suite_file.write_text(yaml.safe_dump(raw), "utf-8")
    plan = load(suite_file)
    parts = [sources.load(domain, suite_file.parent) for domain in plan.evaluated()]
    stream.save(stream.build(plan, parts, Characters()), tmp_path / "stream")
    assert list(stream.load(tmp_path / "stream").domains) == ["clock", "oven", "river", "street"]


# --- what a search is scored on


@pytest.fixture
def searched(plan, records):
    settings = plan.evaluation.model_copy(update={"scored": "validation"})
    # general text has no validation records
    searching = plan.model_copy(
        update={
            "evaluation": settings,
            "stream": plan.stream.model_copy(update={"general": None}),
        }
    )
    return stream.build(searching, records[:3], Characters())


def test_a_search_is_scored_on_validation_records_and_sees_no_hold_out(built, searched):
    for name, tokens in searched.domains.items():
        assert set(tokens.holdout.names) == set(built.domains[name].validation.names) != set()
        assert not set(tokens.holdout.names) & set(built.domains[name].holdout.names)
        assert tokens.probes == tokens.validation.names == ()


def test_a_search_trains_on_the_same_text(built, searched):
    for name, tokens in searched.domains.items():
        assert tokens.train.digest == built.domains[name].train.digest


def test_a_search_without_validation_records_is_refused(plan, records):
    settings = plan.evaluation.model_copy(update={"scored": "validation"})
    kept = plan.stream.model_copy(update={"validation_share": 0.0})
    searching = plan.model_copy(update={"evaluation": settings, "stream": kept})
    says = r"none of its 0 validation records .*\n  Raise .*, or stream.validation_share"
    with pytest.raises(StreamError, match=says):
        stream.build(searching, records, Characters())
