import json
from hashlib import sha256
from typing import get_args

import pytest
from pydantic import ValidationError

from classay import records
from classay.records import ROW, AnyRow, Row, Sums, canonical, digest

KINDS = {row.model_fields["kind"].default: row for row in get_args(get_args(AnyRow)[0])}
SUMS = {"nats": 12.5, "tokens": 7, "bytes": 30, "items": 2}
NONE = {"total": 0.0, "items": 0}
EXAMPLES = {
    "cell": {
        "suite": "a" * 64,
        "method": "ewc_weak",
        "runs": "ewc",
        "config": {"strength": 0.1, "layers": [1, 2]},
        "bound": False,
        "seed": 3,
        "draw": 0,
        "order": ["river", "oven"],
        "stream": "b" * 64,
        "base": "c" * 64,
        "budget": 256,
        "dtype": "fp32",
        "device": "cpu",
        "threads": 1,
        "code": "d" * 64,
        "attempt": 0,
        "started": "2026-01-01T00:00:00+00:00",
        "versions": {"torch": "2.6"},
        "hardware": {"cpu": "any"},
        "commit": None,
        "dirty": None,
    },
    "eval": {
        "after": -1,
        "domain": "river",
        "split": "holdout",
        "route": "shared",
        "process": "cell",
        "total": SUMS,
        "by_source": {"even": SUMS},
        "by_subject": {},
        "plan": "e" * 64,
        "per_item": "f" * 64,
        "seconds": 0.25,
        "shared": None,
        "ablation": "gate",
    },
    "route": {
        "after": 2,
        "domain": "river",
        "router": "likelihood",
        "sent": {"river": 7, "oven": 1},
        "total": SUMS,
        "answers": [{"item": "p", "to": "oven", "correct": True}],
        "margins": {
            "items": {"right": {"total": 1.5, "items": 7}, "wrong": {"total": 0.25, "items": 1}}
        },
        "kept_bytes": 2048,
    },
    "answer": {
        "after": 0,
        "domain": "river",
        "item": "p",
        "source": "even",
        "prompt": "0" * 64,
        "expected": "1" * 64,
        "correct": True,
        "choices": 4,
        "rater": "nats",
        "shared": "shared/base",
    },
    "task": {
        "after": 0,
        "task": "words",
        "domain": "river",
        "digest": "0" * 64,
        "asked": 5,
        "right": {"acc": 3},
        "seconds": 1.5,
        "shared": "shared/base",
    },
    "step": {
        "phase": 0,
        "step": 1,
        "terms": {"lm": 3.25},
        "gradient_norm": 1.5,
        "layer_gradient_norms": {"0": 1.5},
        "term_gradient_norms": {"lm": 1.25, "ewc": 0.25},
        "lr": 0.01,
        "tokens": 64,
        "batch": "2" * 64,
        "seconds": 0.5,
        "shared": None,
    },
    "invariant": {
        "phase": 0,
        "step": 1,
        "name": "orthogonal",
        "layer": "0",
        "value": 1e-7,
        "promised": 0.0,
        "tolerance": 1e-6,
        "shared": None,
    },
    "trace": {
        "phase": 0,
        "step": 1,
        "layers": ["0", "1"],
        "values": {"norm": [1.0, 0.5], "gate": [0.25, 0.125]},
        "promised": {"norm": (0.5, 1.0)},
    },
    "representation": {"after": 1, "domain": "river", "layers": [0.0, 0.125]},
    "phase": {
        "phase": 0,
        "domain": "river",
        "steps": 4,
        "offered": "3" * 64,
        "tokens_offered": 256,
        "tokens_trained": 256,
        "rewritten": True,
        "trainable": 100,
        "stored_bytes": 0,
        "stored_examples": 0,
        "adapters": {"shared": "4" * 64},
        "structures": {"latest": "6" * 64},
        "state": {"active": "shared", "beside": []},
        "base_before": "c" * 64,
        "base_after": "c" * 64,
        "seconds": 2.0,
        "peak_bytes": 1000,
        "shared": None,
    },
    "resume": {
        "phase": 0,
        "step": 2,
        "torn_bytes": 17,
        "started": "2026-01-01T00:00:00+00:00",
        "versions": {"torch": "2"},
        "hardware": {"cores": "2"},
    },
    "end": {
        "status": "failed",
        "failure": "oom",
        "error": "out of memory",
        "base": None,
        "rows": 9,
        "head": "5" * 64,
        "seconds": 9.5,
    },
}
# by hand: what may differ between two runs of one cell. A field that is added here is a promise
# that two runs no longer have to agree in it.
MAY_DIFFER = {
    "cell": {"attempt", "started", "versions", "hardware", "commit", "dirty"},
    "eval": {"seconds", "shared"},
    "route": set(),
    "answer": {"shared"},
    "task": {"seconds", "shared"},
    "step": {"seconds", "shared"},
    "invariant": {"shared"},
    "trace": set(),
    "representation": set(),
    "phase": {"seconds", "peak_bytes", "shared"},
    "resume": {"phase", "step", "torn_bytes", "started", "versions", "hardware"},
    "end": {"rows", "head", "seconds"},
}


def row(kind, **changes):
    return ROW.validate_python({"kind": kind, **EXAMPLES[kind], **changes})


