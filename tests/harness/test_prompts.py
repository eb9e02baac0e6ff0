"""What a router may see of a question: the words before its choices, and nothing of the answer."""

import re
from dataclasses import replace

import numpy as np
import pytest

from classay.packing import IGNORED, probe_rows
from classay.prompts import prompts
from classay.sources import Record

X = IGNORED
BOS = 1


class Characters:
    """One token a character, or as many as a pattern takes at once."""

    def __init__(self, bos=None, pattern="."):
        self.bos, self.eos, self.pattern = bos, None, pattern

    def encode(self, text):
        spans = [found.span() for found in re.finditer(self.pattern, text)]
        return [ord(text[a]) for a, _ in spans], spans


def probe(name, prompt="Who", choices=("oak", "reed")):
    return Record(name, "any", "probe", prompt, f" {choices[0]}", "s", None, choices, choices[0])


def asked(*records, limit=20, **tokenizer):
    return prompts(*probe_rows(records, 8, limit, Characters(**tokenizer)))


def o(text):
    return [ord(c) for c in text]


def test_the_prompt_of_one_probe_by_hand():
    said = asked(probe("p"), bos=BOS)
    assert said.ids.tolist() == [[BOS, *o("Who")]]
    assert said.labels.tolist() == [[X, *o("Who")]]
    assert said.lengths.tolist() == [4]
    assert said.ids.dtype == said.labels.dtype == said.lengths.dtype == np.int32


def test_without_a_beginning_nothing_precedes_the_first_token():
    said = asked(probe("p"))
    assert said.ids.tolist() == [o("Who")]
    assert said.labels.tolist() == [[X, *o("ho")]]


def test_prompts_keep_the_order_of_the_probes_and_are_padded_on_the_right():
    records = [probe("p"), probe("q", prompt="Why?")]
    chosen, rows = probe_rows(records, 8, 20, Characters(bos=BOS))
    said = prompts(chosen, rows)
    wanted = {"p": [BOS, *o("Who"), 0], "q": [BOS, *o("Why?")]}
    assert said.ids.tolist() == [wanted[each.name] for each in chosen]
    assert (said.labels[said.ids == 0] == X).all()


def test_a_long_prompt_is_the_part_that_was_kept():
    # 9 tokens: 1 to begin with and 5 for " reed" leave 3 of the prompt
    said = asked(probe("p", prompt="abcdef"), limit=9, bos=BOS)
    assert said.ids.tolist() == [[BOS, *o("def")]]


def test_a_token_that_spans_prompt_and_choice_shortens_the_prompt_for_all():
    # "o r" is one token, so that "Who reed" keeps "Wh" and "Who oak" would keep "Who"
    for choices in (("oak", "reed"), ("reed", "oak")):
        said = asked(probe("p", choices=choices), bos=BOS, pattern="o r|.")
        assert said.ids.tolist() == [[BOS, *o("Wh")]]


@pytest.mark.parametrize(("bos", "length"), [(BOS, 1), (None, 0)])
def test_a_prompt_without_a_whole_token_has_nothing_to_score(bos, length):
    said = asked(probe("p", prompt="W"), bos=bos, pattern=r"\S+\s\S+")
    assert said.lengths.tolist() == [length]
    assert (said.labels == X).all()


def test_no_probes_have_no_prompts():
    assert [table.size for table in asked(bos=BOS)] == [0, 0, 0]


def test_which_choice_is_right_cannot_be_seen():
    chosen, rows = probe_rows([probe("p"), probe("q")], 8, 20, Characters(bos=BOS))
    other = [replace(each, right=1 - each.right, expected="other") for each in chosen]
    for mine, theirs in zip(prompts(chosen, rows), prompts(other, rows), strict=True):
        assert (mine == theirs).all()
