"""The laws every method obeys, run on all of them, built in or plugged in."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, fields

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file

from classay import registry
from classay.adapters import Adapters
from classay.base import Base, locate
from classay.errors import ConfigError
from classay.method import Method, Phase, State
from classay.records import InvariantRow, TraceRow
from classay.seeding import Seeds
from classay.suite import AdapterSpec, BaseSpec, Training
from classay.trainer import PhaseTraining

SETTINGS = Training(tokens_per_domain=128, batch=2, learning_rate=0.02, warmup_steps=1)
DOMAINS = ("river", "oven", "clock")
STEPS = 4


def examples() -> list[str]:
    """Every method, and every further setting that its module wants held to the laws."""
    modules = {name: registry.load("method", name) for name in registry.names("method")}
    variants = [f"{name}.{v}" for name, m in modules.items() for v in getattr(m, "VARIANTS", {})]
    return [*modules, *variants]


def example(name: str):
    """The module and the settings behind a name of ``examples``."""
    method, _, variant = name.partition(".")
    module = registry.load("method", method)
    return module, module.VARIANTS[variant] if variant else module.EXAMPLE


every_example = pytest.mark.parametrize("name", examples())
every_format = pytest.mark.parametrize("dtype", ["fp32", "nf4"])
every_method = pytest.mark.parametrize("name", registry.names("method"))


class Bench:
    """A tiny base with one method on it."""

    def __init__(self, folder, name: str | None, seed: int = 0, dtype: str = "fp32") -> None:
        self.base = Base(locate(BaseSpec(path=str(folder))), dtype, "cpu")
        self.seeds = Seeds(seed)
        self.adapters = Adapters(self.base.model, AdapterSpec(rank=2, alpha=4), self.seeds)
        if name is None:
            self.method = Method(self.adapters, None, self.seeds)
        else:
            module, config = example(name)
            self.method = module.METHOD(self.adapters, config, self.seeds)

    def learn(self, phases: int = len(DOMAINS)) -> Bench:
        """Learn the first domains of the stream."""
        for index in range(phases):
            phase = offered(index)
            self.method.begin_phase(phase)
            training = PhaseTraining(self.method, phase, SETTINGS, self.seeds)
            while training.step < training.steps:
                training.advance()
            self.method.end_phase(phase)
        return self


def offered(index: int) -> Phase:
    generator = torch.Generator().manual_seed(100 + index)
    ids = torch.randint(2, 300, (STEPS, 2, 16), generator=generator)
    return Phase(index, DOMAINS[index], tuple({"input_ids": b, "labels": b} for b in ids))


def weights(bench: Bench) -> dict[str, torch.Tensor]:
    return {key: t.clone() for key, t in bench.method.state().tensors.items()}


def answers(bench: Bench, domain: str) -> torch.Tensor:
    bench.base.model.eval()
    with bench.method.answering(domain), torch.inference_mode():
        ids = offered(0).batches[0]["input_ids"]
        return bench.base.model(input_ids=ids, use_cache=False).logits


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.fixture
def bench(tiny_base) -> Callable[..., Bench]:
    return lambda name, seed=0, dtype="fp32": Bench(tiny_base, name, seed, dtype)


@every_format
@every_example
def test_same_seed_same_bits(bench, name, dtype):
    first, again = (weights(bench(name, dtype=dtype).learn()) for _ in range(2))
    assert equal(first, again)


@every_example
def test_what_a_plan_is_told_of_it_before_it_is_built_is_true(bench, name):
    learned = bench(name).learn(1)
    kind, config = type(learned.method), learned.method.config
    assert kind.needs_domain_with(config) is learned.method.needs_domain
    assert tuple(kind.mechanisms(config)) == tuple(learned.method.ablations())


@every_example
def test_another_seed_gives_other_weights(bench, name):
    assert not equal(weights(bench(name).learn()), weights(bench(name, seed=1).learn()))


@every_example
def test_the_global_generator_has_no_say(bench, name):
    first = weights(bench(name).learn())
    torch.manual_seed(999)
    assert equal(first, weights(bench(name).learn()))


@every_format
@every_example
def test_the_base_never_moves(bench, name, dtype):
    learned = bench(name, dtype=dtype)
    before = learned.base.digest()
    assert learned.learn().base.digest() == before
    answers(learned, DOMAINS[0])
    assert learned.base.digest() == before


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
    assert loss() < first


@every_example
def test_answering_leaves_no_trace(bench, name):
    learned = bench(name).learn()
    before, active = weights(learned), (learned.adapters.active, learned.adapters.beside)
    for domain in (*DOMAINS, "unheard_of", None):
        with learned.method.answering(domain), torch.inference_mode():
            learned.base.model(input_ids=offered(0).batches[0]["input_ids"], use_cache=False)
    assert (learned.adapters.active, learned.adapters.beside) == active
    assert equal(before, weights(learned))
    assert all(parameter.requires_grad for parameter in learned.method.parameters())


@every_example
def test_the_price_is_stated_and_whole(bench, name):
    learned = bench(name).learn()
    cost = learned.method.cost()
    assert cost.trainable == sum(p.numel() for p in learned.method.parameters()) > 0
    kept = learned.method.state().tensors
    active = {id(p) for p in learned.method.parameters()}
    beside = sum(
        t.nbytes
        for key, t in kept.items()
        if not (key.startswith(f"adapter/{learned.adapters.active}/"))
    )
    assert active
    # whatever a new process would need beside the adapter in training is charged
    assert cost.stored_bytes >= beside
    assert cost.stored_examples >= 0


@every_example
def test_the_plan_counts_what_is_trained(bench, name):
    learned, trained = bench(name), 0
    for index in range(len(DOMAINS)):
        phase = offered(index)
        learned.method.begin_phase(phase)
        trained += sum(b["labels"].numel() for b in learned.method.curriculum(phase))
        learned.method.end_phase(phase)
    expected = type(learned.method).budgets(learned.method.config, len(DOMAINS))
    assert trained == expected * SETTINGS.tokens_per_domain


@every_method
def test_a_penalty_is_felt_after_the_first_step_of_the_second_phase(bench, name):
    learned = bench(name).learn(1)
    learned.method.begin_phase(offered(1))
    training = PhaseTraining(learned.method, offered(1), SETTINGS, learned.seeds)
    rows = [training.advance()[0] for _ in range(STEPS)]
    for term in set(rows[1].terms) - {"lm"}:
        assert all(row.terms[term] > 0 for row in rows[1:])
        assert rows[1].term_gradient_norms[term] >= 1e-3 * rows[1].term_gradient_norms["lm"]


@every_format
@every_example
def test_a_killed_phase_goes_on_with_the_same_bits(bench, name, dtype, tmp_path):
    finished = bench(name, dtype=dtype).learn(2)
    straight = weights(finished)

    killed = bench(name, dtype=dtype).learn(1)
    killed.method.begin_phase(offered(1))
    training = PhaseTraining(killed.method, offered(1), SETTINGS, killed.seeds)
    for _ in range(2):
        training.advance()
    state = killed.method.state()
    tensors = {**state.tensors, **training.state()}
    save_file({k: t.contiguous() for k, t in tensors.items()}, tmp_path / "checkpoint.safetensors")
    about = json.dumps(state.about)  # what goes into a checkpoint is plain JSON

    resumed = bench(name, dtype=dtype)
    saved = {k: t.clone() for k, t in load_file(tmp_path / "checkpoint.safetensors").items()}
    resumed.method.restore(State(saved, json.loads(about)))
    training = PhaseTraining(resumed.method, offered(1), SETTINGS, resumed.seeds)
    training.restore(saved, 2)
    while training.step < training.steps:
        training.advance()
    resumed.method.end_phase(offered(1))
    assert equal(straight, weights(resumed))
    for domain in DOMAINS:
        pair = [answers(one, domain) for one in (finished, resumed)]
        assert torch.equal(*pair), domain


@pytest.mark.parametrize(
    "name",
    [n for n in registry.names("method") if registry.load("method", n).METHOD.plain_first_phase],
)
def test_a_plain_first_phase_is_the_default_one_byte_for_byte(bench, name):
    learned = bench(name)
    learned.method.begin_phase(offered(0))
    training = PhaseTraining(learned.method, offered(0), SETTINGS, learned.seeds)
    rows = []
    while training.step < training.steps:
        rows += training.advance()
    default = bench(None)
    default.method.begin_phase(offered(0))
    theirs = PhaseTraining(default.method, offered(0), SETTINGS, default.seeds)
    expected = []
    while theirs.step < theirs.steps:
        expected += theirs.advance()
    assert [row.fact() for row in rows] == [row.fact() for row in expected]
    mine = learned.adapters.tensors(learned.adapters.active)
    assert equal(mine, default.adapters.tensors("shared"))


@every_format
@every_example
def test_a_fresh_adapter_depends_on_seed_phase_and_module_alone(bench, name, dtype):
    # a method whose module says so makes this part of every fresh adapter of its domain's inputs
    designed = getattr(example(name)[0], "DESIGNED", None)
    learned, fresh = bench(name, dtype=dtype), 0
    for index in range(len(DOMAINS)):
        phase = offered(index)
        learned.method.begin_phase(phase)
        mine = learned.adapters.tensors(learned.adapters.active)
        if not any(tensor.any() for key, tensor in mine.items() if "lora_B" in key):
            fresh += 1
            other = bench(None)
            other.adapters.fresh("anything", index)
            plain = other.adapters.tensors("anything")
            given = {key for key in mine if designed and designed in key}
            assert equal(*({k: t for k, t in a.items() if k not in given} for a in (mine, plain)))
            assert not any(torch.equal(mine[key], plain[key]) for key in given)
            assert bool(given) == bool(designed)
        training = PhaseTraining(learned.method, phase, SETTINGS, learned.seeds)
        while training.step < training.steps:
            training.advance()
        learned.method.end_phase(phase)
    assert fresh >= 1  # the first phase begins with one


@every_example
def test_its_adapters_load_in_plain_peft(bench, name, tiny_base, tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    learned = bench(name).learn(1)
    active = learned.adapters.active
    tensors = {k: t.contiguous() for k, t in learned.adapters.tensors(active).items()}
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps(learned.adapters.config()))
    plain = AutoModelForCausalLM.from_pretrained(tiny_base, local_files_only=True)
    theirs = PeftModel.from_pretrained(plain, tmp_path)
    ids = offered(0).batches[0]["input_ids"]
    with ExitStack() as off:
        # what is not an adapter does not travel with one: without it, the answers are PEFT's
        for state in learned.method.ablations().values():
            off.enter_context(state)
        off.enter_context(learned.method.answering(DOMAINS[0]))
        off.enter_context(torch.inference_mode())
        mine = learned.base.model(input_ids=ids, use_cache=False).logits
        assert torch.equal(mine, theirs(input_ids=ids, use_cache=False).logits)


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
def test_its_invariants_hold_while_it_learns(bench, name):
    learned = bench(name)
    for index in range(len(DOMAINS)):
        phase = offered(index)
        learned.method.begin_phase(phase)
        training = PhaseTraining(learned.method, phase, SETTINGS, learned.seeds)
        while training.step < training.steps:
            for row in training.advance()[1:]:
                assert kept(row), row
        learned.method.end_phase(phase)
        assert all(map(kept, training.trace(training.step, ended=True)))


def kept(row: InvariantRow | TraceRow) -> bool:
    if isinstance(row, InvariantRow):
        return abs(row.value - row.promised) <= row.tolerance
    return all(
        low <= value <= high
        for name, (low, high) in row.promised.items()
        for value in row.values[name]
    )


@every_example
def test_its_groups_hold_its_parameters_once(bench, name):
    learned = bench(name)
    learned.method.begin_phase(offered(0))
    groups = learned.method.parameter_groups()
    members = [id(parameter) for group in groups for parameter in group.parameters]
    assert members == [id(parameter) for parameter in learned.method.parameters()]
    assert len(set(members)) == len(members)
    assert len({group.name for group in groups}) == len(groups)


@every_example
def test_an_ablation_leaves_no_trace(bench, name):
    learned = bench(name).learn(2)
    before = weights(learned)
    first = answers(learned, DOMAINS[0])
    for state in learned.method.ablations().values():
        with state:
            answers(learned, DOMAINS[0])
    assert torch.equal(first, answers(learned, DOMAINS[0]))
    assert equal(before, weights(learned))
