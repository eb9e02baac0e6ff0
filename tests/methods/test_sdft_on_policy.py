"""SDFT (2026): the student's own samples, a teacher that has seen the row, and their divergence."""

from __future__ import annotations

from math import log

import pytest

torch = pytest.importorskip("torch")

from classay import registry
from classay.errors import ConfigError
from classay.method import Phase
from classay.methods.naive_lora import NaiveLoRA
from classay.methods.sdft_on_policy import Config, SdftOnPolicy, divergence
from classay.packing import IGNORED

PLAIN = {"divergence": "reverse", "rate": 0.01}


@pytest.fixture
def begun(make, offered):
    """The method at the beginning of its first domain, with an adapter that says something."""

    def made(moved: float = 0.05, **changes) -> SdftOnPolicy:
        method = make(SdftOnPolicy, Config(**PLAIN | changes))
        method.begin_phase(offered(0))
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in method.parameters():
                parameter += moved * torch.randn(parameter.shape, generator=generator)
        return method

    return made


def test_the_divergences_by_hand():
    # the student says ½ and ½, the teacher ¼ and ¾
    student, teacher = torch.tensor([0.0, 0.0]), torch.tensor([0.0, log(3.0)])
    reverse = 0.5 * log(2) + 0.5 * log(2 / 3)
    forward = 0.25 * log(0.5) + 0.75 * log(1.5)
    assert float(divergence(student, teacher, "reverse")) == pytest.approx(reverse)
    assert float(divergence(student, teacher, "forward")) == pytest.approx(forward)
    assert reverse != pytest.approx(forward, rel=0.05)


@pytest.mark.parametrize("kind", ["reverse", "forward"])
def test_a_divergence_is_positive_unless_there_is_none(kind):
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(50, 7, generator=generator) for _ in range(2))
    assert (divergence(student, teacher, kind) > 0).all()
    # logits mean the same when a number is added to all of them
    assert torch.allclose(divergence(student, student + 3, kind), torch.zeros(50), atol=1e-6)
    order = torch.randperm(7, generator=generator)
    moved = divergence(student[:, order], teacher[:, order], kind)
    assert torch.allclose(moved, divergence(student, teacher, kind), atol=1e-6)


@pytest.mark.parametrize("kind", ["reverse", "forward"])
def test_the_gradient_of_a_divergence_by_finite_differences(kind):
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(5, generator=generator) for _ in range(2))
    found = torch.autograd.functional.jacobian(lambda s: divergence(s, teacher, kind), student)
    step = 1e-2
    for place in range(5):
        above, below = student.clone(), student.clone()
        above[place] += step
        below[place] -= step
        slope = (divergence(above, teacher, kind) - divergence(below, teacher, kind)) / (2 * step)
        assert abs(float(found[place])) > 1e-3
        assert float(found[place]) == pytest.approx(float(slope), abs=1e-4)


@pytest.mark.parametrize("kind", ["reverse", "forward"])
def test_the_loss_is_the_formula_s(begun, offered, kind):
    method, batch = begun(divergence=kind), offered(0).batches[0]
    ids = batch["input_ids"]
    said = method._sample(batch, 8)
    assert torch.equal(said[:, :8], ids[:, :8])
    with torch.no_grad():
        ours = method.model(input_ids=said, use_cache=False).logits
        with method.adapters.answering("teacher"):
            theirs = method.model(input_ids=torch.cat([ids, said], 1), use_cache=False).logits
        places = [
            divergence(ours[row, i - 1], theirs[row, 16 + i - 1], kind)
            for row in range(2)
            for i in range(8, 16)
        ]
    terms = method.loss(batch)
    assert list(terms) == ["lm"]
    assert terms["lm"].item() == pytest.approx(torch.stack(places).mean().item(), rel=1e-5)
    assert terms["lm"].item() > 1e-3


def test_paper_and_code_differ(begun, offered, make, learn, bytes_of):
    batch = offered(0).batches[0]
    kinds = ("reverse", "forward")
    pair = [begun(divergence=kind).loss(batch)["lm"].item() for kind in kinds]
    assert abs(pair[0] - pair[1]) > 1e-4
    trained = [make(SdftOnPolicy, Config(**PLAIN | {"divergence": kind})) for kind in kinds]
    for method in trained:
        learn(method, [0])
    assert bytes_of(trained[0]) != bytes_of(trained[1])


def test_the_samples_are_the_student_s(begun, offered):
    batch = offered(0).batches[0]
    near, far = begun(moved=0.0), begun(moved=1.0)
    # one step of one seed: what differs is the student
    assert not torch.equal(near._sample(batch, 8), far._sample(batch, 8))
    # the later part of the row is not in its view
    other = {key: table.clone() for key, table in batch.items()}
    other["input_ids"][:, 8:] = 7
    assert torch.equal(near._sample(batch, 8), near._sample(other, 8))


def test_the_teacher_has_the_later_part_in_view(begun, offered):
    method, batch = begun(), offered(0).batches[0]
    said = method._sample(batch, 8)
    other = {key: table.clone() for key, table in batch.items()}
    other["input_ids"][:, 8:] = 7
    first, second = (method._taught(b, said, 8) for b in (batch, other))
    assert first.shape == (2, 8, 320)
    assert not torch.allclose(first, second, atol=1e-2)
    assert not first.requires_grad


def test_every_step_is_sampled_anew(begun, offered):
    method, batch = begun(), offered(0).batches[0]
    first = method._sample(batch, 8)
    assert torch.equal(first, method._sample(batch, 8))
    method.after_step()
    assert not torch.equal(first, method._sample(batch, 8))


