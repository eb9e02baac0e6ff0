"""LoRAHub: its sum with cross terms by hand, its search, what it answers and what it keeps."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from classay import registry
from classay.errors import ConfigError
from classay.method import Method, Phase, State
from classay.methods.frozen import Config as NoSettings
from classay.methods.frozen import Frozen
from classay.methods.lorahub import BOUND, COMPOSED, Config, LoRAHub

ALONE = Config(variant="no_memory", examples=4, evaluations=16)
MEMORY = Config(variant="memory", examples=3, evaluations=16)
OFF = Config(variant="no_memory", examples=4, evaluations=0)
IDS = torch.arange(16).reshape(1, 16)


def logits(method: Method, domain: str | None) -> torch.Tensor:
    with method.answering(domain), torch.inference_mode():
        return method.model(input_ids=IDS, use_cache=False).logits


def test_the_cross_terms_by_hand(make, offered):
    # one rank each: A₁ = 1, B₁ = 2, A₂ = 3, B₂ = 5 in every place, w = (0.5, −1):
    # Â = 0.5 · 1 − 3 = −2.5 and B̂ = 0.5 · 2 − 5 = −4, so that B̂ Â = 10, which is
    # w₁² B₁A₁ + w₂² B₂A₂ + w₁w₂ (B₁A₂ + B₂A₁) = 0.5 + 15 − 0.5 · (6 + 5) = 10; without the cross
    # terms it would be 15.5
    method = make(LoRAHub, ALONE)
    for index, (down, up) in enumerate([(1.0, 2.0), (3.0, 5.0)]):
        method.begin_phase(offered(index))
        for key, tensor in method.adapters.tensors(method.adapters.active).items():
            tensor.fill_(down if "lora_A" in key else up)
    w = torch.tensor([0.5, -1.0], dtype=torch.float64).numpy()
    method._compose(w, *method._table())
    for key, tensor in method.adapters.tensors(COMPOSED).items():
        assert torch.equal(tensor, torch.full_like(tensor, -2.5 if "lora_A" in key else -4.0))


def test_on_a_model_the_cross_terms_answer(make, learn):
    method = make(LoRAHub, ALONE)
    learn(method, [0, 1])
    own = [method.adapters.tensors(name) for name in method.learned]
    base = make(Frozen, NoSettings())
    with torch.no_grad():
        for key in own[0]:
            if "lora_A" not in key:
                continue
            up = key.replace("lora_A", "lora_B")
            module = key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
            for w, left in zip(method.weights, own, strict=True):
                for v, right in zip(method.weights, own, strict=True):
                    weight = base.model.get_submodule(module).weight
                    weight += 4 / 2 * w * v * left[up] @ right[key]
        expected = base.model(input_ids=IDS, use_cache=False).logits
    torch.testing.assert_close(logits(method, "river"), expected, rtol=1e-4, atol=1e-5)


def test_adapters_are_frozens_to_the_byte_and_are_what_is_summed(make, learn, bytes_of):
    method, frozen = make(LoRAHub, MEMORY), make(Frozen, NoSettings())
    assert [row.fact() for row in learn(method)] == [row.fact() for row in learn(frozen)]
    mine, theirs = bytes_of(method), bytes_of(frozen)
    assert theirs.items() <= mine.items()
    assert {name.split("/")[0] for name in mine.keys() - theirs.keys()} == {COMPOSED}


def test_the_weights_lie_in_their_bounds_and_do_something(make, learn):
    method = make(LoRAHub, ALONE)
    learn(method)
    assert len(method.weights) == 3
    assert all(abs(w) <= BOUND for w in method.weights)
    assert any(abs(w) > 0.01 for w in method.weights)


def test_the_search_takes_the_evaluations_that_it_was_given(make, learn, monkeypatch):
    asked, compose = [], LoRAHub._compose

    def counted(method, w, *rest):
        asked.append(w.copy())
        compose(method, w, *rest)

    monkeypatch.setattr(LoRAHub, "_compose", counted)
    method = make(LoRAHub, ALONE)
    learn(method, [0, 1])
    assert len(asked) == ALONE.evaluations + 1  # and once more, what was found
    assert not asked[0].any()  # w = 0 is asked first
    assert tuple(asked[-1]) == method.weights


def test_more_sparsity_leaves_smaller_weights(make, learn, monkeypatch):
    sizes = []
    for sparsity in (0.0, 100.0):
        monkeypatch.setattr("classay.methods.lorahub.SPARSITY", sparsity)
        method = make(LoRAHub, ALONE)
        learn(method, [0, 1])
        sizes.append(sum(map(abs, method.weights)))
    assert sizes[1] == 0.0 < sizes[0]  # w = 0 is in the first population, and the best of all


def test_what_was_found_is_no_worse_than_the_base_alone(make, learn, offered):
    method = make(LoRAHub, ALONE)
    learn(method, [0, 1])
    rows = method.rows.all(offered(1))
    with torch.no_grad():
        with method.composed():
            found = Method.loss(method, rows)["lm"]
        with method.adapters.answering(None):
            base = Method.loss(method, rows)["lm"]
    assert found < base


def test_no_memory_sees_the_current_domain_and_memory_as_much_of_every(make, learn, offered):
    alone, memory = make(LoRAHub, ALONE), make(LoRAHub, MEMORY)
    for method in (alone, memory):
        learn(method, [0, 1])
        method.begin_phase(offered(2))
    for method, domains in ((alone, [2]), (memory, [0, 1, 2])):
        found = method.rows.all(offered(2))["input_ids"]
        count = method.config.examples
        assert len(found) == count * len(domains)
        for place, domain in enumerate(domains):
            own = torch.cat([batch["input_ids"] for batch in offered(domain).batches])
            part = found[place * count : (place + 1) * count]
            assert all((own == row).all(dim=1).any() for row in part)
    assert alone.cost().stored_examples == 0
    assert memory.cost().stored_examples == 2 * MEMORY.examples


def test_memory_changes_what_is_composed(make, learn):
    found = []
    for variant in ("no_memory", "memory"):
        method = make(LoRAHub, Config(variant=variant, examples=4, evaluations=64))
        learn(method, [0, 1])
        found.append(method.weights)
    assert found[0] != found[1]


def test_the_composition_answers_every_question(make, learn):
    method = make(LoRAHub, ALONE)
    assert not method.needs_domain
    learn(method)
    first = logits(method, "river")
    assert all(torch.equal(first, logits(method, d)) for d in ("oven", "clock", "never", None))


def test_after_the_first_domain_its_adapter_answers_every_question(make, learn):
    method = make(LoRAHub, ALONE)
    learn(method, [0])
    assert COMPOSED not in method.adapters.names
    assert torch.equal(logits(method, "never"), logits(method, "river"))
    with method.adapters.answering("domain_river"), torch.inference_mode():
        own = method.model(input_ids=IDS, use_cache=False).logits
    assert torch.equal(own, logits(method, None))


def test_ablated_it_answers_as_frozen(make, learn):
    method, frozen = make(LoRAHub, ALONE), make(Frozen, NoSettings())
    learn(method)
    learn(frozen)
    for domain in ("river", "oven", "clock", "never", None):
        assert not torch.equal(logits(method, domain), logits(frozen, domain))
        with method.ablations()["composition"]:
            assert torch.equal(logits(method, domain), logits(frozen, domain))


def test_with_no_evaluations_it_is_frozen_to_the_byte(make, learn, bytes_of):
    method, frozen = make(LoRAHub, OFF), make(Frozen, NoSettings())
    learn(method)
    learn(frozen)
    assert method.needs_domain
    assert bytes_of(method) == bytes_of(frozen)
    for domain in ("river", "oven", "clock", "never", None):
        assert torch.equal(logits(method, domain), logits(frozen, domain))


def test_a_new_process_sums_in_the_order_of_learning(make, learn):
    method, there = make(LoRAHub, MEMORY), make(LoRAHub, MEMORY)
    learn(method, [0, 1])
    there.restore(
        State({k: t.clone() for k, t in method.state().tensors.items()}, method.state().about)
    )
    assert there.learned == ["domain_river", "domain_oven"]  # not the alphabet's order
    for one in (method, there):
        learn(one, [2])
    assert there.weights == method.weights
    assert torch.equal(logits(there, None), logits(method, None))


def test_what_answers_can_be_restored_without_the_memory(make, learn):
    method, there = make(LoRAHub, MEMORY), make(LoRAHub, MEMORY)
    learn(method)
    answering = {k: t for k, t in method.state().tensors.items() if not k.startswith("memory")}
    there.restore(State(answering, method.state().about))
    assert torch.equal(logits(there, "river"), logits(method, "river"))


def test_rows_without_a_label_to_learn_are_not_drawn(make, offered):
    batches = offered(0).batches
    hidden = {**batches[0], "labels": torch.full_like(batches[0]["labels"], -100)}
    phase = Phase(0, "river", (hidden, *batches[1:]))
    method = make(LoRAHub, Config(variant="no_memory", examples=6, evaluations=8))
    found = method.rows.drawn(phase)
    assert (found["labels"] != -100).all()
    assert len(found["input_ids"].unique(dim=0)) == 6
    with pytest.raises(ConfigError, match="offered 6 rows with a label"):
        make(LoRAHub, Config(variant="no_memory", examples=7, evaluations=8)).begin_phase(phase)


def test_every_byte_is_charged(make, learn):
    method = make(LoRAHub, MEMORY)
    learn(method)
    # three adapters beside the composed one, 4 bytes a number; 9 rows of 16 tokens, ids and labels
    trainable = method.cost().trainable
    assert method.cost() == (trainable, 3 * 4 * trainable + 2 * 9 * 16 * 8, 9)


def test_too_few_rows_are_refused(make, offered):
    method = make(LoRAHub, Config(variant="no_memory", examples=9, evaluations=8))
    with pytest.raises(ConfigError, match=r"'river' is offered 8 rows .* asks for examples: 9"):
        method.begin_phase(offered(0))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"variant": "memory", "examples": 0, "evaluations": 8}, "examples.*greater than 0"),
        ({"variant": "some", "examples": 1, "evaluations": 8}, "'no_memory' or 'memory'"),
        ({"variant": "memory", "examples": 1, "evaluations": 12}, "a multiple of .* 8 was needed"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, said):
    with pytest.raises(ConfigError, match=f"methods.lorahub has settings of the wrong.*{said}"):
        registry.resolve("lorahub", settings)


def test_its_settings_have_no_default():
    with pytest.raises(ConfigError, match=r"lacks \['variant', 'examples', 'evaluations'\]"):
        registry.resolve("lorahub", {})
