import json
from hashlib import sha256

import pytest

from classay import sources
from classay.errors import StreamError
from classay.suite import Domain

TRAIN = {"id": "t", "split": "train", "text": "the ferry left"}
HELD = {"id": "h", "split": "holdout", "text": "the heron stayed"}
PROBE = {
    "id": "p",
    "split": "probe",
    "prompt": "Who stayed?",
    "completion": " heron",
    "choices": ["heron", "ferry"],
    "answer": "heron",
}


@pytest.fixture
def read(tmp_path):
    """Write lines to a file and read the domain that is made of them."""

    def read(*lines, folder="data", **changes):
        (tmp_path / folder).mkdir(exist_ok=True)
        text = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        (tmp_path / folder / "river.jsonl").write_bytes(b"\n".join(text) + b"\n")
        source = {"kind": "jsonl", "path": "river.jsonl"} | changes.pop("source", {})
        domain = {"name": "river", "source": source, "licence": "none"} | changes
        return sources.load(Domain.model_validate(domain), tmp_path / folder)

    return read


def test_records_are_told_apart_by_their_split(read):
    ours = read(TRAIN, HELD, PROBE, TRAIN | {"id": "t2"})
    assert [record.id for record in ours.train] == ["t", "t2"]
    assert [record.id for record in ours.holdout] == ["h"]
    assert [record.id for record in ours.probe] == ["p"]
    assert ours.domain == "river"


def test_prompt_and_completion_are_a_text(read):
    ours = read(TRAIN, HELD, PROBE).probe[0]
    assert ours.text == "Who stayed? heron"
    assert (ours.prompt, ours.completion) == ("Who stayed?", " heron")
    assert (ours.choices, ours.answer) == (("heron", "ferry"), "heron")


def test_what_a_record_leaves_out_is_filled_in(read):
    ours = read({"text": "the ferry left"}, HELD).train[0]
    # the id says what the record is: 12 hex digits of the SHA-256 of its text
    assert ours.id == "river-" + sha256(b"the ferry left").hexdigest()[:12]
    assert (ours.split, ours.source, ours.subject, ours.prompt) == ("train", "all", None, None)


def test_a_record_without_an_id_has_the_same_one_wherever_it_stands(read):
    first = read({"text": "a"}, {"text": "b"}, HELD).train
    second = read({"text": "b"}, {"text": "a"}, HELD).train
    assert {r.text: r.id for r in first} == {r.text: r.id for r in second}


def test_data_may_call_its_splits_otherwise(read):
    names = {"train": "training", "holdout": "test", "probe": "questions"}
    ours = read(
        TRAIN | {"split": "training"},
        HELD | {"split": "test"},
        PROBE | {"split": "questions"},
        splits=names,
    )
    assert [len(part) for part in (ours.train, ours.holdout, ours.probe)] == [1, 1, 1]
    assert read(TRAIN, HELD, PROBE, splits={"probe": None}).probe == ()


@pytest.mark.parametrize(
    "broken",
    [
        {"choices": ["ferry", "reed"]},  # the answer is not among them
        {"choices": ["heron"]},  # nothing to choose
        {"choices": []},
        {"answer": None},
        {"prompt": None, "text": "Who stayed? heron"},
    ],
)
def test_only_a_question_with_its_answer_among_its_choices_is_a_probe(read, broken):
    ours = read(TRAIN, HELD, PROBE | broken, PROBE | {"id": "good"})
    assert [record.id for record in ours.probe] == ["good"]


# --- the digest


def test_the_digest_changes_with_one_byte_of_any_record(read):
    ours = read(TRAIN, HELD, PROBE).digest
    assert read(TRAIN | {"text": "the ferry lefT"}, HELD, PROBE).digest != ours
    assert read(TRAIN, HELD | {"text": "the heron Stayed"}, PROBE).digest != ours
    assert read(TRAIN, HELD, PROBE | {"answer": "ferry"}).digest != ours
    assert read(TRAIN | {"source": "s"}, HELD, PROBE).digest != ours
    assert read(TRAIN, HELD, PROBE, {"split": "unused", "text": "x"}).digest != ours


def test_the_digest_depends_on_the_order(read):
    assert read(TRAIN, HELD).digest != read(HELD, TRAIN).digest


def test_the_digest_is_of_the_records_and_not_of_the_place_or_the_spelling(read):
    ours = read(TRAIN, HELD).digest
    assert read(TRAIN, HELD, folder="elsewhere").digest == ours
    assert read(json.dumps(TRAIN, indent=None, sort_keys=True).encode(), HELD).digest == ours
    assert read(TRAIN | {"a field that nobody reads": 1}, HELD).digest == ours
    assert read(TRAIN, HELD, licence="MIT").digest == ours


# --- what is refused


