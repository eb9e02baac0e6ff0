"""GPM: nothing moves along what earlier domains sent through a weight, AdamW or not."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from classay import registry
from classay.errors import ConfigError
from classay.method import Phase, State
from classay.methods import gpm
from classay.methods._subspaces import columns, projector
from classay.methods.gpm import GPM, Config
from classay.methods.naive_lora import NaiveLoRA
from classay.suite import Training
from classay.trainer import PhaseTraining

UPDATE = Config(variant="update", threshold=0.9, examples=8)
GRADIENT = Config(variant="gradient", threshold=0.9, examples=8)
variants = pytest.mark.parametrize("config", [UPDATE, GRADIENT], ids=["update", "gradient"])
PLAIN = {"tokens_per_domain": 128, "batch": 2, "learning_rate": 0.02, "warmup_steps": 1}
DECAY = Training(**PLAIN, weight_decay=2.0)


class Written:
    """An adapter of one weight that is written down."""

    model, names, active, beside = None, (), "shared", ()

    def __init__(self, *rows: tuple[float, ...]) -> None:
        self.weight = torch.nn.Parameter(torch.tensor(rows))

    def named(self, name):
        return iter([("layer.lora_A.weight", self.weight)])

    def tensors(self, name):
        return {key: weight.detach() for key, weight in self.named(name)}


def written(variant: str, m: list[list[float]], *rows: tuple[float, ...]) -> GPM:
    method = GPM(Written(*rows), Config(variant=variant, threshold=1.0, examples=1), None)
    shape = "x".join(map(str, method.adapters.weight.shape))
    method._bases = {shape: torch.tensor([m])}
    return method


def test_a_gradient_by_hand():
    # M is the first input: what a gradient has in its first column goes
    method = written("gradient", [[1.0], [0.0]], (0.0, 0.0), (0.0, 0.0))
    method.adapters.weight.grad = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    method.edit_gradients()
    assert method.adapters.weight.grad.tolist() == [[0.0, 2.0], [0.0, 4.0]]


def test_an_update_by_hand():
    # M = (3, 4) / 5: of the row (5, 0) the part along M is 3 · M = (1.8, 2.4)
    method = written("update", [[0.6], [0.8]], (1.0, 1.0), (2.0, 2.0))
    method.adapters.weight.grad = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    method.edit_gradients()
    assert method.adapters.weight.grad.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    with torch.no_grad():
        method.adapters.weight += torch.tensor([[5.0, 0.0], [0.0, 0.0]])
    method.after_step()
    found = method.adapters.weight.flatten().tolist()
    assert found == pytest.approx([1 + 3.2, 1 - 2.4, 2.0, 2.0])


@pytest.mark.parametrize("variant", ["gradient", "update"])
def test_a_weight_that_is_not_square_is_projected_on_the_side_of_its_inputs(variant):
    # 3 inputs, 2 outputs; M is the last input
    method = written(variant, [[0.0], [0.0], [1.0]], (0.0,) * 3, (0.0,) * 3)
    step = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    method.adapters.weight.grad = step.clone()
    method.edit_gradients()
    with torch.no_grad():
        method.adapters.weight += step if variant == "update" else method.adapters.weight.grad
    method.after_step()
    assert method.adapters.weight.tolist() == [[1.0, 2.0, 0.0], [4.0, 5.0, 0.0]]


@pytest.mark.parametrize("variant", ["gradient", "update"])
def test_where_m_spans_everything_nothing_is_left_not_even_rounding(variant):
    turned = [[0.6, -0.8], [0.8, 0.6]]  # in float32 neither is its Mᵀ M quite the identity
    method = written(variant, turned, (0.1, 0.7), (0.3, 0.9))
    before = method.adapters.weight.detach().clone()
    method.adapters.weight.grad = torch.tensor([[0.1, 0.2], [0.3, 0.7]])
    method.edit_gradients()
    if variant == "gradient":
        assert not method.adapters.weight.grad.any()
    else:
        with torch.no_grad():
            method.adapters.weight += 0.1
        method.after_step()
        assert torch.equal(method.adapters.weight, before)


def train(method, phase, settings=None) -> dict[str, torch.Tensor]:
    """Learn a phase; how far it moved every weight."""
    method.begin_phase(phase)
    before = {k: t.clone() for k, t in method.adapters.tensors("shared").items()}
    training = PhaseTraining(method, phase, settings or Training(**PLAIN), method.seeds)
    while training.step < training.steps:
        training.advance()
    method.model.eval()
    moved = {k: t - before[k] for k, t in method.adapters.tensors("shared").items()}
    bases = dict(method._bases)
    method.end_phase(phase)
    method.before = bases
    return moved


def along(method, moved) -> tuple[float, float]:
    """The largest part of a whole phase's moves along its bases, and across them."""
    inside, across = [], []
    for shape, keys in gpm.inputs.by_shape(moved).items():
        if shape in method.before:
            whole = torch.stack([moved[key] for key in keys])
            part = whole.double() @ projector(method.before[shape])
            inside.append(float(part.abs().max()))
            across.append(float((whole - part).abs().max()))
    return max(inside), max(across)


