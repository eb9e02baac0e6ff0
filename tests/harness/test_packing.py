import re
from hashlib import sha256

import numpy as np
import pytest

from classay.errors import StreamError
from classay.packing import IGNORED, items, pack, probe_rows
from classay.sources import Record

X = IGNORED
BOS, EOS = 1, 2


class Characters:
    """One token a character."""

    def __init__(self, bos=None, eos=None):
        self.bos, self.eos = bos, eos

    def encode(self, text):
        return [ord(c) for c in text], [(i, i + 1) for i in range(len(text))]


class Words(Characters):
    """One token a word, with the space before it; its id is the length of the word."""

    def encode(self, text):
        spans = [match.span() for match in re.finditer(r"\s*\S+", text)]
        return [len(text[a:b].strip()) for a, b in spans], spans


class Bytes(Characters):
    """One token a byte, so that a character can have several."""

    def encode(self, text):
        pairs = [(byte, (i, i + 1)) for i, c in enumerate(text) for byte in c.encode()]
        return [byte for byte, _ in pairs], [span for _, span in pairs]


def record(text, prompt=None, name=None):
    return Record(name or text, text, "any", prompt)


def o(text):
    return [ord(c) for c in text]


# --- blocks


def test_blocks_by_hand():
    # ab·cde· is 7 tokens with the ends: one block of 4, and 3 tokens that fill none
    ours = pack([record("ab"), record("cde")], 4, False, "river", Characters(eos=EOS))
    assert ours.ids.tolist() == [[*o("ab"), EOS, *o("c")]]
    assert ours.labels.tolist() == ours.ids.tolist()
    assert ours.ids.dtype == ours.labels.dtype == np.int32


def test_without_an_end_of_text_token_records_follow_each_other():
    ours = pack([record("ab"), record("cde"), record("f")], 3, False, "river", Characters())
    assert ours.ids.tolist() == [o("abc"), o("def")]


def test_no_beginning_of_text_token_is_learned():
    ours = pack([record("abcd")], 4, False, "river", Characters(bos=BOS))
    assert ours.ids.tolist() == [o("abcd")]


def test_a_loss_on_completions_by_hand():
    ours = pack([record("abcd", prompt="ab")] * 2, 5, True, "river", Characters(eos=EOS))
    assert ours.ids.tolist() == [[*o("abcd"), EOS]] * 2
    assert ours.labels.tolist() == [[X, X, *o("cd"), EOS]] * 2


def test_a_prompt_is_learned_like_the_rest_when_the_loss_is_on_all():
    ours = pack([record("abcd", prompt="ab")], 4, False, "river", Characters())
    assert ours.labels.tolist() == [o("abcd")]


def test_a_text_without_a_prompt_is_all_completion():
    ours = pack([record("abcd")], 4, True, "river", Characters())
    assert ours.labels.tolist() == [o("abcd")]


def test_a_token_across_the_border_belongs_to_the_completion():
    # the tokens are "the" and " cat", and the prompt ends inside the second
    ours = pack([record("the cat", prompt="the c")], 2, True, "river", Words())
    assert ours.labels.tolist() == [[X, 3]]


def test_a_block_without_anything_to_learn_is_left_out():
    # xxxxx | xxxyz: the first block is all prompt
    ours = pack([record("xxxxxxxxyz", prompt="x" * 8)], 5, True, "river", Characters())
    assert ours.ids.tolist() == [o("xxxyz")]
    assert ours.labels.tolist() == [[X, X, X, *o("yz")]]


def test_the_first_label_of_a_block_teaches_nothing():
    # xxxx | yxxx | xyyy: y stands first in the second block, where nothing predicts it
    records = [record("xxxxy", prompt="xxxx"), record("xxxxyyy", prompt="xxxx")]
    ours = pack(records, 4, True, "river", Characters())
    assert ours.ids.tolist() == [o("xyyy")]