@pytest.mark.parametrize("rate", [0.0, 0.01, 1.0])
def test_the_teacher_is_a_moving_average(begun, rate):
    method = begun(rate=rate)
    teacher = method.adapters.copies(["teacher"])["teacher"]
    student = method.adapters.copies(["shared"])["shared"]
    method.after_step()
    for key, now in method.adapters.tensors("teacher").items():
        assert torch.allclose(now, (1 - rate) * teacher[key] + rate * student[key], atol=1e-7)
    assert (method.adapters.moved({"teacher": teacher}) > 0) == (rate > 0)
    assert method.adapters.moved({"shared": student}) == 0


def test_a_domain_begins_with_the_teacher_as_the_student(make, learn, offered):
    method = make(SdftOnPolicy, Config(**PLAIN))
    learn(method, [0])
    assert method.adapters.moved({"teacher": method.adapters.tensors("shared")}) > 1e-3
    method.begin_phase(offered(1))
    assert method.adapters.moved({"teacher": method.adapters.tensors("shared")}) == 0


def test_the_teacher_does_not_learn_and_does_not_answer(make, learn, offered):
    method = make(SdftOnPolicy, Config(**PLAIN))
    learn(method, [0])
    assert method.adapters.active == "shared"
    method.loss(offered(1).batches[0])["lm"].backward()
    learning = {id(p) for p in method.parameters()}
    assert all(p.requires_grad for p in method.parameters())
    for _, parameter in method.adapters.named("teacher"):
        assert id(parameter) not in learning
        assert parameter.grad is None


def test_a_teacher_s_pass_leaves_the_model_as_it_was(begun, offered):
    method = begun()
    for training in (True, False):
        method.model.train(training)
        state = torch.get_rng_state()
        method.loss(offered(0).batches[0])
        assert method.model.training is training
        assert torch.equal(torch.get_rng_state(), state)  # no dropout here: nothing global drawn


def test_completions_alone_count(begun, offered):
    method = begun()
    batch = {key: table.clone() for key, table in offered(0).batches[0].items()}
    batch["labels"][:, 8:12] = IGNORED
    said = method._sample(batch, 8)
    assert torch.equal(said[:, :12], batch["input_ids"][:, :12])
    assert method.loss(batch)["lm"].item() > 0
    batch["labels"][:, 8:] = IGNORED
    assert method.loss(batch)["lm"].item() == 0.0


@pytest.mark.parametrize("kind", ["reverse", "forward"])
def test_it_learns_what_a_teacher_that_stands_still_sees(make, learn, offered, kind):
    method = make(SdftOnPolicy, Config(divergence=kind, rate=0.0))
    method.begin_phase(offered(0))
    batches = offered(0).batches
    samples = [method._sample(batch, 8) for batch in batches]

    def apart() -> float:
        with torch.no_grad():
            found = [
                divergence(
                    method.model(input_ids=said, use_cache=False).logits[:, 7:-1],
                    method._taught(batch, said, 8),
                    kind,
                ).mean()
                for batch, said in zip(batches, samples, strict=True)
            ]
        return torch.stack(found).mean().item()

    before = apart()
    rows = learn(method, [0])
    assert apart() < 0.95 * before
    assert all(set(row.terms) == {"lm"} and row.gradient_norm > 0 for row in rows)
    assert [row.tokens for row in rows] == [32] * 4


def test_it_is_not_naive(make, learn, bytes_of):
    method, naive = make(SdftOnPolicy, Config(**PLAIN)), make(NaiveLoRA)
    assert [r.batch for r in learn(method, [0])] == [r.batch for r in learn(naive, [0])]
    mine = {k: v for k, v in bytes_of(method).items() if k.startswith("shared/")}
    assert mine.keys() == bytes_of(naive).keys()
    assert mine != bytes_of(naive)


def test_the_teacher_is_charged(make, learn):
    method = make(SdftOnPolicy, Config(**PLAIN))
    assert learn(method, [0])
    cost = method.cost()
    # as many numbers as the student has, 4 bytes each, and no example
    assert cost == (cost.trainable, 4 * cost.trainable, 0)


def test_a_row_that_does_not_fit_twice_is_refused(make):
    ids = torch.zeros(1, 40, dtype=torch.int64)
    phase = Phase(0, "river", ({"input_ids": ids, "labels": ids},))
    method = make(SdftOnPolicy, Config(**PLAIN))
    with pytest.raises(ConfigError, match=r"(?s)reads up to 64 tokens.*takes 80.*stream.block"):
        method.begin_phase(phase)


def test_a_row_without_a_beginning_is_refused(make, offered):
    method = make(SdftOnPolicy, Config(**PLAIN | {"sampled": 0.99}))
    with pytest.raises(ConfigError, match=r"(?s)sampled = 0.99 leaves no first token.*Lower"):
        method.begin_phase(offered(0))


def test_divergence_and_rate_have_no_default():
    owed = r"lacks \['divergence', 'rate'\], which have no default"
    with pytest.raises(ConfigError, match=owed):
        registry.resolve("sdft_on_policy", {})


@pytest.mark.parametrize(
    "wrong", [{"divergence": "both"}, {"rate": -0.1}, {"rate": 1.5}, {"sampled": 0.0}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"methods.sdft_on_policy.*{next(iter(wrong))}"):
        registry.resolve("sdft_on_policy", PLAIN | wrong)