@pytest.mark.parametrize("settings", [Training(**PLAIN), DECAY], ids=["plain", "weight decay"])
def test_a_phase_moves_nothing_along_m_and_something_across(make, offered, settings):
    method = make(GPM, UPDATE)
    train(method, offered(0), settings)
    for index in (1, 2):
        inside, across = along(method, train(method, offered(index), settings))
        assert inside < 1e-5
        assert across > 1e-2


def test_a_projected_gradient_is_no_projected_update(make, offered):
    method = make(GPM, GRADIENT)
    train(method, offered(0))
    method.begin_phase(offered(1))
    training = PhaseTraining(method, offered(1), Training(**PLAIN), method.seeds)
    training.advance()
    for shape, _, weights, m in method._groups():
        g = torch.stack([weight.grad for weight in weights])
        assert float((g @ m).abs().max()) < 1e-5, shape
    # AdamW's first step is nearly the sign of the gradient, of size lr = 0.01 at this step
    moved = [method._moved(shape, weights, m) for shape, _, weights, m in method._groups()]
    assert max(float(part.max()) for part in moved) > 1e-3


def test_without_a_projection_the_same_phase_moves_along_m(make, offered):
    # the bases are those of GPM; the phase is trained naively
    method = make(GPM, UPDATE)
    train(method, offered(0))
    bases, method._bases = method._bases, {}
    moved = train(method, offered(1))
    method.before = bases
    assert along(method, moved)[0] > 1e-2


def test_an_adapter_answers_for_the_kept_inputs_as_before(make):
    """Rows of three tokens: the first layer's inputs have rank 3, and all of it is kept."""
    few = torch.tensor([[5, 6, 7] * 5 + [5]] * 8).reshape(4, 2, 16)
    many = torch.arange(2, 130).reshape(4, 2, 16)
    first, second = (
        Phase(i, domain, tuple({"input_ids": b, "labels": b} for b in ids))
        for i, (domain, ids) in enumerate((("river", few), ("oven", many)))
    )
    key = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    changed = []
    for threshold in (1.0, 0.0):
        method = make(GPM, Config(variant="update", threshold=threshold, examples=8))
        train(method, first)
        base = method.model.model
        x = base.layers[0].input_layernorm(base.embed_tokens(few[0])).detach()
        a = method.adapters.tensors("shared")[key]
        before = x @ a.T
        assert float(train(method, second)[key].abs().max()) > 1e-2
        changed.append(float((x @ a.T - before).abs().max()))
    assert changed[0] < 1e-5 < 1e-2 < changed[1]


