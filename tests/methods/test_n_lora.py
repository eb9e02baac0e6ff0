"""N-LoRA: both penalties are their formulas, past adapters answer and do not move."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode

from classay import registry
from classay.errors import ConfigError
from classay.method import Method, State
from classay.methods.n_lora import Config, NLoRA
from classay.methods.o_lora import Config as OLoRAConfig
from classay.methods.o_lora import OLoRA

PAPER = Config(variant="paper", strength=5e-3)
RELEASED = Config(variant="released", strength=5e-2)
variants = pytest.mark.parametrize("config", [PAPER, RELEASED], ids=["paper", "released"])
IDS = torch.arange(16).reshape(1, 16)


class Written:
    """Adapters whose matrices are written down: one module, A (r, in) and B (out, r)."""

    active, beside, names = None, (), ()

    def __init__(self, down, up) -> None:
        self.model = lambda **batch: SimpleNamespace(loss=torch.tensor(0.0))
        pair = zip("AB", (down, up), strict=True)
        self.weights = {
            f"layer.lora_{which}.weight": torch.as_tensor(m).requires_grad_() for which, m in pair
        }

    def named(self, name):
        return iter(self.weights.items())

    def fresh(self, name, phase): ...

    def use(self, name, beside): ...

    def copies(self, names):
        return {}


SQUARE = ([[1.0, -2.0], [0.0, 1.0]], [[1.0, 0.0], [-1.0, 3.0]])
WIDE = ([[1.0, 0.0, -2.0]], [[1.0], [3.0]])


def written(config: Config, pair) -> NLoRA:
    return NLoRA(Written(*pair), config, None)


def test_the_papers_penalty_by_hand():
    # B A = [[1, 0], [−1, 3]] [[1, −2], [0, 1]] = [[1, −2], [−1, 5]]: sizes add up to 9
    method = written(Config(variant="paper", strength=0.5), SQUARE)
    assert method.loss({})["sparsity"].item() == pytest.approx(4.5)


def test_the_released_penalty_by_hand_is_another():
    # A B = [[1, −2], [0, 1]] [[1, 0], [−1, 3]] = [[3, −6], [−1, 3]]: sizes add up to 13
    method = written(Config(variant="released", strength=0.5), SQUARE)
    assert method.loss({})["sparsity"].item() == pytest.approx(6.5)


def test_a_module_that_is_not_square_has_the_papers_penalty():
    # B A = (1, 3)ᵀ (1, 0, −2): (1 + 3) · (1 + 2) = 12
    method = written(Config(variant="paper", strength=1.0), WIDE)
    assert method.loss({})["sparsity"].item() == pytest.approx(12.0)


def test_where_no_module_is_square_the_released_code_has_nothing_to_say(offered):
    method = written(Config(variant="released", strength=1.0), WIDE)
    with pytest.raises(ConfigError, match=r"(?s)no module.*'released' multiplies.*variant: paper"):
        method.begin_phase(offered(0))


@variants
def test_the_gradient_is_that_of_finite_differences(config):
    generator = torch.Generator().manual_seed(3)
    shapes = ((2, 4), (4, 2))
    pair = [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]
    method = written(config, pair)
    inputs = tuple(method.adapters.weights.values())

    def penalty(down, up):
        method.adapters.weights = dict(zip(method.adapters.weights, (down, up), strict=True))
        return method.loss({})["sparsity"]

    assert torch.autograd.gradcheck(penalty, inputs)


@variants
def test_a_fresh_adapter_has_a_penalty_and_a_gradient_of_zero(make, offered, config):
    method = make(NLoRA, config)
    method.begin_phase(offered(0))
    found = method.loss(offered(0).batches[0])["sparsity"]
    assert found.item() == 0.0
    gradients = torch.autograd.grad(found, list(method.parameters()), allow_unused=True)
    assert not any(g.any() for g in gradients if g is not None)
    assert sum(g is None for g in gradients) == (0 if config is PAPER else 20)


def by_the_loop(method: NLoRA) -> float:
    """The same penalty, one module at a time, in float64."""
    tensors = {k: t.double() for k, t in method.adapters.tensors(method.adapters.active).items()}
    total = 0.0
    for key, down in tensors.items():
        if "lora_A" in key:
            up = tensors[key.replace("lora_A", "lora_B")]
            if method.config.variant == "paper":
                total += float((up @ down).abs().sum())
            elif len(up) == down.shape[1]:
                total += float((down @ up).abs().sum())
    return method.config.strength * total


@variants
def test_on_a_model_it_is_the_loop_over_modules(make, learn, offered, config):
    method = make(NLoRA, config)
    learn(method)
    found = method.loss(offered(2).batches[0])["sparsity"].item()
    assert found == pytest.approx(by_the_loop(method), rel=1e-5)
    assert found > 0


class Products(TorchDispatchMode):
    """Counts batched products."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten.bmm.default
        return function(*args, **(kwargs or {}))


