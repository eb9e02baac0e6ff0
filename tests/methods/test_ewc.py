"""EWC: the Fisher is a mean of squares, the penalty is the formula's, and without λ it is naive."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from classay import registry
from classay.errors import ConfigError
from classay.method import Phase
from classay.methods.ewc import EWC, Config
from classay.methods.naive_lora import NaiveLoRA
from classay.packing import IGNORED
from classay.seeding import Seeds


class Slope(torch.nn.Module):
    """loss = w · labels of a row, so the gradient is the row's labels."""

    def __init__(self, *w: float) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor(w))
        self.seen: list[list[list[float]]] = []

    def forward(self, input_ids, labels, use_cache):
        self.seen.append(labels.tolist())
        return SimpleNamespace(loss=(self.w * labels).sum(dim=1).mean())


def ewc(model: Slope, **changes) -> EWC:
    plain = {"strength": 10.0, "examples": 2, "normalisation": "none"}
    own = {"names": [], "active": None, "beside": (), "parameters": lambda: iter([model.w])}
    adapters = SimpleNamespace(model=model, **own)
    return EWC(adapters, Config(**plain | changes), Seeds(0))


def phase(*rows: tuple[float, ...], index: int = 0) -> Phase:
    labels = torch.tensor(rows)
    return Phase(index, "river", ({"input_ids": torch.zeros_like(labels), "labels": labels},))


def fisher(method: EWC, *rows: tuple[float, ...]) -> list[float]:
    return method._fisher(phase(*rows)).tolist()


def test_two_opposite_gradients_give_one():
    # their mean is 0, and so is its square; the mean of their squares is 1
    assert fisher(ewc(Slope(0.0, 0.0)), (1.0, -1.0), (-1.0, 1.0)) == [1.0, 1.0]


def test_batched_two_opposite_gradients_of_one_batch_give_none():
    # the square of their mean: what most code computes
    method = ewc(Slope(0.0, 0.0), fisher="batched")
    assert fisher(method, (1.0, -1.0), (-1.0, 1.0)) == [0.0, 0.0]


def test_the_fisher_by_hand():
    # (1² + 3²) / 2 and (2² + 0²) / 2
    assert fisher(ewc(Slope(0.5, 0.5)), (1.0, 2.0), (3.0, 0.0)) == [5.0, 2.0]


@pytest.mark.parametrize(
    ("normalisation", "expected"), [("max", [1.0, 0.25]), ("mean", [1.6, 0.4])]
)
def test_the_normalisations_by_hand(normalisation, expected):
    method = ewc(Slope(0.0, 0.0), normalisation=normalisation)
    assert fisher(method, (2.0, 1.0), (2.0, 1.0)) == pytest.approx(expected)


@pytest.mark.parametrize("normalisation", ["none", "max", "mean"])
def test_a_fisher_of_zeros_stays_one(normalisation):
    method = ewc(Slope(0.0, 0.0), normalisation=normalisation)
    assert fisher(method, (0.0, 0.0), (0.0, 0.0)) == [0.0, 0.0]


def test_the_penalty_by_hand():
    # λ/2 = 5; domain 1: F = 2, θ* = 1; domain 2: F = 1, θ* = 3; at θ = 2: 5 · (2·1² + 1·1²) = 15
    model = Slope(2.0)
    method = ewc(model)
    method._past = (torch.tensor([[2.0], [1.0]]), torch.tensor([[1.0], [3.0]]))
    terms = method.loss(phase((7.0,)).batches[0])
    assert {name: term.item() for name, term in terms.items()} == {"lm": 14.0, "ewc": 15.0}
    # λ · (2·1 − 1·1) = 10
    assert torch.autograd.grad(terms["ewc"], model.w)[0].item() == pytest.approx(10.0)


def test_every_learned_domain_has_a_quadratic_of_its_own():
    model = Slope(2.0, 0.0)
    method = ewc(model, examples=1)
    for index, (row, left_at) in enumerate((((1.0, 1.0), 5.0), ((3.0, 3.0), 7.0))):
        with torch.no_grad():
            model.w.fill_(left_at)
        method.end_phase(phase(row, index=index))
    assert method.state().tensors["memory/fisher"].tolist() == [[1.0, 1.0], [9.0, 9.0]]
    assert method.state().tensors["memory/anchor"].tolist() == [[5.0, 5.0], [7.0, 7.0]]


def test_online_keeps_one_running_fisher_and_the_last_anchor():
    model = Slope(2.0, 0.0)
    method = ewc(model, examples=1, form="online", decay=0.5)
    for index, (row, left_at) in enumerate((((1.0, 1.0), 5.0), ((3.0, 3.0), 7.0))):
        with torch.no_grad():
            model.w.fill_(left_at)
        method.end_phase(phase(row, index=index))
    # ½ · 1² + 3²
    assert method.state().tensors["memory/fisher"].tolist() == [[9.5, 9.5]]
    assert method.state().tensors["memory/anchor"].tolist() == [[7.0, 7.0]]


def test_online_is_separate_while_one_domain_is_learned_and_another_thing_after(
    make, learn, bytes_of
):
    plain = {"strength": 1e4, "examples": 8, "normalisation": "max"}
    online = make(EWC, Config(**plain, form="online", decay=1.0))
    separate = make(EWC, Config(**plain))
    same = []
    for index in range(3):
        learn(online, [index])
        learn(separate, [index])
        same.append(bytes_of(online) == bytes_of(separate))
    assert same == [True, True, False]


