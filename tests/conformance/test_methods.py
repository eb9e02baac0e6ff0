"""The laws every method obeys, run on all of them, built in or plugged in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from functools import cache

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load, save_file

from classay import registry
from classay.errors import ConfigError
from classay.method import Method, Phase, State
from classay.records import InvariantRow, StepRow, TraceRow
from classay.trainer import PhaseTraining

from .lives import (
    DOMAINS,
    SETTINGS,
    STOPPED,
    Account,
    Bench,
    Life,
    answers,
    equal,
    example,
    examples,
    grams,
    ids_of,
    moves_base,
    offered,
    raw,
    unpacked,
    weights,
)


def in_formats(names: list[str]) -> pytest.MarkDecorator:
    """Each name in every number format; what moves the base needs numbers to move."""
    pairs = [(n, d) for d in ("fp32", "nf4") for n in names if d == "fp32" or not moves_base(n)]
    return pytest.mark.parametrize(("name", "dtype"), pairs)


every_example = pytest.mark.parametrize("name", examples())
every_example_and_format = in_formats(examples())
every_method = pytest.mark.parametrize("name", registry.names("method"))
WITH_OFF = [n for n in registry.names("method") if hasattr(registry.load("method", n), "OFF")]


@pytest.fixture(scope="module")
def life(tiny_base) -> Callable[..., Life]:
    """Each life is lived once: to learn is what takes the time, and laws only read of it."""
    lived = cache(lambda name, dtype: Life(Bench(tiny_base, name, dtype=dtype)))
    return lambda name, dtype="fp32": lived(name, dtype)


@every_example_and_format
def test_same_seed_same_bits_whatever_is_asked_or_drawn_meanwhile(bench, life, name, dtype):
    watched = life(name, dtype)
    torch.manual_seed(999)  # the global generator has no say
    again = weights(bench(name, dtype=dtype).learn())
    assert equal(unpacked(watched.phases[-1].kept), again)


@every_example
def test_what_a_plan_is_told_of_it_before_it_is_built_is_true(life, name):
    method = life(name).learned.method
    assert type(method).needs_domain_with(method.config) is method.needs_domain
    planned = tuple(type(method).mechanisms(method.config))
    assert [phase.mechanisms for phase in life(name).phases] == [planned] * len(DOMAINS)


@every_example
def test_another_seed_gives_other_weights(bench, life, name):
    first, other = life(name), weights(bench(name, seed=1).learn(1))
    # what has no adapter has nothing to draw; seeds differ in the batches that they are offered
    same = equal(unpacked(first.phases[0].kept), other)
    assert same is not bool(first.learned.adapters.names)


@every_example_and_format
def test_the_base_never_moves_unless_the_method_says_so(life, name, dtype):
    lived = life(name, dtype)
    assert (lived.phases[-1].base != lived.base) is moves_base(name)
    assert all(phase.asked == phase.base for phase in lived.phases)


@every_example
def test_learning_lowers_the_loss_on_what_is_offered(bench, name):
    learned, batch = bench(name), offered(0).batches[0]
    learned.method.begin_phase(offered(0))
    training = PhaseTraining(learned.method, offered(0), SETTINGS, learned.seeds)

    def loss() -> float:
        with torch.no_grad():
            return float(sum(learned.method.loss(batch).values()))

    first = loss()
    while training.step < training.steps:
        training.advance()
    assert loss() < first if training.steps else not list(learned.method.parameters())


@every_example
def test_answering_leaves_no_trace_and_is_the_same_however_the_model_is_called(life, name):
    learned = life(name).learned
    before, active = weights(learned), (learned.adapters.active, learned.adapters.beside)
    ids = offered(0).batches[0]["input_ids"]
    learned.base.model.eval()
    for domain in (*DOMAINS, "unheard_of", None):
        with learned.method.answering(domain), torch.inference_mode():
            named = learned.base.model(input_ids=ids, use_cache=False).logits
            bare = learned.base.model(ids).logits  # as lm-eval calls it
        assert torch.equal(named, bare)
    assert (learned.adapters.active, learned.adapters.beside) == active
    assert equal(before, weights(learned))
    assert all(parameter.requires_grad for parameter in learned.method.parameters())


@every_example
def test_the_price_is_stated_and_is_what_lies_on_disk(life, name):
    for index, phase in enumerate(life(name).phases):
        assert phase.cost.trainable == phase.trainable
        # whatever a new process needs beside the adapter in training
        on_disk, training = load(phase.kept), f"adapter/{phase.active}/"
        beside = sum(t.nbytes for k, t in on_disk.items() if not k.startswith(training))
        assert phase.cost.stored_bytes == beside
        # rows of the stream are kept by those, and only by those, who say so
        rows = grams(t for past in range(index + 1) for t in ids_of(offered(past)))
        assert (phase.cost.stored_examples > 0) == bool(rows & grams(on_disk.values()))


@every_example
def test_the_plan_counts_what_is_trained(life, name):
    method, phases = life(name).learned.method, life(name).phases
    trained = sum(b["labels"].numel() for phase in phases for b in phase.curriculum)
    expected = type(method).budgets(method.config, len(DOMAINS))
    assert trained == expected * SETTINGS.tokens_per_domain


@every_method
def test_a_penalty_is_felt_after_the_first_step_of_the_second_phase(life, name):
    rows = life(name).phases[1].steps
    for term in set(rows[1].terms) - {"lm"} if rows else ():
        assert all(row.terms[term] > 0 for row in rows[1:])
        assert rows[1].term_gradient_norms[term] >= 1e-3 * rows[1].term_gradient_norms["lm"]


def gone_on(resumed: Bench, saved: dict[str, torch.Tensor], about: str, step: int) -> list[StepRow]:
    """Go on with the second phase from a checkpoint, to its end."""
    resumed.method.restore(State(saved, json.loads(about)))
    training = PhaseTraining(resumed.method, offered(1), SETTINGS, resumed.seeds)
    training.restore(saved, step)
    rows = []
    while training.step < training.steps:
        rows += training.advance()
    resumed.method.end_phase(offered(1))
    return [row for row in rows if isinstance(row, StepRow)]


@every_example_and_format
def test_a_killed_phase_goes_on_with_the_same_bits(bench, life, name, dtype):
    straight = life(name, dtype).phases[1]
    resumed, stopped = bench(name, dtype=dtype), min(STOPPED, len(straight.steps))
    rows = gone_on(resumed, unpacked(straight.checkpoint), straight.about, stopped)
    assert [row.fact() for row in rows] == [row.fact() for row in straight.steps[stopped:]]
    assert equal(unpacked(straight.kept), weights(resumed))
    for domain, answered in zip((*DOMAINS, None), straight.answers, strict=True):
        assert torch.equal(answered, answers(resumed, domain)), domain


@pytest.mark.parametrize("order", [unpacked, load], ids=["reversed", "as it lies in the file"])
@pytest.mark.parametrize(
    "name", [n for n in examples() if example(n)[0].METHOD.restarts is not Method.restarts]
)
def test_a_phase_killed_in_a_further_stretch_goes_on_with_the_same_bits(bench, life, name, order):
    straight = life(name).phases[1]
    assert straight.later
    for step, (file, about) in straight.later.items():
        resumed = bench(name)
        rows = gone_on(resumed, order(file), about, step)
        assert [row.fact() for row in rows] == [row.fact() for row in straight.steps[step:]]
        assert equal(unpacked(straight.kept), weights(resumed))


@pytest.mark.parametrize(
    "name",
    [n for n in registry.names("method") if registry.load("method", n).METHOD.plain_first_phase],
)
def test_a_plain_first_phase_is_the_default_one_byte_for_byte(life, name):
    mine, default = (life(n).phases[0] for n in (name, None))
    assert [row.fact() for row in mine.rows] == [row.fact() for row in default.rows]
    assert equal(mine.trained, default.trained)


@pytest.fixture(scope="module")
def drawn(tiny_base) -> list[dict[str, torch.Tensor]]:
    """A fresh adapter of every phase, on a base on which nothing was learned."""
    adapters = Bench(tiny_base, None).adapters
    for index in range(len(DOMAINS)):
        adapters.fresh(f"number_{index}", index)
    return [adapters.tensors(name) for name in adapters.names]


@every_example_and_format
def test_a_fresh_adapter_depends_on_seed_phase_and_module_alone(life, drawn, name, dtype):
    # a method whose module says so makes this part of every fresh adapter of its domain's inputs
    designed = getattr(example(name)[0], "DESIGNED", None)
    fresh = 0
    for index, phase in enumerate(life(name, dtype).phases):
        mine = phase.fresh
        if mine is None:
            pytest.skip("it has no adapter")
        if not any(tensor.any() for key, tensor in mine.items() if "lora_B" in key):
            fresh += 1
            # that of the first phase, of a method in which every domain is the first
            theirs = [drawn[index], drawn[0]]
            given = {key for key in mine if designed and designed in key}
            left = [{k: t for k, t in a.items() if k not in given} for a in (mine, *theirs)]
            assert any(equal(left[0], one) for one in left[1:])
            assert not any(torch.equal(mine[key], plain[key]) for plain in theirs for key in given)
            assert bool(given) == bool(designed)
    assert fresh >= 1  # the first phase begins with one


@every_example
def test_its_adapters_load_in_plain_peft(life, name, tiny_base, tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    learned, phase = life(name).learned, life(name).phases[0]
    if phase.active is None:
        pytest.skip("it has no adapter")
    prefix = f"adapter/{phase.active}/"
    kept = load(phase.kept).items()
    tensors = {k.removeprefix(prefix): t for k, t in kept if k.startswith(prefix)}
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps(learned.adapters.config()))
    plain = AutoModelForCausalLM.from_pretrained(tiny_base, local_files_only=True)
    theirs = PeftModel.from_pretrained(plain, tmp_path)
    ids = offered(0).batches[0]["input_ids"]
    with torch.inference_mode():
        # what is not an adapter does not travel with one: without it, the answers are PEFT's
        assert torch.equal(phase.bare, theirs(input_ids=ids, use_cache=False).logits)


@every_example
def test_what_can_be_a_component_of_a_stack_says_so(life, name):
    method, phase, given = life(name).learned.method, life(name).phases[2], offered(2).batches
    steps, rows = phase.curriculum, len(given[0]["labels"])
    begins = len(steps) == len(given) and all(
        torch.equal(own[key][:rows], table)
        for own, batch in zip(steps, given, strict=True)
        for key, table in batch.items()
    )
    fits = (
        begins
        and phase.names == ["shared"]
        and phase.answering == {("shared", ())}
        and list(map(id, phase.parameters)) == list(map(id, phase.shared))
        and len(phase.groups) == 1
        and not any(key.startswith("structure/") for key in load(phase.checkpoint))
    )
    # a method some of whose settings fit is free to say that it does not
    assert fits or not type(method).stackable


@every_method
def test_its_settings_are_checked_before_any_work(name):
    module = registry.load("method", name)
    known = {field.name for field in fields(module.Config)}
    assert registry.resolve(name, asdict(module.EXAMPLE)) == module.EXAMPLE
    with pytest.raises(ConfigError, match="it knows"):
        registry.resolve(name, {"no_such_setting": 1})
    assert "no_such_setting" not in known


@every_method
def test_the_docstring_names_its_source(name):
    text = registry.load("method", name).__doc__
    assert "source " in text
    assert "departures " in text


@every_method
def test_it_knows_its_past_only(name):
    assert {field.name for field in fields(Phase)} == {"index", "domain", "batches"}


@every_example
def test_its_invariants_hold_while_it_learns(life, name):
    for phase in life(name).phases:
        for row in (*phase.rows, *phase.traces):
            assert isinstance(row, StepRow) or kept(row), row


def kept(row: InvariantRow | TraceRow) -> bool:
    if isinstance(row, InvariantRow):
        return abs(row.value - row.promised) <= row.tolerance
    return all(
        low <= value <= high
        for name, (low, high) in row.promised.items()
        for value in row.values[name]
    )


@every_example
def test_its_groups_hold_its_parameters_once(life, name):
    for phase in life(name).phases:
        members = [id(parameter) for group in phase.groups for parameter in group.parameters]
        assert members == [id(parameter) for parameter in phase.parameters]
        assert len(set(members)) == len(members)
        assert len({group.name for group in phase.groups}) == len(phase.groups)


@every_example
def test_an_ablation_leaves_no_trace(life, name):
    learned = life(name).learned
    before = weights(learned)
    first = answers(learned, DOMAINS[0])
    for state in learned.method.ablations().values():
        with state:
            answers(learned, DOMAINS[0])
    assert torch.equal(first, answers(learned, DOMAINS[0]))
    assert equal(before, weights(learned))


def parent_of(name: str) -> str:
    return getattr(registry.load("method", name), "PARENT", "naive_lora")


def answered(phase: Account) -> list[bytes]:
    return [logits.numpy().tobytes() for logits in phase.answers]


@in_formats(WITH_OFF)
def test_with_its_mechanism_off_it_is_its_parent_byte_for_byte(life, name, dtype):
    off, parent = (life(n, dtype).phases for n in (f"{name}.OFF", parent_of(name)))
    for mine, theirs in zip(off, parent, strict=True):
        losses = [
            [(r.terms["lm"], sum(r.terms.values()), r.batch) for r in one.steps]
            for one in (mine, theirs)
        ]
        assert losses[0] == losses[1]
        assert mine.raw(mine.active) == theirs.raw(theirs.active)
        assert answered(mine) == answered(theirs)
        # nor has either been changed by what was learned after it
        assert off[-1].raw(mine.active) == parent[-1].raw(theirs.active)


@pytest.mark.parametrize("name", WITH_OFF)
def test_with_its_mechanism_on_it_learns_something_else_than_its_parent(life, name):
    mine, theirs = (life(n).phases for n in (name, parent_of(name)))
    # what answers beside the adapters is learned as they are
    learned = [
        [(phase.raw(phase.active), raw(phase.kept, "structure/")) for phase in one]
        for one in (mine, theirs)
    ]
    assert learned[0] != learned[1]
    assert [answered(phase) for phase in mine] != [answered(phase) for phase in theirs]


# (step, tolerance): of a term in float64; and of one that is in float32 somewhere on its way, where
# rounding alone is 6e-8 / 1e-3 of its size
DIFFERENCES = {torch.float64: (1e-6, 1e-6), torch.float32: (1e-3, 1e-2)}


@every_example
def test_the_gradient_of_every_penalty_is_its_slope(bench, life, name):
    """Along random directions: (f(θ + h·d) − f(θ − h·d)) / 2h = ∇f · d, in float64."""
    straight = life(name).phases[1]  # stopped off the point where a fresh adapter has its kinks
    saved = unpacked(straight.checkpoint)
    exact = bench(name, dtype="fp64")
    wide = {k: t.double() if t.is_floating_point() else t for k, t in saved.items()}
    exact.method.restore(State(wide, json.loads(straight.about)))
    training = PhaseTraining(exact.method, offered(1), SETTINGS, exact.seeds)
    if not training.steps or set(exact.method.loss(training.batches[2])) == {"lm"}:
        pytest.skip("it has no term besides lm")
    # what a structure computes in float32 by definition stays so, and its terms show it
    assert torch.float64 in {p.dtype for p in training.parameters}
    batch, at = training.batches[2], [p.detach().clone() for p in training.parameters]

    def terms(step: float, direction: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            for parameter, there, d in zip(training.parameters, at, direction, strict=True):
                parameter.copy_(there + step * d)
        return {k: t for k, t in exact.method.loss(batch).items() if k != "lm"}

    def slope(gradients: list[torch.Tensor | None], direction: list[torch.Tensor]) -> float:
        pairs = zip(gradients, direction, strict=True)
        return sum(float((g * d).sum()) for g, d in pairs if g is not None)

    here = terms(0.0, at)
    gradients = {
        key: torch.autograd.grad(term, training.parameters, retain_graph=True, allow_unused=True)
        for key, term in here.items()
    }
    draw = torch.Generator().manual_seed(0)
    for _ in range(3):
        direction = [torch.randn(t.shape, generator=draw, dtype=t.dtype) for t in at]
        for key, term in here.items():
            moved = zip(training.parameters, gradients[key], strict=True)
            kinds = {term.dtype, *(p.dtype for p, g in moved if g is not None)}
            h, tolerance = DIFFERENCES[min(kinds, key=lambda kind: kind.itemsize)]
            ahead, behind = (terms(step, direction)[key].item() for step in (h, -h))
            size = slope(gradients[key], [0 if g is None else g for g in gradients[key]]) ** 0.5
            rise = (ahead - behind) / (2 * h)
            assert abs(rise - slope(gradients[key], direction)) <= tolerance * size + 1e-9, key
