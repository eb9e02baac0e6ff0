"""What a claims file may not hold, and how it is told: once, with its place, and harmlessly."""

import re

import pytest

from classay.claims.document import json_schema, parse, read
from classay.claims.finding import honest
from classay.errors import ConfigError

FILE = """\
title: t
sources:
  - {id: text, title: t}
claims:
  - {id: a, source: text, quote: q, quantity: other, value: "1.0"}
"""


def refused(text):
    with pytest.raises(ConfigError) as caught:
        read(text, "x")
    return str(caught.value)


def told(**claim):
    with pytest.raises(ConfigError) as caught:
        parse(honest({"id": "a"} | claim), "x")
    return str(caught.value).split("\n", 1)[1]


def test_the_file_that_the_others_are_made_of_can_be_read():
    assert list(read(FILE, "x").claims) == ["a"]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ('!!int ""', "'' cannot be read as !!int"),
        ('!!float ""', "'' cannot be read as !!float"),
        ("!!bool maybe", "'maybe' cannot be read as !!bool"),
        ("!!timestamp x", "'x' cannot be read as !!timestamp"),
        ("1" + ":30" * 200 + ".0", "cannot be read as !!float"),
    ],
)
def test_what_yaml_makes_no_value_of_is_named_with_its_line(value, says):
    said = refused(FILE.replace("title: t\n", f"title: {value}\n", 1))
    assert said.startswith("x is not YAML: ")
    assert says in said
    assert said.endswith("line 1, column 8\n  Mend the line it names.")


def test_a_number_that_cannot_be_printed_is_refused():
    said = refused(FILE.replace("quote: q", f"quote: q, n: {{seeds: 0x{'f' * 4000}}}"))
    assert "cannot be read as !!int" in said


@pytest.mark.parametrize("tag", ["set", "omap", "pairs", "binary"])
def test_what_has_no_order_or_hides_what_it_says_is_refused(tag):
    said = refused(f"title: t\nsources: !!{tag} {{a, b}}\n")
    assert f"the tag 'tag:yaml.org,2002:{tag}'" in said
    assert "line 2, column 10" in said


def test_a_key_that_stands_twice_is_named_with_its_line():
    said = refused(FILE.replace('value: "1.0"', 'value: "1.0",\n     value: "2.0"'))
    assert "the key 'value' stands twice, first in line 5" in said
    assert "line 6, column 6" in said


def test_the_same_key_in_two_entries_stands_once_in_each():
    entry = FILE.splitlines()[-1]
    assert list(read(FILE + entry.replace("id: a", "id: b"), "x").claims) == ["a", "b"]


@pytest.mark.parametrize("escape", [r"\e", r"\x9b", r"\r", r"\b", r"\0", r"\x7f"])
@pytest.mark.parametrize("key", ["quote: ", "id: ", "unknown"])
def test_a_control_character_does_not_reach_the_terminal(escape, key):
    said = refused(FILE.replace("quote: q", f'quote: q, "{key}{escape}[31m": 1'))
    assert re.search(r"has the control character '\\x?\w+' in line 5, which a terminal", said)
    assert "\n  Leave it out; in a quote, […] stands for what is left out." in said
    assert said.replace("\n", "").isprintable()


def test_a_note_may_have_lines_and_tabs():
    assert read('note: "one\\n\\ttwo"\n' + FILE, "x").file.note == "one\n\ttwo"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"text": "99", "value": "33.3", "step": "0.1"}, "{'text': '99', .* is of type dict"),
        (1.5, r"1\.5 is of type float"),
        (5, "5 is of type int"),
        (True, "True is of type bool"),
        (["1.5"], r"\['1\.5'\] is of type list"),
    ],
)
def test_digits_are_a_string_and_nothing_else(value, found):
    says = re.compile(
        rf"  claim a: value: {found}, and the digits as printed are needed\.\n"
        rf'  Put them in quotes: "1\.50" stays as it is, and 1\.50 is read as 1\.5\.'
    )
    assert says.fullmatch(told(value=value))


def test_the_schema_says_that_digits_are_a_string():
    assert json_schema()["$defs"]["Spread"]["properties"]["value"]["type"] == "string"


@pytest.mark.parametrize(
    ("kind", "of", "needed"),
    [
        ("difference_of", "b", 2),
        ("difference_of", "bcd", 2),
        ("ratio_of", "b", 2),
        ("percent_change_of", "bcd", 2),
        ("effect_of", "b", 2),
        ("advantage_over", "b", 2),
        ("factor_of", "bc", 1),
    ],
)
def test_a_relation_with_too_many_or_too_few_claims_is_refused(kind, of, needed):
    related = {"id": "a", "relations": [{"kind": kind, "of": list(of)}]}
    says = f"claim a is said to be {kind} {', '.join(of)}, which makes {len(of)}, and {needed} must"
    with pytest.raises(ConfigError, match=says):
        parse(honest(related, *({"id": name} for name in "bcd")), "x")


@pytest.mark.parametrize("kind", ["average_of", "sum_of", "range_of", "least_of", "bound_on"])
@pytest.mark.parametrize("of", ["b", "bcd"])
def test_of_how_many_claims_an_average_is_said_is_left_to_the_text(kind, of):
    related = {"id": "a", "relations": [{"kind": kind, "of": list(of)}]}
    parse(honest(related, *({"id": name} for name in "bcd")), "x")


def test_what_is_wrong_in_the_only_claim_is_told_once():
    assert told(quantity="drfit").startswith("  claim a: quantity: ")
    assert "\n" not in told(quantity="drfit")
    related = [{"kind": "sum_of", "of": ["?"]}]
    assert told(relations=related).count("\n") == 0


def test_that_there_is_no_claim_at_all_is_told():
    with pytest.raises(ConfigError, match="  claims: Tuple should have at least 1 item"):
        parse(honest(), "x")
