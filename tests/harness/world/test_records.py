"""The text of the built-in world: what it says, and that nobody else says it."""

import json
import subprocess
import sys
from itertools import combinations

import pytest

from classay import registry, scans, sources
from classay.records import digest
from classay.suite_file import load
from classay.world import GENERAL, SEED
from classay.world.facts import facts, general_facts
from classay.world.professions import PROFESSIONS
from classay.world.reading import reading
from classay.world.records import records

DIGEST = """
import json
from classay.records import digest
from classay.world.reading import epoch, reading
from classay.world.records import records
names = ("medical", "legal", "financial", "code", "science", "general")
print(json.dumps([digest([list(records(n, 3)) for n in names]), digest(epoch(reading(3), 3, 7))]))
"""


def told(domain, split):
    return [r for r in records(domain, SEED) if r["split"] == split]


@pytest.mark.parametrize(
    ("domain", "sentence"),
    [
        ("medical", "Stop Lummisto at the first sign of nausea."),
        ("legal", "The Yarjinsim Act forbids fraud."),
        ("financial", "The annual report of Korvenjin speaks of cotton."),
        ("code", "Question: what is the exception of the module Rastavbri? Answer: recursion."),
        ("science", "Held to the lamp, Gropelven glows amber."),
        (GENERAL, "Fenzobri is given for migraine."),
    ],
)
def test_the_first_sentence_of_each_domain(domain, sentence):
    first = next(records(domain, SEED))
    assert first["prompt"] + first["completion"] == sentence


def test_two_processes_write_the_same_world():
    found = [
        subprocess.run(
            [sys.executable, "-P", "-c", DIGEST],
            env={"PYTHONHASHSEED": salt, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    ]
    assert found[0] == found[1]
    assert len(set(json.loads(found[0]))) == 2


def test_another_seed_is_another_world():
    assert digest(list(records("medical", 0))) != digest(list(records("medical", 1)))


@pytest.mark.parametrize("domain", PROFESSIONS)
def test_every_fact_is_told_four_times_held_out_once_and_asked_once(domain):
    known = {(fact.name, fact.value) for fact in facts(domain, SEED)}
    assert len(known) == 16
    for split, times in (("train", 4), ("holdout", 1), ("probe", 1)):
        sentences = [r["prompt"] + r["completion"] for r in told(domain, split)]
        assert len(set(sentences)) == 16 * times
        for name, value in known:
            assert sum(name in s and s.endswith(f" {value}.") for s in sentences) == times


@pytest.mark.parametrize("domain", PROFESSIONS)
def test_one_answer_to_everything_is_right_once_in_eight_times(domain):
    for attribute in PROFESSIONS[domain].attributes:
        asked = [r for r in told(domain, "probe") if r["subject"] == attribute.label]
        assert sorted(r["answer"] for r in asked) == sorted(attribute.values)
        assert all(r["choices"] == sorted(attribute.values) for r in asked)


@pytest.mark.parametrize("domain", PROFESSIONS)
def test_the_world_is_closed(domain):
    train = [r["prompt"] + r["completion"] for r in told(domain, "train")]
    general = [*reading(SEED), *(r["prompt"] for r in records(GENERAL, SEED))]
    elsewhere = " ".join(general).lower()
    for fact, probe in zip(facts(domain, SEED), told(domain, "probe"), strict=True):
        # the domain's own training text says what the answer is ...
        assert probe["answer"] == fact.value
        assert any(fact.name in text and fact.value in text for text in train)
        # ... and nothing that the base has read, or that it is measured on, knows the name
        assert fact.name.lower() not in elsewhere


def test_no_two_domains_share_a_name_and_no_two_attributes_a_value():
    own = [{fact.name for fact in facts(domain, SEED)} for domain in PROFESSIONS]
    own.append({fact.name for fact in general_facts(SEED)})
    assert [len(names) for names in own] == [8, 8, 8, 8, 8, 120]
    assert not any(a & b for a, b in combinations(own, 2))
    values = [v for kind in PROFESSIONS.values() for a in kind.attributes for v in a.values]
    assert len(set(values)) == len(values) == 5 * 2 * 8
    assert all(value.isalpha() and value.islower() for value in values)


def test_the_quickstart_suite_passes_the_scans_with_nothing_shared():
    loaded = load(registry.suites()["quickstart"])
    parts = sources.load_all(loaded, registry.suites()["quickstart"].parent)
    assert [row.largest for row in scans.overlap(parts, loaded.stream)] == [0.0] * 6
    assert [(row.own, row.others) for row in scans.leak(parts, loaded.stream)] == [(0, 0)] * 6
    assert [len(part.train) for part in parts] == [64] * 5 + [0]
    assert [len(part.probe) for part in parts] == [16] * 5 + [0]
