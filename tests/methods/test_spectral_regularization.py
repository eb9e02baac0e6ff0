"""Spectral regularisation: norms are those of a decomposition, and go where they are pulled."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode

from classay import registry
from classay.adapters import Adapters
from classay.errors import ConfigError
from classay.method import Method, State
from classay.methods.naive_lora import NaiveLoRA
from classay.methods.spectral_regularization import (
    Config,
    Leading,
    SpectralRegularization,
    term,
)
from classay.seeding import Seeds
from classay.suite import AdapterSpec

FACTORS = Config(variant="factors", strength=0.02)
EFFECTIVE = Config(variant="effective", strength=2.0)
variants = pytest.mark.parametrize("config", [FACTORS, EFFECTIVE], ids=["factors", "effective"])


def test_the_term_of_one_matrix_and_its_bias_by_hand():
    # (3² − 1)² + (√5²)² = 64 + 25
    found = term(torch.diag(torch.tensor([3.0, 1.0])), torch.tensor([1.0, 2.0]), 2.0)
    assert found.item() == pytest.approx(89.0, rel=1e-6)


def test_the_exponent_by_hand():
    # (2³ − 1)² + (1³)² = 49 + 1
    found = term(torch.diag(torch.tensor([2.0, 1.0])), torch.tensor([1.0, 0.0]), 3.0)
    assert found.item() == pytest.approx(50.0, rel=1e-6)


def test_a_norm_of_one_costs_nothing_and_is_pulled_nowhere():
    weight = torch.tensor([[0.6, 0.0], [0.8, 0.0]], dtype=torch.float64, requires_grad=True)
    found = term(weight, None, 2.0)
    assert found.item() == pytest.approx(0.0, abs=1e-15)
    assert torch.autograd.grad(found, weight)[0].abs().max() < 1e-15


@pytest.mark.parametrize("exponent", [2.0, 3.0])
def test_a_matrix_of_zeros_costs_one_and_has_a_gradient_of_zeros(exponent):
    # every fresh B: (0 − 1)², and σ₁ has no derivative there
    weight = torch.zeros(5, 2, requires_grad=True)
    found = term(weight, None, exponent)
    assert found.item() == 1.0
    assert torch.equal(torch.autograd.grad(found, weight)[0], torch.zeros(5, 2))


@pytest.mark.parametrize("shape", [(2, 7), (7, 2), (3, 3), (4, 2, 5)])
def test_the_norm_is_that_of_a_singular_value_decomposition(shape):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = (torch.linalg.svdvals(weight)[..., 0] ** 2 - 1) ** 2
    torch.testing.assert_close(term(weight, None, 2.0), expected)


@pytest.mark.parametrize("exponent", [2.0, 2.5])
def test_the_gradient_is_that_of_finite_differences(exponent):
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(2, 3, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w, b: term(w, b, exponent), (weight, bias))


def decomposed(method: SpectralRegularization) -> float:
    """The sum of the terms, module by module, by decompositions in float64."""
    tensors = {k: t.double() for k, t in method.adapters.tensors("shared").items()}
    total = 0.0
    for key, down in tensors.items():
        if "lora_A" not in key:
            continue
        up = tensors[key.replace("lora_A", "lora_B")]
        if method.config.variant == "factors":
            norms = [float(torch.linalg.matrix_norm(m, 2)) for m in (down, up)]
        else:
            name = key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
            base = method.model.get_submodule(name).base_layer.weight.double()
            whole = torch.linalg.matrix_norm(base + 4 / 2 * up @ down, 2)
            norms = [float(whole / torch.linalg.matrix_norm(base, 2))]
        total += sum((norm**method.config.exponent - 1) ** 2 for norm in norms)
    return total


@variants
def test_on_a_model_it_is_the_sum_over_its_matrices(make, learn, offered, config):
    method = make(SpectralRegularization, config)
    learn(method)
    found = method.loss(offered(2).batches[0])["spectral"].item()
    # one power iteration a step lags behind a matrix that moves
    rel = 1e-5 if config is FACTORS else 0.1
    assert found == pytest.approx(config.strength * decomposed(method), rel=rel)


def test_the_power_iteration_on_the_base_comes_to_its_end(make, offered):
    method = make(SpectralRegularization, EFFECTIVE)
    method.begin_phase(offered(0))
    pairs = list(zip(method._modules().values(), method._leading, strict=True))
    found = torch.cat([leading.norm for _, leading in pairs])
    weights = [module.base_layer.weight for modules, _ in pairs for module in modules]
    expected = torch.stack([torch.linalg.matrix_norm(weight, 2) for weight in weights])
    # from below, and slowly where the second singular value is close to the first
    assert (found <= expected * (1 + 1e-6)).all()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=0.0)
    assert len(found) == 14  # 2 layers of 7 matrices


def test_the_effective_gradient_is_that_of_the_norm_itself(make, learn, offered):
    method = make(SpectralRegularization, EFFECTIVE)
    learn(method, [0])
    method._leading = tuple(
        Leading(*method._iterated(modules, pairs.right, 5000), pairs.norm)
        for modules, pairs in zip(method._modules().values(), method._leading, strict=True)
    )
    parameters = list(method.parameters())
    found = torch.autograd.grad(torch.stack(method._effective()).sum(), parameters)
    total = torch.zeros(())
    for modules, pairs in zip(method._modules().values(), method._leading, strict=True):
        for module, norm in zip(modules, pairs.norm, strict=True):
            down, up = method._pair(module)
            whole = torch.linalg.matrix_norm(module.base_layer.weight + up @ down, 2)
            total = total + ((whole / norm) ** 2 - 1) ** 2
    expected = torch.autograd.grad(total, parameters)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-2, atol=1e-4)
    assert max(float(gradient.abs().max()) for gradient in expected) > 0.03


def test_the_effective_term_is_zero_where_the_adapter_adds_nothing(make, offered):
    method = make(SpectralRegularization, EFFECTIVE)
    method.begin_phase(offered(0))
    found = method.loss(offered(0).batches[0])["spectral"]
    assert found.item() == pytest.approx(0.0, abs=1e-9)


def test_factors_draw_a_b_of_zeros_to_norm_one_and_effective_hold_the_norm(make, learn):
    norms = {}
    for variant, strength in (("factors", 0.0), ("factors", 10.0), ("effective", 0.0)):
        method = make(SpectralRegularization, Config(variant=variant, strength=strength))
        learn(method)
        norms[variant, strength] = decomposed(method)
    strong = make(SpectralRegularization, Config(variant="effective", strength=100.0))
    learn(strong)
    assert norms["factors", 10.0] < norms["factors", 0.0] / 2
    assert decomposed(strong) < norms["effective", 0.0] / 2


@variants
def test_without_strength_it_is_naive_to_the_byte(make, learn, bytes_of, config):
    method = make(SpectralRegularization, Config(variant=config.variant, strength=0.0))
    naive = make(NaiveLoRA)
    learn(method)
    learn(naive)
    assert bytes_of(method) == bytes_of(naive)


@variants
def test_the_term_is_felt_in_every_phase(make, learn, config):
    rows = learn(make(SpectralRegularization, config))
    assert all(row.terms["spectral"] > 0 for row in rows if row.step > 0)
    felt = [row.term_gradient_norms for row in rows if row.step == 1]
    assert len(felt) == 3
    assert all(norms["spectral"] / norms["lm"] > 1e-3 for norms in felt)


class Products(TorchDispatchMode):
    """Counts batched products."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten.bmm.default
        return function(*args, **(kwargs or {}))