def test_every_token_of_every_block_is_one_of_the_text_in_its_order():
    texts = ["the ferry left the bank", "a heron stayed", "naïve 🙂 water"] * 3
    ours = pack([record(t) for t in texts], 7, False, "river", Characters(eos=EOS))
    flat = [token for text in texts for token in [*o(text), EOS]]
    assert ours.ids.reshape(-1).tolist() == flat[: len(flat) // 7 * 7]


def test_records_before_decide_nothing_but_the_place_of_a_cut():
    alone = pack([record("abcdef")], 3, False, "river", Characters())
    after = pack([record("xyz"), record("abcdef")], 3, False, "river", Characters())
    assert after.ids[1:].tolist() == alone.ids.tolist()


@pytest.mark.parametrize(
    ("records", "completion"),
    [([], False), ([record("abc")], False), ([record("xxxx", prompt="xxxx")], True)],
)
def test_no_block_with_something_to_learn_is_refused(records, completion):
    length = sum(len(r.text) for r in records)
    with pytest.raises(
        StreamError,
        match=rf"'river': its {len(records)} train records give {length} tokens, and one block of "
        r"4 tokens with something to learn was needed\.\n  Add records, or make stream\.block",
    ):
        pack(records, 4, completion, "river", Characters())


def test_a_batch_has_another_digest_when_any_token_or_label_differs():
    ours = pack([record("abcdef")], 3, False, "river", Characters())
    ids, labels = ours.ids.copy(), ours.labels.copy()
    ids[1, 2] += 1
    labels[0, 0] = X
    digests = {ours.digest, ours._replace(ids=ids).digest, ours._replace(labels=labels).digest}
    assert len(digests) == 3
    assert ours.digest == sha256(ours.ids.tobytes() + ours.labels.tobytes()).hexdigest()


# --- items


def test_an_item_by_hand():
    ours = items([record("abcdef")], 1, 4, False, Characters(bos=BOS, eos=EOS))
    assert ours.ids.tolist() == [[BOS, *o("abc")]]
    assert ours.labels.tolist() == [[X, *o("abc")]]
    assert ours.lengths.tolist() == [4]
    assert ours.bytes == (3,)
    assert (ours.names, ours.sources, ours.subjects) == (("abcdef",), ("all",), ("",))


def test_without_a_beginning_nothing_predicts_the_first_token():
    ours = items([record("abcdef")], 1, 4, False, Characters())
    assert ours.ids.tolist() == [o("abcd")]
    assert ours.labels.tolist() == [[X, *o("bcd")]]
    assert ours.bytes == (3,)


def test_shorter_items_are_padded_on_the_right_and_come_last():
    records = [record("ab"), record("abcd"), record("abc")]
    ours = items(records, 3, 8, False, Characters(bos=BOS))
    assert ours.names == ("abcd", "abc", "ab")
    assert ours.ids.tolist() == [[BOS, *o("abcd")], [BOS, *o("abc"), 0], [BOS, *o("ab"), 0, 0]]
    assert ours.labels.tolist() == [[X, *o("abcd")], [X, *o("abc"), X], [X, *o("ab"), X, X]]
    assert ours.lengths.tolist() == [5, 4, 3]


@pytest.mark.parametrize(
    ("text", "size"), [("né", 1 + 2), ("n🙂é", 1 + 4 + 2), ("日本", 6), ("ab", 2)]
)
@pytest.mark.parametrize("tokenizer", [Characters(bos=BOS), Bytes(bos=BOS)])
def test_bytes_are_those_of_utf_8_by_hand(text, size, tokenizer):
    assert items([record(text)], 1, 16, False, tokenizer).bytes == (size,)


def test_only_bytes_under_scored_tokens_count():
    ours = items([record("naïve é", prompt="naïve")], 1, 16, True, Characters(bos=BOS))
    assert ours.labels.tolist() == [[X] * 6 + o(" é")]
    assert ours.bytes == (1 + 2,)
    # cut after "na": two bytes are left
    assert items([record("naïve")], 1, 3, False, Characters(bos=BOS)).bytes == (2,)


def test_a_record_of_which_nothing_can_be_scored_is_no_item():
    records = [record("abcdef", prompt="abcd"), record("")]
    assert items(records, 2, 4, True, Characters()).names == ()
    assert items(records, 2, 5, True, Characters()).names == ("abcdef",)
    empty = items([], 2, 4, False, Characters())
    assert empty.ids.shape == empty.labels.shape == (0, 0)


def test_a_record_that_is_no_item_makes_room_for_another():
    records = [record("xxxxxxxx" + str(i), prompt="xxxxxxxx") for i in range(9)]
    records.append(record("ab"))
    assert items(records, 1, 4, True, Characters()).names == ("ab",)


# --- which items


def rank(name):
    return sha256(f"evaluation\x1f{name}".encode()).hexdigest()


def test_items_are_chosen_by_the_hash_of_their_ids():
    records = [record("abcd", name=f"item {i}") for i in range(30)]
    ours = items(records, 5, 8, False, Characters())
    first = sorted((r.id for r in records), key=rank)[:5]
    assert sorted(ours.names) == sorted(first)
    assert items(records[::-1], 5, 8, False, Characters()).digest == ours.digest


def test_a_record_that_is_added_moves_no_other_item():
    records = [record("abcd", name=f"item {i}") for i in range(30)]
    before = set(items(records, 10, 8, False, Characters()).names)
    entered = 0
    for i in range(40):
        new = f"new {i}"
        after = set(items([record("ab", name=new), *records], 10, 8, False, Characters()).names)
        if new in after:
            # it takes the place of the last one, and of no other
            assert after - {new} == before - {max(before, key=rank)}
            entered += 1
        else:
            assert after == before
    # each of the 40 is among the first 10 of 31 with about 1/3
    assert 4 <= entered <= 24


def test_below_the_count_every_record_is_an_item():
    records = [record("abcd", name=f"item {i}") for i in range(9)]
    more = [*records, record("abcd", name="one more")]
    before, after = (set(items(r, 10, 8, False, Characters()).names) for r in (records, more))
    assert after == before | {"one more"}


def test_the_digest_of_items_changes_with_what_is_scored():
    def digest(*records, bos=BOS):
        return items(records, 9, 8, True, Characters(bos=bos)).digest

    ours = digest(record("abcd", name="a"), record("efgh", name="b"))
    assert digest(record("efgh", name="b"), record("abcd", name="a")) == ours
    assert digest(record("abcd", name="a"), record("efgH", name="b")) != ours
    assert digest(record("abcd", name="a"), record("efgh", name="c")) != ours
    assert digest(record("abcd", name="a"), record("efgh", name="b", prompt="e")) != ours
    assert digest(record("abcd", name="a")) != ours
    assert digest(record("abcd", name="a"), record("efgh", name="b"), bos=3) != ours


# --- probes


def probe(name, prompt="Which?", answer="reed", choices=("oak", "reed", "ash")):
    return Record(name, "any", "probe", prompt, f" {answer}", "s", None, choices, answer)


def test_a_probe_has_one_row_a_choice_by_hand():
    (ours,), rows = probe_rows([probe("p")], 8, 20, Characters(bos=BOS))
    assert rows.names == ("p#0", "p#1", "p#2")
    assert (ours.name, ours.source, ours.right, ours.rows) == ("p", "s", 1, (0, 3))
    assert ours.prompt == sha256(b"Which?").hexdigest()
    assert ours.expected == sha256(b"reed").hexdigest()
    assert not ours.cut
    assert rows.ids[1].tolist() == [BOS, *o("Which? reed")]


def test_only_the_choice_is_scored():
    _, ours = probe_rows(
        [probe("p", prompt="Q", choices=("a", "reed"))], 8, 16, Characters(bos=BOS)
    )
    assert ours.ids.tolist() == [[BOS, *o("Q a"), 0, 0, 0], [BOS, *o("Q reed")]]
    assert ours.labels.tolist() == [[X, X, *o(" a"), X, X, X], [X, X, *o(" reed")]]
    assert ours.bytes == (2, 5)


def test_rows_of_probes_follow_each_other_and_keep_their_order():
    probes = [probe("p"), probe("q", choices=("reed", "oak")), probe("r")]
    ours, rows = probe_rows(probes, 8, 20, Characters())
    assert [p.name for p in ours] == sorted("pqr", key=rank)
    assert [p.rows[0] for p in ours] == [0, *(p.rows[1] for p in ours[:-1])]
    for p in ours:
        begin, end = p.rows
        assert list(rows.names[begin:end]) == [f"{p.name}#{i}" for i in range(end - begin)]
        right = rows.ids[begin + p.right, : rows.lengths[begin + p.right]].tolist()
        assert right == o("Which? reed")


def test_a_long_prompt_is_cut_by_the_same_for_every_choice():
    # 9 tokens: 1 to begin with, 5 for " reed", the longest choice, so 3 of the prompt for each
    (ours,), rows = probe_rows(
        [probe("p", prompt="abcdef", choices=("a", "reed"))], 8, 9, Characters(bos=BOS)
    )
    assert ours.cut
    assert rows.ids.tolist() == [[BOS, *o("def a"), 0, 0, 0], [BOS, *o("def reed")]]
    assert rows.labels.tolist() == [[X, X, X, X, *o(" a"), X, X, X], [X, X, X, X, *o(" reed")]]


def test_a_probe_whose_choices_leave_no_room_is_passed_over():
    probes = [probe("p", choices=("reed", "a very long answer")), probe("q", choices=("a", "reed"))]
    ours, rows = probe_rows(probes, 8, 9, Characters(bos=BOS))
    assert [p.name for p in ours] == ["q"]
    assert len(rows.names) == 2


def test_a_token_that_spans_prompt_and_choice_is_scored_with_the_choice():
    # one token a word: "Which?" then " oak"; with the prompt "Whi" the first word spans both
    _, rows = probe_rows([probe("p", prompt="Whi")], 8, 9, Words(bos=BOS))
    assert rows.labels[1].tolist() == [X, X, len("reed")]


def test_probes_are_chosen_by_hash_and_no_more_than_asked_for():
    probes = [probe(f"p{i}") for i in range(20)]
    ours, rows = probe_rows(probes, 4, 20, Characters())
    assert [p.name for p in ours] == sorted((p.id for p in probes), key=rank)[:4]
    assert len(rows.names) == 12
    again, same = probe_rows(probes[::-1], 4, 20, Characters())
    assert again == ours
    assert same.digest == rows.digest
    assert probe_rows(probes, 0, 20, Characters())[0] == ()
    assert probe_rows([], 4, 20, Characters())[0] == ()