def test_what_online_keeps_does_not_grow(make, learn):
    settings = {"strength": 1.0, "examples": 1, "normalisation": "none"}
    method = make(EWC, Config(**settings, form="online", decay=0.9))
    for index in range(3):
        learn(method, [index])
        cost = method.cost()
        assert cost == (cost.trainable, 2 * 4 * cost.trainable, 0)


def test_a_decay_belongs_to_online_alone():
    plain = {"strength": 1.0, "examples": 2, "normalisation": "none"}
    with pytest.raises(ConfigError, match=r"form 'online' with decay None; 'online' needs a numb"):
        registry.resolve("ewc", plain | {"form": "online"})
    with pytest.raises(ConfigError, match=r"form 'separate' with decay 0.5; .* take it out"):
        registry.resolve("ewc", plain | {"decay": 0.5})


def test_batched_takes_as_many_rows_as_a_training_batch_has():
    model = Slope(0.0)
    method = ewc(model, examples=4, fisher="batched")
    rows = torch.arange(1.0, 7.0).reshape(3, 2, 1)
    batches = tuple({"input_ids": torch.zeros_like(r), "labels": r} for r in rows)
    method._fisher(
        Phase(0, "river", tuple(b | {"labels": b["labels"].repeat(1, 2)} for b in batches))
    )
    assert [len(batch) for batch in model.seen] == [2, 2]


@pytest.mark.parametrize("examples", [1, 2, 3])
def test_as_many_rows_are_read_as_were_asked_for_one_at_a_time(examples):
    model = Slope(0.0, 0.0)
    rows = ((1.0, 1.0), (2.0, 2.0), (3.0, 3.0))
    fisher(ewc(model, examples=examples), *rows)
    assert len(model.seen) == examples
    assert all(len(batch) == 1 for batch in model.seen)
    # without replacement
    assert len({tuple(batch[0]) for batch in model.seen}) == examples


def test_a_row_without_a_label_is_no_example():
    model = Slope(0.0, 0.0)
    fisher(ewc(model, examples=1), (5.0, float(IGNORED)), (1.0, 2.0))
    assert model.seen == [[[1.0, 2.0]]]


def test_without_strength_it_is_naive_to_the_byte(make, learn, bytes_of):
    method = make(EWC, Config(strength=0.0, examples=8, normalisation="max"))
    naive = make(NaiveLoRA)
    learn(method)
    learn(naive)
    assert bytes_of(method) == bytes_of(naive)


def test_with_strength_it_stays_nearer_to_where_it_was(make, learn):
    moved = []
    for strength in (0.0, 1e4):
        method = make(EWC, Config(strength=strength, examples=8, normalisation="max"))
        learn(method, [0, 1])
        fisher, anchor = (tensor[0] for tensor in method._past)
        moved.append(float((fisher * (method._past[1][1] - anchor) ** 2).sum()))
    assert moved[1] < moved[0] / 2


def test_the_term_begins_with_the_second_phase_and_is_felt_after_its_first_step(make, learn):
    rows = learn(make(EWC, Config(strength=1e3, examples=8, normalisation="max")))
    assert all(set(row.terms) == {"lm"} for row in rows if row.phase == 0)
    for row in rows[4:]:
        assert row.terms["ewc"] >= 0
        # at the first step of the second phase it stands where the only quadratic has its bottom
        assert (row.terms["ewc"] > 0) == ((row.phase, row.step) != (1, 0))
    felt = [row.term_gradient_norms for row in rows[4:] if row.step == 1]
    assert all(norms["ewc"] / norms["lm"] > 1e-3 for norms in felt)


def test_the_estimate_leaves_gradients_and_generators_alone(make, learn, offered):
    method = make(EWC, Config(strength=1.0, examples=8, normalisation="none"))
    learn(method, [0])
    before = [p.grad.clone() for p in method.parameters()]
    state = torch.get_rng_state()
    method.end_phase(offered(0))
    assert all(torch.equal(p.grad, old) for p, old in zip(method.parameters(), before, strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_what_it_keeps_is_charged(make, learn):
    method = make(EWC, Config(strength=1.0, examples=1, normalisation="none"))
    assert learn(method, [0, 1])
    cost = method.cost()
    # 2 domains, a Fisher and an anchor each, 4 bytes a number, and no example
    assert cost == (cost.trainable, 2 * 2 * 4 * cost.trainable, 0)


def test_more_examples_than_are_offered_are_refused_before_the_phase(make, offered):
    method = make(EWC, Config(strength=1.0, examples=9, normalisation="none"))
    with pytest.raises(ConfigError, match=r"(?s)'river' is offered 8 rows.*asks for 9.*Lower exam"):
        method.begin_phase(offered(0))


def test_strength_examples_and_normalisation_have_no_default():
    owed = r"lacks \['strength', 'examples', 'normalisation'\], which have no default"
    with pytest.raises(ConfigError, match=owed):
        registry.resolve("ewc", {})


@pytest.mark.parametrize(
    "wrong", [{"strength": -1.0}, {"examples": 0}, {"normalisation": "sum"}, {"fisher": "mean"}]
)
def test_settings_out_of_range_are_refused(wrong):
    plain = {"strength": 1.0, "examples": 2, "normalisation": "none"}
    with pytest.raises(ConfigError, match=f"methods.ewc has settings.*{next(iter(wrong))}"):
        registry.resolve("ewc", plain | wrong)
