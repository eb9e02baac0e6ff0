"""Stack: one component is that method, several are their sum; what cannot be added is refused."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from classay import registry
from classay.errors import ConfigError
from classay.method import Cost, Group, Method, Trace
from classay.methods.a_gem import AFTER
from classay.methods.ewc import EWC
from classay.methods.gpm import ALONG
from classay.methods.naive_lora import NaiveLoRA
from classay.methods.replay import Replay
from classay.methods.stack import Config, Stack
from classay.suite import Training
from classay.trainer import PhaseTraining

EWC_ = {"method": "ewc", "strength": 100.0, "examples": 8, "normalisation": "max"}
REPLAY = {"method": "replay", "capacity": 8, "share": 0.5}
BOTH = Config(components=(EWC_, REPLAY))
SETTINGS = Training(tokens_per_domain=128, batch=2, learning_rate=0.02, warmup_steps=1)
IDS = torch.arange(16).reshape(1, 16)
SHARED = [
    name
    for name in registry.names("method")
    if registry.load("method", name).METHOD.stackable and name != "stack"
]
APART = sorted({*registry.names("method")} - {*SHARED, "stack"})


def facts(rows):
    return [row.fact() for row in rows]


def logits(method, domain=None):
    with method.answering(domain), torch.inference_mode():
        return method.model(input_ids=IDS, use_cache=False).logits


def test_what_it_costs_by_hand():
    # 5 domains, and half a domain again in each of the 4 that have a past
    assert Stack.budgets(BOTH, 5) == 7.0
    assert Stack.budgets(Config(components=(EWC_,)), 5) == 5


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("name", SHARED)
def test_a_stack_of_one_is_that_method_byte_for_byte(make, learn, bytes_of, name, dropout):
    module = registry.load("method", name)
    alone = make(module.METHOD, module.EXAMPLE, dropout)
    settings = {"method": name, **asdict(module.EXAMPLE)}
    stack = make(Stack, Config(components=(settings,)), dropout)
    assert facts(learn(stack)) == facts(learn(alone))
    assert bytes_of(stack) == bytes_of(alone)
    assert stack.cost() == alone.cost()
    assert torch.equal(logits(stack, "river"), logits(alone, "river"))
    kept, own = stack.state().tensors, alone.state().tensors
    assert sorted(k.removeprefix(f"{name}/") for k in kept) == sorted(own)
    assert all(torch.equal(t, own[k.removeprefix(f"{name}/")]) for k, t in kept.items())


def test_there_are_such_methods():
    assert {"ewc", "replay", "naive_lora"} <= {*SHARED}
    assert {"frozen", "joint", "o_lora", "crma"} <= {*APART}


def test_two_components_have_both_terms_and_both_memories(make, learn):
    method = make(Stack, BOTH)
    rows = learn(method)
    assert [set(row.terms) for row in rows] == [{"lm"}] * 4 + [{"lm", "ewc"}] * 8
    # 2 rows of 16 tokens are offered; from the second phase on one more is replayed
    assert [row.tokens for row in rows] == [32] * 4 + [48] * 8
    kept = {key for key in method.state().tensors if not key.startswith("adapter/")}
    assert kept == {
        *("ewc/memory/fisher", "ewc/memory/anchor"),
        *("replay/memory/ids", "replay/memory/labels"),
    }
    trainable = method.cost().trainable
    # F and θ* of 3 domains, 4 bytes a number; 8 rows of ids and labels of 16 tokens of 8 bytes
    assert method.cost() == (trainable, 3 * 2 * 4 * trainable + 8 * 2 * 16 * 8, 8)


def test_each_component_does_what_it_does_alone(make, learn, offered):
    method, ewc, replay = (
        make(kind, settings)
        for kind, settings in (
            (Stack, BOTH),
            (EWC, registry.resolve("ewc", EWC_)),
            (Replay, registry.resolve("replay", REPLAY)),
        )
    )
    for one in (method, ewc, replay):
        learn(one, [0])
        one.begin_phase(offered(1))
    mine, theirs = method.curriculum(offered(1)), replay.curriculum(offered(1))
    assert all(torch.equal(a[k], b[k]) for a, b in zip(mine, theirs, strict=True) for k in b)
    with torch.no_grad():
        for one in (method, ewc):
            for parameter in one.parameters():
                parameter += 0.01
    found = method.loss(mine[0])
    assert torch.equal(found["ewc"], ewc.loss(offered(1).batches[0])["ewc"])
    # the mean over offered and replayed rows alike
    assert torch.equal(found["lm"], method.adapters.model(**mine[0], use_cache=False).loss)


def test_it_learns_something_else_than_either(make, learn, bytes_of):
    configs = [BOTH, Config(components=(EWC_,)), Config(components=(REPLAY,))]
    left = []
    for config in configs:
        method = make(Stack, config)
        learn(method)
        left.append(bytes_of(method))
    assert left[0] not in left[1:]
    assert left[1] != left[2]


def test_the_order_of_penalties_and_memories_changes_no_bit(make, learn, bytes_of):
    left = []
    for components in ((EWC_, REPLAY), (REPLAY, EWC_)):
        method = make(Stack, Config(components=components))
        learn(method)
        left.append(bytes_of(method))
    assert left[0] == left[1]


def test_without_strength_it_is_naive_to_the_byte(make, learn, bytes_of):
    method, naive = make(Stack, registry.load("method", "stack").OFF), make(NaiveLoRA)
    learn(method)
    learn(naive)
    assert bytes_of(method) == bytes_of(naive)


def test_one_pass_serves_all_components(make, learn, offered):
    method, calls = make(Stack, BOTH), []
    learn(method, [0])
    method.begin_phase(offered(1))
    batch = method.curriculum(offered(1))[0]
    method.model.register_forward_hook(lambda *_: calls.append(1))
    method.loss(batch)
    assert len(calls) == 1
    method.loss(batch)  # weights may have moved: nothing is kept from one step to the next
    assert len(calls) == 2


# three more kinds of components, as a plug-in would bring them


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """Nothing to set."""


class Noting(Method):
    """It puts a row of its own behind the offered ones, with a note, and weighs it alone."""

    @classmethod
    def budgets(cls, config, domains):
        return 1.5 * domains

    def curriculum(self, phase):
        return [
            {**{k: torch.cat([t, t[:1]]) for k, t in b.items()}, "note": torch.tensor([7])}
            for b in phase.batches
        ]

    def loss(self, batch):
        if "note" not in batch:
            return super().loss(batch)
        own = {key: batch[key][-1:] for key in ("input_ids", "labels")}
        lm = super().loss({key: batch[key][:-1] for key in own})["lm"]
        return {"lm": lm, "ewc": 3 * super().loss(own)["lm"]}

    def cost(self):
        return Cost(super().cost().trainable, 100, 2)

    def trace(self, ended):
        return Trace(("all",), {"note": [1.0]}, {})


class Doubling(Method):
    """It changes gradients and then weights."""

    def edit_gradients(self):
        for parameter in self.parameters():
            parameter.grad += 1.0

    def after_step(self):
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(2)

    def parameter_groups(self):
        return [Group("other", list(self.parameters()), 0.5)]

    def trace(self, ended):
        return Trace(("0", "1"), {"doubled": [2.0, 2.0]}, {})


class Tripling(Doubling):
    def edit_gradients(self):
        for parameter in self.parameters():
            parameter.grad *= 3.0


class Rewriting(Method):
    def curriculum(self, phase):
        return [{key: table.flip(0) for key, table in b.items()} for b in phase.batches]


class Straying(Method):
    def begin_phase(self, phase):
        self.adapters.fresh(f"domain_{phase.domain}", phase.index)


@pytest.fixture
def plugged(monkeypatch):
    kinds = {k.__name__.lower(): k for k in (Noting, Doubling, Tripling, Rewriting, Straying)}
    load = registry.load

    def loaded(kind, name):
        if name in kinds:
            return SimpleNamespace(METHOD=kinds[name], Config=Nothing)
        return load(kind, name)

    monkeypatch.setattr(registry, "load", loaded)


def stack(*names: str) -> Config:
    known = {"ewc": EWC_, "replay": REPLAY}
    return Config(components=tuple(known.get(name, {"method": name}) for name in names))


@pytest.mark.usefixtures("plugged")
def test_a_component_with_notes_is_given_its_own_batch(make, learn, offered):
    method = make(Stack, stack("ewc", "noting", "replay"))
    learn(method, [0])
    method.begin_phase(offered(1))
    batch = method.curriculum(offered(1))[0]
    # 2 offered, 1 replayed, 1 noted: all of them are charged
    assert batch["labels"].shape == (4, 16)
    assert torch.equal(batch["labels"][3], batch["labels"][0])
    terms = method.loss(batch)
    # ewc has its name, and noting's term, which would have it too, is told apart
    assert [*terms] == ["lm", "ewc", "noting ewc"]
    model, rows = method.adapters.model, {k: t[:3] for k, t in batch.items()}
    assert torch.equal(terms["lm"], model(**rows, use_cache=False).loss)
    first = {k: t[:1] for k, t in batch.items()}
    assert torch.equal(terms["noting ewc"], 3 * model(**first, use_cache=False).loss)
    replayed = method.components["replay"].cost()
    assert method.cost().stored_examples == 2 + replayed.stored_examples
    assert Stack.budgets(method.config, 4) == 4 + 0.5 * 3 + 0.5 * 4


@pytest.mark.usefixtures("plugged")
def test_hooks_are_chained_in_the_order_given(make, learn):
    method = make(Stack, stack("doubling", "tripling"))
    learn(method, [0])
    for parameter in method.parameters():
        parameter.grad = torch.full_like(parameter, 5.0)
    method.edit_gradients()
    # (5 + 1) · 3, and not 5 · 3 + 1
    assert {float(g) for p in method.parameters() for g in p.grad.flatten()} == {18.0}
    before = [p.detach().clone() for p in method.parameters()]
    method.after_step()
    for parameter, was in zip(method.parameters(), before, strict=True):
        assert torch.equal(parameter.detach(), 4 * was)


@pytest.mark.usefixtures("plugged")
def test_learning_rates_are_multiplied(make, learn):
    method = make(Stack, stack("doubling", "ewc", "tripling"))
    learn(method, [0])
    (group,) = method.parameter_groups()
    assert (group.name, group.rate, group.decays) == ("other", 0.25, True)
    assert [id(p) for p in group.parameters] == [id(p) for p in method.parameters()]


@pytest.mark.usefixtures("plugged")
def test_every_component_shows_its_mechanism(make, learn, offered):
    from classay.suite import Training
    from classay.trainer import PhaseTraining

    settings = Training(tokens_per_domain=128, batch=2, learning_rate=0.02)
    method = make(Stack, stack("noting", "doubling", "ewc"))
    method.begin_phase(offered(0))
    training = PhaseTraining(method, offered(0), settings, method.seeds)
    shown = [row for row in training.advance() if row.kind == "trace"]
    assert [row.layers for row in shown] == [["all"], ["0", "1"]]
    assert [[*row.values] for row in shown] == [["note"], ["doubled"]]


@pytest.mark.usefixtures("plugged")
def test_offered_rows_may_be_followed_and_not_replaced(make, offered):
    method = make(Stack, stack("ewc", "rewriting"))
    method.begin_phase(offered(0))
    words = r"(?s)'rewriting' of the stack trains on other rows.*not replaced.*Run rewriting beside"
    with pytest.raises(ConfigError, match=words):
        method.curriculum(offered(0))


@pytest.mark.usefixtures("plugged")
def test_a_component_that_makes_an_adapter_without_saying_so_is_found(make, offered):
    method = make(Stack, stack("ewc", "straying"))
    words = r"(?s)'straying' of the stack left the adapters .*domain_river.*one called 'shared'"
    with pytest.raises(ConfigError, match=words):
        method.begin_phase(offered(0))


@pytest.mark.parametrize("name", APART)
def test_what_does_not_share_one_adapter_is_refused_before_any_work(name):
    settings = {"components": [EWC_, {"method": name}]}
    words = rf"components has '{name}', which does not learn and answer with one adapter shared"
    with pytest.raises(ConfigError, match=words):
        registry.resolve("stack", settings)


@pytest.mark.parametrize(
    ("components", "words"),
    [
        ([], r"names the methods \[\]; one or more names were needed"),
        ([{"strength": 1.0}], r"names the methods \[None\]; one or more names were needed"),
        ([EWC_, EWC_], r"has \['ewc'\] more than once; take all but one out"),
        ([{"method": "ewc"}], r"methods.stack.ewc lacks \['strength', 'examples', 'normalis"),
        ([{**EWC_, "lambda": 1}], r"methods.stack.ewc has the settings \['lambda'\]; it knows"),
        ([{"method": "ewcc"}], r"no method is called 'ewcc'. Did you mean 'ewc'"),
    ],
)
def test_wrong_components_are_refused_before_any_work(components, words):
    with pytest.raises(ConfigError, match=words):
        registry.resolve("stack", {"components": components})


GPM_ = {"method": "gpm", "variant": "update", "examples": 8, "threshold": 0.9}
DECAY = {"method": "plain_tricks", "decay": 0.1}
A_GEM = {"method": "a_gem", "capacity": 8, "share": 1.0}
FREEZE = {"method": "b_freeze"}


def traced(method, learn, offered, title):
    """Whether something is promised of a number of the second phase, and its largest size."""
    learn(method, [0])
    method.begin_phase(offered(1))
    training = PhaseTraining(method, offered(1), SETTINGS, method.seeds)
    found = []
    while training.step < training.steps:
        training.advance()
        found += [t for t in method.trace(ended=False) if any(title in name for name in t.values)]
    assert found
    rows = [(name, x) for t in found for name, row in t.values.items() for x in row]
    largest = max(abs(x) for name, x in rows if title in name)
    return any(title in name for t in found for name in t.promised), largest


def test_what_a_component_promises_is_measured_on_what_those_behind_it_left(make, learn, offered):
    # a decay behind GPM moves every weight, also along M; before it, GPM takes that out again
    behind = make(Stack, Config(components=(GPM_, DECAY)))
    promised, largest = traced(behind, learn, offered, ALONG)
    assert (promised, largest > 1e-3) == (False, True)
    before = make(Stack, Config(components=(DECAY, GPM_)))
    promised, largest = traced(before, learn, offered, ALONG)
    assert (promised, largest < 1e-5) == (True, True)


def test_an_angle_is_promised_by_the_last_that_edits_the_gradient_alone(make, learn, offered):
    behind = make(Stack, Config(components=(A_GEM, FREEZE)))
    assert traced(behind, learn, offered, AFTER)[0] is False
    last = make(Stack, Config(components=(FREEZE, A_GEM)))
    assert traced(last, learn, offered, AFTER)[0] is True
