"""Where every router sends a question and what is answered there, worked out on paper."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from classay.evaluate import Scorer
from classay.layout import RunFolder
from classay.packing import IGNORED, Batch, Items, Probe
from classay.routing import routed
from classay.seeding import Seeds
from classay.stream import Tokens

# over four tokens; 0 begins every text. Between 2 and 3, river says 2 and oven says 3
SHARES = {"river": (0.1, 0.4, 0.3, 0.2), "oven": (0.1, 0.2, 0.3, 0.4)}
ROUTERS = ("oracle", "nearest_centroid", "likelihood", "logistic_regression", "uniform")


class Adapted(torch.nn.Module):
    """A model whose distribution is that of the adapter that answers; it sees what it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.domain, self.read = None, 0

    def forward(self, input_ids, use_cache, output_hidden_states=False):
        self.read += 1
        shares = torch.tensor(SHARES.get(self.domain, (0.25,) * 4))
        seen = torch.nn.functional.one_hot(input_ids, 4).float()
        return SimpleNamespace(
            logits=torch.log(shares).expand(*input_ids.shape, 4), hidden_states=[seen]
        )

    @contextmanager
    def answering(self, domain):
        self.domain = domain
        yield
        self.domain = None


def rows(*texts: list[int], start=1) -> Items:
    width = max(map(len, texts))
    ids = np.zeros((len(texts), width), np.int32)
    labels = np.full(ids.shape, IGNORED, np.int32)
    for i, text in enumerate(texts):
        ids[i, : len(text)] = text
        labels[i, start if start > 0 else len(text) + start : len(text)] = text[start:]
    names = tuple(f"{i}" for i in range(len(texts)))
    lengths = np.asarray([len(text) for text in texts], np.int32)
    return Items(names, names, names, (1,) * len(texts), ids, labels, lengths)


def domain(name: str, word: int, *prompts: list[int]) -> Tokens:
    """A domain whose training text is one word, with probes "2 or 3" of which 2 is right."""
    train = np.full((2, 4), word, np.int32)
    probes = tuple(
        Probe(f"{name}-{i}", "s", "d", "e", 0, (2 * i, 2 * i + 2), False)
        for i in range(len(prompts))
    )
    choices = [[*prompt, choice] for prompt in prompts for choice in (2, 3)]
    asked = rows(*choices, start=-1) if choices else rows([0])
    return Tokens(name, "r", Batch(train, train), 1, rows([0, 1]), rows([0]), asked, probes)


def bench(folder, *domains: Tokens, routers=ROUTERS):
    model = Adapted()
    return SimpleNamespace(
        scorer=Scorer(RunFolder(folder), model, 3, "cpu"),
        stream=SimpleNamespace(domains={tokens.name: tokens for tokens in domains}),
        seeds=Seeds(0),
        suite=SimpleNamespace(evaluation=SimpleNamespace(routers=routers)),
    )


def go(made):
    model = made.scorer.model
    method = SimpleNamespace(
        ablations=dict,
        answering=model.answering,
        adapters=SimpleNamespace(answering=lambda name: nullcontext()),
    )
    found = routed(made, method, 1, list(made.stream.domains))
    return {(row.router, row.domain): row for row in found}


def told(row):
    return [(each.to, each.correct) for each in row.answers]


@pytest.fixture
def two(tmp_path):
    """River reads 1s and oven reads 3s."""
    river = domain("river", 1, [0, 1], [0, 3, 3], [0])
    return bench(tmp_path, river, domain("oven", 3, [0, 3], [0]))


def test_where_each_question_goes_and_what_is_answered_there_by_hand(two):
    found = go(two)
    # "1": −ln 0.4 under river is less than −ln 0.2 under oven; "3 3" is the other way round, and
    # oven takes 3 for 2. Nothing can be scored of a prompt that is only the beginning of text: the
    # likelihood sends it to the first domain of all, and so does the centroid, where the cosines
    # of token 0 with 1s and with 3s are both 0.
    assert told(found["oracle", "river"]) == [("river", True)] * 3
    assert told(found["likelihood", "river"]) == [("river", True), ("oven", False), ("river", True)]
    assert told(found["nearest_centroid", "river"]) == told(found["likelihood", "river"])
    # of oven, sent home it is wrong, and sent to the other it is right
    assert told(found["oracle", "oven"]) == [("oven", False)] * 2
    assert told(found["likelihood", "oven"]) == [("oven", False), ("river", True)]
    assert [each.item for each in found["likelihood", "oven"].answers] == ["oven-0", "oven-1"]


def test_the_logistic_regression_is_fitted_to_the_training_text_alone(two):
    found = go(two)
    # rows of 1s for river and of 3s for oven: "1" is river's and "3 3" oven's; token 0 is neither,
    # and lies as far from the one as from the other
    assert told(found["logistic_regression", "river"])[:2] == [("river", True), ("oven", False)]
    assert told(found["logistic_regression", "oven"])[0] == ("oven", False)
    other = two.stream.domains["oven"]
    two.stream.domains["oven"] = replace(other, holdout=rows([0, 3, 3, 3]))
    assert told(go(two)["logistic_regression", "river"]) == told(
        found["logistic_regression", "river"]
    )


def test_hold_outs_are_sent_by_their_own_text(two):
    found = go(two)
    # the hold-out of both is "1"
    for own in ("river", "oven"):
        assert found["likelihood", own].sent == {"river": 1, "oven": 0}
        assert found["likelihood", own].total.nats == pytest.approx(-np.log(0.4))