def test_a_full_basis_lets_nothing_move(make, offered):
    # all of the rank-2 space that lora_B reads is kept, and of 16 inputs all too
    method = make(GPM, Config(variant="update", threshold=1.0, examples=8))
    train(method, offered(0))
    moved = train(method, offered(1), DECAY)
    assert all(not tensor.any() for key, tensor in moved.items() if "lora_B" in key)


@pytest.mark.parametrize("variant", ["gradient", "update"])
def test_with_a_threshold_of_zero_it_is_naive_to_the_byte(make, learn, bytes_of, variant):
    method = make(GPM, Config(variant=variant, threshold=0.0, examples=8))
    naive = make(NaiveLoRA)
    learn(method)
    learn(naive)
    assert bytes_of(method) == bytes_of(naive)
    assert method.cost() == naive.cost()
    assert gpm.OFF.threshold == 0.0
    other = make(GPM, Config(variant=variant, threshold=0.9, examples=8))
    learn(other)
    assert bytes_of(other) != bytes_of(naive)


def test_the_first_phase_is_naive_and_shows_nothing(make, learn, bytes_of):
    method, naive = make(GPM, UPDATE), make(NaiveLoRA)
    learn(method, [0])
    learn(naive, [0])
    assert bytes_of(method) == bytes_of(naive)


def held(method) -> dict[str, torch.Tensor]:
    return {shape: columns(m) for shape, m in method._bases.items()}


def test_bases_grow_and_keep_what_they_had(make, offered):
    method = make(GPM, Config(variant="update", threshold=0.6, examples=8))
    train(method, offered(0))
    first, counts = {s: projector(m) for s, m in method._bases.items()}, held(method)
    train(method, offered(1))
    grown = held(method)
    assert all((grown[shape] >= counts[shape]).all() for shape in counts)
    assert any((grown[shape] > counts[shape]).any() for shape in counts)
    for shape, old in first.items():
        assert float((projector(method._bases[shape]) @ old - old).abs().max()) < 1e-6


def test_the_criterion_holds_with_what_was_kept_before_and_with_one_column_less_it_does_not(
    make, offered
):
    method = make(GPM, Config(variant="update", threshold=0.6, examples=8))
    added = 0
    for index in (0, 1):
        old = {shape: m.double() for shape, m in method._bases.items()}
        train(method, offered(index))
        moments = gpm.inputs.second_moments(method.adapters, offered(index), 8, method.seeds)
        for shape, keys, _, m in method._groups():
            for i, key in enumerate(keys):
                g, kept = moments[key], m[i].double()
                before = old[shape][i] if shape in old else torch.zeros_like(kept[:, :1])
                outside = torch.eye(len(g)).double() - before @ before.T
                left = torch.linalg.eigvalsh(outside @ g @ outside).flip(0)
                k = int(columns(m)[i]) - int(before.any(dim=0).sum())
                held = [float((before.T @ g @ before).trace() + left[:n].sum()) for n in (k - 1, k)]
                assert held[1] >= 0.6 * float(g.trace()) - 1e-6
                assert float((kept.T @ g @ kept).trace()) == pytest.approx(held[1], rel=1e-5)
                assert k == 0 or held[0] < 0.6 * float(g.trace())
                added += index * k
    assert added > 0


def test_a_rising_threshold_keeps_more_from_the_second_domain_on_and_stops_at_one(make, offered):
    counts = []
    for rise in (0.0, 0.3, 9.0):
        method = make(GPM, Config(variant="update", threshold=0.5, examples=8, rise=rise))
        kept = []
        for index in (0, 1):
            train(method, offered(index))
            kept.append(sum(int(count.sum()) for count in held(method).values()))
        counts.append(kept)
    assert counts[0][0] == counts[1][0] == counts[2][0]
    assert counts[0][1] < counts[1][1] < counts[2][1]