def test_there_is_an_example_of_every_kind_with_every_field():
    assert set(KINDS) == set(EXAMPLES)
    for kind, fields in EXAMPLES.items():
        assert set(KINDS[kind].model_fields) == {"kind", *fields}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_row_is_read_back_as_what_it_was(kind):
    ours = row(kind)
    assert type(ours) is KINDS[kind]
    written = canonical(ours.model_dump(mode="json"))
    again = ROW.validate_python(json.loads(written))
    assert again == ours
    assert type(again) is type(ours)
    assert canonical(again.model_dump(mode="json")) == written


def test_rows_that_were_written_before_a_field_was_there_are_read():
    for kind, field in (
        ("eval", "ablation"),
        ("phase", "structures"),
        ("cell", "runs"),
        ("route", "answers"),
        ("route", "margins"),
        ("route", "kept_bytes"),
    ):
        old = {key: value for key, value in EXAMPLES[kind].items() if key != field}
        assert not getattr(ROW.validate_python({"kind": kind, **old}), field)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_fact_is_everything_but_the_circumstances(kind):
    ours = row(kind)
    assert MAY_DIFFER[kind] == ours.CIRCUMSTANCES
    assert set(ours.fact()) == {"kind", *EXAMPLES[kind]} - MAY_DIFFER[kind]
    everything = ours.model_dump(mode="json")
    assert all(everything[key] == value for key, value in ours.fact().items())


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_names_of_circumstances_are_names_of_fields(kind):
    assert set(KINDS[kind].model_fields) >= KINDS[kind].CIRCUMSTANCES


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("eval", "total", SUMS | {"nats": 12.500000000000002}),
        ("eval", "process", "fresh"),
        ("step", "gradient_norm", 1.5000000000000002),
        ("phase", "base_after", "d" * 64),
        ("cell", "threads", 2),
        ("cell", "code", "0" * 64),
        ("end", "error", "another"),
        ("representation", "layers", [0.0, 0.126]),
        ("route", "answers", [{"item": "p", "to": "river", "correct": True}]),
    ],
)
def test_the_smallest_change_of_a_measurement_is_another_fact(kind, field, value):
    assert canonical(row(kind, **{field: value}).fact()) != canonical(row(kind).fact())


def test_a_sum_inside_a_row_has_no_circumstances():
    assert row("eval").fact()["by_source"] == {"even": SUMS}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_field_that_nobody_knows_is_refused(kind):
    with pytest.raises(ValidationError, match=r"extra_forbidden"):
        row(kind, surprise=1)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_row_cannot_be_changed(kind):
    with pytest.raises(ValidationError, match="frozen"):
        row(kind).kind = "other"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_refused_wherever_it_stands(value):
    for kind, changes in (
        ("step", {"gradient_norm": value}),
        ("step", {"terms": {"lm": value}}),
        ("representation", {"layers": [0.0, value]}),
        ("trace", {"values": {"norm": [1.0, value]}}),
        ("trace", {"promised": {"norm": (0.5, value)}}),
        ("eval", {"total": SUMS | {"nats": value}}),
        ("route", {"margins": {"items": {"right": {"total": value, "items": 1}, "wrong": NONE}}}),
        ("invariant", {"value": value}),
    ):
        with pytest.raises(ValidationError, match="finite_number"):
            row(kind, **changes)
    with pytest.raises(ValidationError, match="finite_number"):
        Sums(**SUMS | {"nats": value})


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValidationError, match="union_tag_invalid"):
        ROW.validate_python({"kind": "opinion"})


# --- canonical


def test_the_canonical_form_by_hand():
    value = {"b": [1, 2.5, None, True], "a": {"ü": "é\n\u2028", "Z": -0.0}}
    assert canonical(value) == '{"a":{"Z":-0.0,"ü":"é\\n\u2028"},"b":[1,2.5,null,true]}'.encode()
    assert digest(value) == sha256(canonical(value)).hexdigest()
    # the SHA-256 of "{}", from any table
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_the_order_of_keys_does_not_matter_and_that_of_lists_does():
    assert canonical({"a": 1, "b": 2}) == canonical({"b": 2, "a": 1})
    assert canonical([1, 2]) != canonical([2, 1])
    assert canonical(1) != canonical(1.0) != canonical("1.0")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_has_no_canonical_form(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"deep": [{"inside": value}]})


@pytest.mark.parametrize("value", [0.1 + 0.2, 1e-300, 5e-324, 1.7976931348623157e308, 2.0**53 + 2])
def test_a_number_comes_back_to_the_last_bit(value):
    assert json.loads(canonical(value)) == value


def test_there_is_one_line_a_value_whatever_is_in_it():
    assert b"\n" not in canonical({"text": "one\ntwo\r\nthree"})
    assert len(canonical({"text": "one\ntwo\r\nthree\x85\x0b"}).splitlines()) == 1


# --- the schema


def test_the_schema_knows_every_kind_and_where_to_look():
    schema = records.json_schema()
    assert schema["discriminator"]["propertyName"] == "kind"
    assert set(schema["discriminator"]["mapping"]) == set(EXAMPLES)
    for kind, reference in schema["discriminator"]["mapping"].items():
        described = schema["$defs"][reference.rpartition("/")[2]]
        assert set(described["properties"]) == {"kind", *EXAMPLES[kind]}
        assert described["additionalProperties"] is False
    assert json.loads(json.dumps(schema)) == schema


def test_every_row_is_in_the_union():
    assert {row for row in Row.__subclasses__() if row.__module__ == records.__name__} == set(
        KINDS.values()
    )