# of 7 modules a layer, q and o are square; k and v share a shape, gate and up another, down has its
@pytest.mark.parametrize(("config", "shapes"), [(PAPER, 4), (RELEASED, 1)])
def test_there_is_one_product_a_shape(make, learn, offered, config, shapes):
    method = make(NLoRA, config)
    learn(method, [0, 1])
    with Products() as plain:
        Method.loss(method, offered(0).batches[0])
    with Products() as whole:
        method.loss(offered(0).batches[0])
    assert whole.count - plain.count == shapes


@variants
def test_without_strength_it_is_o_lora_without_strength_to_the_byte(make, learn, bytes_of, config):
    method = make(NLoRA, Config(variant=config.variant, strength=0.0))
    parent = make(OLoRA, OLoRAConfig(variant="paper", strength=0.0))
    learn(method)
    learn(parent)
    assert bytes_of(method) == bytes_of(parent)


@variants
def test_a_strong_penalty_leaves_a_smaller_update(make, learn, config):
    sizes = []
    for strength in (0.0, 10 * config.strength):
        method = make(NLoRA, Config(variant=config.variant, strength=strength))
        learn(method)
        method.config = config
        sizes.append(by_the_loop(method))
    # Adam steps across the kink, so that nothing becomes 0
    assert 0 < sizes[1] < 0.7 * sizes[0]


@variants
def test_the_term_is_felt_in_every_phase_after_its_first_step(make, learn, config):
    rows = learn(make(NLoRA, config))
    assert all((row.terms["sparsity"] > 0) == (row.step > 0) for row in rows)
    felt = [row.term_gradient_norms for row in rows if row.step == 1]
    assert len(felt) == 3
    assert all(norms["sparsity"] / norms["lm"] > 1e-3 for norms in felt)


def test_all_adapters_answer_every_question_and_one_less_is_another_answer(make, learn):
    def logits(domain):
        with method.answering(domain), torch.inference_mode():
            return method.model(input_ids=IDS, use_cache=False).logits

    method = make(NLoRA, PAPER)
    learn(method)
    whole = logits("river")
    assert method.adapters.beside == ("domain_river", "domain_oven")
    assert all(torch.equal(whole, logits(domain)) for domain in ("oven", "unheard_of", None))
    for beside in ((), ("domain_river",), ("domain_oven",)):
        with method.adapters.answering("domain_clock", beside), torch.inference_mode():
            assert not torch.equal(method.model(input_ids=IDS, use_cache=False).logits, whole)


def test_finished_adapters_do_not_move_and_one_that_does_is_seen(make, learn, bytes_of):
    method = make(NLoRA, PAPER)
    learn(method, [0])
    river = {k: b for k, b in bytes_of(method).items() if k.startswith("domain_river/")}
    learn(method, [1])
    assert river.items() <= bytes_of(method).items()
    assert [invariant.value for invariant in method.invariants()] == [0.0]
    with torch.no_grad():
        next(iter(method.adapters.tensors("domain_river").values())).add_(0.5)
    assert [invariant.value for invariant in method.invariants()] == [0.5]


def test_finished_adapters_are_charged_and_come_back(make, learn, offered):
    method, other = make(NLoRA, PAPER), make(NLoRA, PAPER)
    learn(method)
    cost = method.cost()
    assert cost == (cost.trainable, 2 * 4 * cost.trainable, 0)
    state = method.state()
    other.restore(State({k: t.clone() for k, t in state.tensors.items()}, state.about))
    batch = offered(0).batches[0]
    for term, expected in method.loss(batch).items():
        assert torch.equal(other.loss(batch)[term], expected)


def test_variant_and_strength_have_no_default():
    with pytest.raises(ConfigError, match=r"lacks \['variant', 'strength'\]"):
        registry.resolve("n_lora", {})
    with pytest.raises(ConfigError, match=r"methods.n_lora has settings.*strength"):
        registry.resolve("n_lora", {"variant": "paper", "strength": -1.0})