def test_a_line_that_is_not_json_is_named(read):
    with pytest.raises(
        StreamError, match=r"river\.jsonl, line 2 is not JSON .*\n  One object a line is needed\."
    ):
        read(TRAIN, b'{"text": ', HELD)
    with pytest.raises(StreamError, match=r"line 3 is not JSON"):
        read(TRAIN, HELD, b"")
    with pytest.raises(StreamError, match=r"line 1 is not JSON"):
        read(b'{"text": "Fl\xfcsse"}', HELD)


def test_a_line_that_is_not_an_object_is_named(read):
    with pytest.raises(
        StreamError, match=r"river\.jsonl, line 2 holds list, and an object was needed\.\n  Write"
    ):
        read(TRAIN, b"[1]", HELD)


def test_a_line_break_inside_a_text_is_no_new_line(read):
    # U+2028 ends a line for str.splitlines, and not in JSON Lines
    text = "one\u2028two\x85three"
    ours = read(json.dumps({"text": text}, ensure_ascii=False).encode(), HELD)
    assert ours.train[0].text == text


@pytest.mark.parametrize(
    "record", [{}, {"text": ""}, {"text": None}, {"prompt": "Who?"}, {"completion": " heron"}]
)
def test_a_record_without_text_is_named_with_the_fields_that_it_has(read, record):
    with pytest.raises(
        StreamError,
        match=rf"line 2 has neither text nor prompt and completion \(its fields: "
        rf"\[{', '.join(map(repr, sorted(record)))}\]\)\.\n  A record needs one of them\. Name the",
    ):
        read(TRAIN, record, HELD)


def test_a_prompt_that_does_not_begin_the_text_is_refused(read):
    with pytest.raises(
        StreamError, match=r"line 1: text does not begin with prompt, .*\n  Make text exactly"
    ):
        read(TRAIN | {"prompt": "The ferry"}, HELD)
    assert read(TRAIN | {"prompt": "the ferry"}, HELD).train[0].prompt == "the ferry"


@pytest.mark.parametrize(
    "field", ["id", "text", "split", "prompt", "completion", "source", "subject", "answer"]
)
def test_a_field_that_is_not_text_is_named(read, field):
    with pytest.raises(StreamError, match=rf"line 2: {field} is int, and text was needed\.\n"):
        read(TRAIN, HELD | {field: 3})


@pytest.mark.parametrize("choices", ["heron", 5, {"heron": 1, "ferry": 2}])
def test_choices_that_are_no_list_are_named(read, choices):
    with pytest.raises(
        StreamError, match=rf"line 3: choices is {type(choices).__name__}, and a list was needed"
    ):
        read(TRAIN, HELD, PROBE | {"choices": choices})


def test_a_text_that_cannot_be_written_in_utf_8_is_named(read):
    with pytest.raises(StreamError, match=r"line 1"):
        read(b'{"text": "half a pair: \\ud83d"}', HELD)


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (HELD, r"no train records: none of its 1 records .*'train' \(found: \['holdout'\]\)"),
        (TRAIN, r"no hold-out records: .* the split 'holdout' \(found: \['train'\]\)"),
    ],
)
def test_a_domain_needs_records_to_learn_and_to_be_tested_on(read, record, says):
    with pytest.raises(StreamError, match=rf"domain 'river' has {says}\.\n  A domain needs both\."):
        read(record)


def test_an_empty_file_has_no_records(read, tmp_path):
    (tmp_path / "empty.jsonl").write_bytes(b"")
    with pytest.raises(StreamError, match=r"none of its 0 records .*'train' \(found: nothing\)\."):
        read(TRAIN, source={"path": "../empty.jsonl"})


def test_an_id_that_stands_twice_is_refused(read):
    with pytest.raises(
        StreamError, match=r"has 1 record\(s\) whose id stands twice\.\n.*Make the ids unique"
    ):
        read(TRAIN, HELD | {"id": "t"})


def test_a_file_that_was_changed_is_refused(read):
    data = b"\n".join(json.dumps(record).encode() for record in (TRAIN, HELD)) + b"\n"
    pin = sha256(data).hexdigest()
    assert read(TRAIN, HELD, source={"sha256": pin}).train[0].id == "t"
    with pytest.raises(
        StreamError,
        match=rf"has sha256 [0-9a-f]{{64}}, and the suite was written for {pin}\.\n"
        r"  Results on changed data answer another question\. Restore the file",
    ):
        read(TRAIN, HELD | {"text": "the heron Stayed"}, source={"sha256": pin})


def test_a_file_that_is_not_there_is_refused(read):
    with pytest.raises(
        StreamError, match=r"none\.jsonl cannot be read \(No such file .*\n.*with --data FOLDER"
    ):
        read(TRAIN, source={"path": "none.jsonl"})