@variants
def test_the_trace_shows_how_full_it_is_and_promises_what_the_variant_keeps(make, offered, config):
    method = make(GPM, config)
    assert method.trace(ended=False) is None
    train(method, offered(0))
    ended = method.trace(ended=True)
    assert ended.layers[0] == "model.layers.0.self_attn.q_proj"
    assert len(ended.layers) == 14
    assert set(ended.promised) == {"lora_A: MᵀM, max |Δ| from I", "lora_B: MᵀM, max |Δ| from I"}
    assert all(max(ended.values[name]) <= 1e-5 for name in ended.promised)
    share = dict(zip(ended.layers, ended.values["lora_B: rank of M / inputs"], strict=True))
    key = "base_model.model.model.layers.1.mlp.down_proj.lora_B.weight"
    (found,) = (columns(m)[keys.index(key)] for _, keys, _, m in method._groups() if key in keys)
    assert share["model.layers.1.mlp.down_proj"] == pytest.approx(int(found) / 2)

    method.begin_phase(offered(1))
    PhaseTraining(method, offered(1), Training(**PLAIN), method.seeds).advance()
    step = method.trace(ended=False)
    names = {f"lora_{part}: step along M, max |ΔW M|" for part in "AB"}
    assert names <= set(step.values)
    assert set(step.promised) == (names if config is UPDATE else set())
    assert (max(step.values["lora_A: step along M, max |ΔW M|"]) < 1e-5) == (config is UPDATE)


def test_a_basis_that_is_not_orthonormal_is_seen(make, offered):
    method = make(GPM, UPDATE)
    train(method, offered(0))
    next(iter(method._bases.values()))[0, 0, 0] += 0.5
    assert max(method.trace(ended=True).values["lora_A: MᵀM, max |Δ| from I"]) > 0.1


@variants
def test_what_was_restored_in_the_middle_of_a_phase_goes_on_with_the_same_bits(
    make, offered, config
):
    def weights(method):
        return {k: t.clone() for k, t in method.state().tensors.items()}

    straight, killed = make(GPM, config, dropout=0.1), make(GPM, config, dropout=0.1)
    for index in (0, 1, 2):
        train(straight, offered(index), DECAY)
    train(killed, offered(0), DECAY)
    killed.begin_phase(offered(1))
    training = PhaseTraining(killed, offered(1), DECAY, killed.seeds)
    training.advance()
    saved = {**weights(killed), **{k: t.clone() for k, t in training.state().items()}}
    resumed = make(GPM, config, dropout=0.1)
    resumed.restore(State(saved, killed.state().about))
    training = PhaseTraining(resumed, offered(1), DECAY, resumed.seeds)
    training.restore(saved, 1)
    while training.step < training.steps:
        training.advance()
    resumed.model.eval()
    resumed.end_phase(offered(1))
    train(resumed, offered(2), DECAY)
    first, second = weights(straight), weights(resumed)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(key.startswith("memory/basis/") for key in first)


def test_bases_are_charged_in_bytes(make, offered):
    method = make(GPM, UPDATE)
    train(method, offered(0))
    kept = sum(4 * m.numel() for m in method._bases.values())
    assert method.cost().stored_bytes == kept > 0
    assert method.cost().stored_examples == 0


def test_a_domain_with_too_few_rows_is_refused_before_it_is_trained(make, offered):
    method = make(GPM, Config(variant="update", threshold=0.9, examples=9))
    with pytest.raises(ConfigError, match=r"offered 8 rows, and methods.gpm.examples asks for 9"):
        method.begin_phase(offered(0))
    assert method.adapters.names == []


def test_what_must_be_tuned_has_no_default():
    with pytest.raises(ConfigError, match=r"lacks \['threshold', 'examples', 'variant'\]"):
        registry.resolve("gpm", {})


@pytest.mark.parametrize(
    "wrong", [{"threshold": 1.1}, {"threshold": -0.1}, {"examples": 0}, {"rise": -0.1}]
)
def test_settings_out_of_range_are_refused(wrong):
    known = {"variant": "update", "threshold": 0.9, "examples": 8}
    with pytest.raises(ConfigError, match=f"methods.gpm has settings.*{next(iter(wrong))}"):
        registry.resolve("gpm", known | wrong)