def test_the_base_alone_answers_where_there_is_no_router_by_hand(tmp_path):
    river = domain("river", 1, [0, 1], [0, 3, 3], [0])
    oven = domain("oven", 3, [0, 3], [0])
    read = []
    for routers in (ROUTERS, (*ROUTERS, "none")):
        made = bench(tmp_path, river, oven, routers=routers)
        found = go(made)
        read.append(made.scorer.model.read)
    # it has no adapter, which makes all four tokens equal: ln 4 of "1"; of equal choices the first,
    # which is right
    for own, probes in (("river", 3), ("oven", 2)):
        assert found["none", own].sent == {"river": 0, "oven": 0, "base alone": 1}
        assert found["none", own].total.nats == pytest.approx(np.log(4))
        assert told(found["none", own]) == [("base alone", True)] * probes
        assert "base alone" not in found["uniform", own].sent
    # asked once: 2 hold-outs, and 6 and 4 rows of choices in batches of 3
    assert read[1] - read[0] == 2 + 2 + 2


def test_uniform_answers_with_the_adapter_that_was_drawn(two):
    found = go(two)
    for own, tokens in two.stream.domains.items():
        # river takes 2, which is right, and oven 3
        assert all(correct == (to == "river") for to, correct in told(found["uniform", own]))
        drawn = [
            two.seeds.generator("router", "uniform", kind, own).integers(2, size=n).tolist()
            for kind, n in (("items", 1), ("probes", len(tokens.probes)))
        ]
        names = list(two.stream.domains)
        assert [to for to, _ in told(found["uniform", own])] == [names[k] for k in drawn[1]]
        assert found["uniform", own].sent[names[drawn[0][0]]] == 1


def test_how_sure_a_router_was_by_hand(two):
    found = go(two)

    def sums(router, own, kind):
        each = found[router, own].margins[kind]
        return (each.right.total, each.right.items), (each.wrong.total, each.wrong.items)

    # ln 0.4 − ln 0.2 either way; nothing is known of the third probe
    ln2 = pytest.approx(np.log(2))
    assert sums("likelihood", "river", "items") == ((ln2, 1), (0, 0))
    assert sums("likelihood", "oven", "items") == ((0, 0), (ln2, 1))
    assert sums("likelihood", "river", "probes") == ((ln2, 1), (ln2, 1))
    # one of two tokens is a 1, cosine 1/√2; two of three are 3s, cosine 2/√5; the other is 0, and
    # both are for the third, which is sent home without being sure
    one, two_of_three = pytest.approx(0.5**0.5), pytest.approx(2 / 5**0.5)
    assert sums("nearest_centroid", "river", "items") == ((one, 1), (0, 0))
    assert sums("nearest_centroid", "river", "probes") == ((one, 2), (two_of_three, 1))
    for own in ("river", "oven"):
        assert found["oracle", own].margins == found["uniform", own].margins == {}
        assert set(found["logistic_regression", own].margins) == {"items", "probes"}


def test_of_no_probe_no_margin_is_recorded(tmp_path):
    found = go(bench(tmp_path, domain("river", 1), domain("oven", 3, [0, 3])))
    assert set(found["likelihood", "river"].margins) == {"items"}


def test_what_is_left_to_the_base_is_neither_right_nor_wrong(tmp_path, monkeypatch):
    river, oven = domain("river", 1, [0, 1]), domain("oven", 3, [0, 3])
    shy = SimpleNamespace(
        __name__="shy",
        USES_BASE_ALONE=True,
        scores=lambda evidence: -evidence.nats,
        choose=lambda evidence: np.where(evidence.nats[:, 0] < evidence.nats[:, 1], 0, -1),
    )
    monkeypatch.setattr("classay.routing.registry.load", lambda kind, name: shy)
    found = go(bench(tmp_path, river, oven, routers=("shy",)))
    assert told(found["shy", "river"]) == [("river", True)]
    assert told(found["shy", "oven"]) == [("base alone", True)]
    each = found["shy", "oven"].margins["probes"]
    assert (each.right.items, each.wrong.items) == (0, 0)


def test_which_choice_is_right_changes_no_way(two):
    before = go(two)
    for tokens in list(two.stream.domains.values()):
        other = tuple(replace(probe, right=1) for probe in tokens.probes)
        two.stream.domains[tokens.name] = replace(tokens, probes=other)
    after = go(two)
    for key, row in before.items():
        assert told(after[key]) == [(to, not correct) for to, correct in told(row)]


def test_every_adapter_is_asked_once_whatever_the_number_of_routers(tmp_path):
    domains = [domain("river", 1, [0, 1], [0, 3]), domain("oven", 3, [0, 3])]
    read = []
    for routers in (ROUTERS[:1], ROUTERS):
        made = bench(tmp_path, *domains, routers=routers)
        go(made)
        read.append(made.scorer.model.read)
    # base alone: 2 centroids, 2 hold-outs, 2 sets of prompts; then 2 adapters × (2 hold-outs,
    # 2 sets of prompts, and 4 rows of choices in batches of 3 and 2 rows in one)
    assert read == [6 + 2 * (2 + 2 + 3)] * 2


def test_a_domain_without_probes_has_no_answers(tmp_path):
    found = go(bench(tmp_path, domain("river", 1), domain("oven", 3, [0, 3])))
    assert [found[router, "river"].answers for router in ROUTERS] == [[]] * len(ROUTERS)
    assert len(found["likelihood", "oven"].answers) == 1


def test_a_prompt_without_any_token_is_sent_to_the_first_domain(tmp_path):
    # no beginning of text, and the only word spans prompt and choice
    found = go(bench(tmp_path, domain("river", 1, []), domain("oven", 3, [], [3, 3])))
    assert told(found["nearest_centroid", "oven"]) == [("river", True), ("oven", False)]
    assert told(found["likelihood", "oven"]) == [("river", True), ("oven", False)]