@variants
def test_the_term_takes_a_few_products_a_shape(make, learn, offered, config):
    method = make(SpectralRegularization, config)
    learn(method, [0])
    with Products() as plain:
        Method.loss(method, offered(0).batches[0])
    with Products() as whole:
        method.loss(offered(0).batches[0])
    # a Gram matrix a shape, and A v, B (A v) and uᵀ (B (A v)) a shape
    shapes = {tuple(p.shape) for p in method.parameters()}
    each = len(shapes) if config is FACTORS else 3 * len(method._leading)
    assert whole.count - plain.count == each


@variants
def test_a_new_process_has_the_same_singular_vectors(make, learn, offered, config):
    method, other = make(SpectralRegularization, config), make(SpectralRegularization, config)
    learn(method, [0])
    state = method.state()
    other.restore(State({k: t.clone() for k, t in state.tensors.items()}, state.about))
    batch = offered(1).batches[0]
    for one in (method, other):
        one.after_step()
    assert torch.equal(method.loss(batch)["spectral"], other.loss(batch)["spectral"])


@pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False")
def test_a_matrix_that_gpt_2_holds_turned_around_is_turned_back(learn):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(3)
    size = {"n_embd": 16, "n_head": 2, "n_layer": 1, "n_positions": 32, "vocab_size": 320}
    model = GPT2LMHeadModel(GPT2Config(**size, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)).eval()
    adapters = Adapters(model, AdapterSpec(rank=2, alpha=4, targets="all-linear"), Seeds(0))
    method = SpectralRegularization(adapters, EFFECTIVE, adapters.seeds)
    learn(method, [0])
    for (out, width), modules in method._modules().items():
        rights = torch.randn(len(modules), width)
        left, right, base = method._iterated(modules, rights, 300)
        for i, module in enumerate(modules):
            w, (down, up) = module.base_layer.weight.T.detach(), method._pair(module)
            assert w.shape == (out, width)
            delta = (up @ down).detach()
            found = base[i] + left[i] @ delta @ right[i]
            assert float(found) == pytest.approx(
                float(torch.linalg.matrix_norm(w + delta, 2)), 1e-4
            )


def test_what_is_kept_is_charged(make, learn):
    method = make(SpectralRegularization, FACTORS)
    learn(method, [0])
    assert method.cost().stored_bytes == 0
    method = make(SpectralRegularization, EFFECTIVE)
    learn(method, [0])
    # u, v and two numbers a matrix, 4 bytes each
    numbers = sum(
        len(modules) * (out + width + 2) for (out, width), modules in method._modules().items()
    )
    assert method.cost().stored_bytes == 4 * numbers


def test_an_exponent_below_two_is_refused():
    plain = {"variant": "factors", "strength": 1.0}
    assert registry.resolve("spectral_regularization", plain).exponent == 2.0
    with pytest.raises(ConfigError, match=r"spectral_regularization has settings.*exponent"):
        registry.resolve("spectral_regularization", plain | {"exponent": 1.0})
    with pytest.raises(ConfigError, match=r"lacks \['variant', 'strength'\]"):
        registry.resolve("spectral_regularization", {})
