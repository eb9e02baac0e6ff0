"""O-LoRA: both penalties are their formulas, past adapters answer and do not move."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode

from classay import registry
from classay.errors import ConfigError
from classay.method import Method, State
from classay.methods.frozen import Frozen
from classay.methods.naive_lora import NaiveLoRA
from classay.methods.o_lora import Config, OLoRA

PAPER = Config(variant="paper", strength=0.5)
RELEASED = Config(variant="released", strength=0.5, norm_strength=2.0)
variants = pytest.mark.parametrize("config", [PAPER, RELEASED], ids=["paper", "released"])
IDS = torch.arange(16).reshape(1, 16)


class Written:
    """Adapters whose matrices are written down: one module, rank 2, width 2."""

    active, beside = "new", ("old",)

    def __init__(self, **matrices) -> None:
        self.model = lambda **batch: SimpleNamespace(loss=torch.tensor(0.0))
        self.weights = {
            name: {
                f"layer.lora_{which}.weight": torch.tensor(matrix, requires_grad=name == "new")
                for which, matrix in zip("AB", pair, strict=True)
            }
            for name, pair in matrices.items()
        }

    def named(self, name):
        return iter(self.weights[name].items())

    def copies(self, names):
        return {name: self.weights[name] for name in names}


OLD = ([[1.0, 2.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]])
NEW = ([[1.0, -1.0], [2.0, 0.0]], [[2.0, 1.0], [0.0, -1.0]])


def terms(config: Config, *, old=OLD, new=NEW) -> dict[str, float]:
    method = OLoRA(Written(old=old, new=new), config, None)
    method.keep()
    return {name: term.item() for name, term in method.loss({}).items() if name != "lm"}


def test_the_papers_penalty_by_hand():
    # B₁ᵀ B₂ = [[1, 1], [0, 1]] [[2, 1], [0, −1]] = [[2, 0], [0, −1]]: squares add up to 5
    assert terms(PAPER) == {"orthogonality": pytest.approx(2.5)}


def test_the_released_penalty_by_hand():
    # A₁ A₂ᵀ = [[1, 2], [0, 1]] [[1, 2], [−1, 0]] = [[−1, 2], [−1, 0]]: sizes add up to 4
    # ‖A₂‖ = ‖B₂‖ = √(4 + 1 + 1), so the norms add up to 2√6
    assert terms(RELEASED) == {
        "orthogonality": pytest.approx(2.0),
        "norm": pytest.approx(2 * 2 * 6**0.5),
    }


@variants
def test_orthogonal_matrices_cost_nothing(config):
    # columns of the Bs and rows of the As live on different axes
    old = ([[1.0, 0.0], [3.0, 0.0]], [[1.0, 2.0], [0.0, 0.0]])
    new = ([[0.0, 1.0], [0.0, 5.0]], [[0.0, 0.0], [1.0, 4.0]])
    assert terms(config, old=old, new=new)["orthogonality"] == 0.0


def test_a_norm_of_nothing_has_a_gradient_of_nothing():
    # B = 0 in every fresh adapter, where the derivative of ‖B‖ does not exist
    written = Written(old=OLD, new=(NEW[0], [[0.0, 0.0], [0.0, 0.0]]))
    method = OLoRA(written, RELEASED, None)
    method.keep()
    (gradient,) = torch.autograd.grad(
        method.loss({})["norm"], [written.weights["new"]["layer.lora_B.weight"]]
    )
    assert torch.equal(gradient, torch.zeros(2, 2))


def by_the_loop(method: OLoRA) -> dict[str, float]:
    """The same penalties, one module and one domain at a time, in float64."""
    new = {k: t.double() for k, t in method.adapters.tensors(method.adapters.active).items()}
    total = 0.0
    for name in method.adapters.beside:
        for key, tensor in method.adapters.tensors(name).items():
            if method.config.variant == "paper" and "lora_B" in key:
                total += float(((tensor.double().T @ new[key]) ** 2).sum())
            if method.config.variant == "released" and "lora_A" in key:
                total += float((tensor.double() @ new[key].T).abs().sum())
    norms = sum(float(tensor.norm()) for tensor in new.values())
    found = {"orthogonality": method.config.strength * total}
    return found | ({"norm": 2.0 * norms} if method.config.variant == "released" else {})


@variants
def test_on_a_model_it_is_the_loop_over_modules_and_domains(make, learn, offered, config):
    method = make(OLoRA, config)
    learn(method)
    found = method.loss(offered(2).batches[0])
    assert len(method.adapters.beside) == 2
    assert {k: t.item() for k, t in found.items() if k != "lm"} == pytest.approx(
        by_the_loop(method), rel=1e-5
    )


class Products(TorchDispatchMode):
    """Counts batched products."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten.bmm.default
        return function(*args, **(kwargs or {}))


@variants
def test_there_is_one_product_a_shape_whatever_the_number_of_domains(make, learn, offered, config):
    method, counts = make(OLoRA, config), []
    for index in (0, 1, 2):
        learn(method, [index])
        with Products() as plain:
            Method.loss(method, offered(0).batches[0])
        with Products() as whole:
            method.loss(offered(0).batches[0])
        counts.append(whole.count - plain.count)
    constrained = "lora_B" if config.variant == "paper" else "lora_A"
    shapes = {
        t.shape for k, t in method.adapters.tensors("domain_oven").items() if constrained in k
    }
    modules = sum(constrained in key for key in method.adapters.tensors("domain_oven"))
    assert counts == [0, len(shapes), len(shapes)]
    assert modules > 3 * len(shapes)


@variants
def test_without_strength_it_is_summed_adapters_to_the_byte(make, learn, bytes_of, config):
    class Summed(OLoRA):
        loss = Method.loss

    plain = Config(variant=config.variant, strength=0.0, norm_strength=config.norm_strength and 0.0)
    method, parent = make(OLoRA, plain), make(Summed, config)
    learn(method)
    learn(parent)
    assert bytes_of(method) == bytes_of(parent)


@variants
def test_a_strong_penalty_leaves_less_overlap(make, learn, config):
    overlaps = []
    for strength in (0.0, 100 * config.strength):
        strong = Config(
            variant=config.variant, strength=strength, norm_strength=config.norm_strength and 0.0
        )
        method = make(OLoRA, strong)
        learn(method, [0, 1])
        method.config = config
        overlaps.append(by_the_loop(method)["orthogonality"])
    assert overlaps[1] < overlaps[0] / 2


@variants
def test_the_term_begins_with_the_second_phase_and_is_felt_after_its_first_step(
    make, learn, config
):
    rows = learn(make(OLoRA, config))
    assert all(set(row.terms) == {"lm"} for row in rows if row.phase == 0)
    assert all(row.terms["orthogonality"] > 0 for row in rows if row.phase > 0 and row.step > 0)
    felt = [row.term_gradient_norms for row in rows if row.phase > 0 and row.step == 1]
    assert all(norms["orthogonality"] > 0 for norms in felt)


def watched(method: type[Method], fresh: list[dict[str, torch.Tensor]]) -> type[Method]:
    """The method, with a copy of the adapter that each phase begins with."""

    class Watched(method):
        def begin_phase(self, phase):
            super().begin_phase(phase)
            tensors = self.adapters.tensors(self.adapters.active)
            fresh.append({key: tensor.clone() for key, tensor in tensors.items()})

    return Watched


def test_every_fresh_adapter_is_frozens_to_the_byte(make, learn):
    ours, frozens = [], []
    learn(make(watched(OLoRA, ours), PAPER))
    learn(make(watched(Frozen, frozens)))
    assert len(ours) == 3
    for mine, theirs in zip(ours, frozens, strict=True):
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)


def test_the_first_phase_is_naive_to_the_byte(make, learn, bytes_of):
    ours, naive = make(OLoRA, RELEASED), make(NaiveLoRA)
    assert [row.fact() for row in learn(ours, [0])] == [row.fact() for row in learn(naive, [0])]
    assert [*bytes_of(ours).values()] == [*bytes_of(naive).values()]


def logits(method: Method, domain: str | None) -> torch.Tensor:
    with method.answering(domain), torch.inference_mode():
        return method.model(input_ids=IDS, use_cache=False).logits


def test_all_adapters_answer_every_question(make, learn):
    method = make(OLoRA, PAPER)
    learn(method)
    found = logits(method, "river")
    assert all(torch.equal(found, logits(method, d)) for d in ("oven", "clock", "unheard_of", None))
    # the sum by hand: every ΔW is put on the base's own weights
    base = make(NaiveLoRA)
    with torch.no_grad():
        for name in method.adapters.names:
            tensors = method.adapters.tensors(name)
            for key, down in tensors.items():
                if "lora_A" in key:
                    up = tensors[key.replace("lora_A", "lora_B")]
                    module = key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
                    base.model.get_submodule(module).weight += 4 / 2 * up @ down
        expected = base.model(input_ids=IDS, use_cache=False).logits
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_one_adapter_less_is_another_answer(make, learn):
    method = make(OLoRA, PAPER)
    learn(method)
    whole = logits(method, None)
    for beside in ((), ("domain_river",), ("domain_oven",)):
        with method.adapters.answering("domain_clock", beside), torch.inference_mode():
            assert not torch.equal(method.model(input_ids=IDS, use_cache=False).logits, whole)


def test_the_base_alone_is_the_base_to_the_bit(make, learn):
    method, plain = make(OLoRA, PAPER), make(NaiveLoRA)
    learn(method)
    with method.adapters.answering(None), torch.inference_mode():
        found = method.model(input_ids=IDS, use_cache=False).logits
    with torch.inference_mode():
        assert torch.equal(found, plain.model(input_ids=IDS, use_cache=False).logits)
    # and afterwards all of them are back, and only the last of them learns
    assert method.adapters.beside == ("domain_river", "domain_oven")
    learning = {id(p) for p in method.model.parameters() if p.requires_grad}
    assert learning == {id(p) for p in method.parameters()}


def test_finished_adapters_do_not_move_and_one_that_does_is_seen(make, learn, bytes_of):
    method = make(OLoRA, PAPER)
    learn(method, [0])
    before = bytes_of(method)
    learn(method, [1, 2])
    assert before.items() <= bytes_of(method).items()
    assert [found.value for found in method.invariants()] == [0.0]
    with torch.no_grad():
        next(iter(method.adapters.tensors("domain_river").values())).view(-1)[3] += 0.5
    assert [found.value for found in method.invariants()] == [pytest.approx(0.5)]


def test_a_new_process_sums_in_the_order_of_learning(make, learn):
    method = make(OLoRA, PAPER)
    learn(method)
    tensors = {key: t.clone() for key, t in method.state().tensors.items()}
    there = make(OLoRA, PAPER)
    there.restore(State(tensors, method.state().about))
    # in alphabetical order "oven" would come before "river"
    assert there.adapters.beside == ("domain_river", "domain_oven")
    assert torch.equal(logits(there, None), logits(method, None))


def test_finished_adapters_are_charged_in_bytes(make, learn):
    method = make(OLoRA, PAPER)
    learn(method)
    cost = method.cost()
    # two of them, as large as the one in training, 4 bytes a number; no example
    assert cost == (cost.trainable, 2 * 4 * cost.trainable, 0)


def test_variant_and_strength_have_no_default():
    with pytest.raises(ConfigError, match=r"lacks \['variant', 'strength'\], which have no defau"):
        registry.resolve("o_lora", {})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"variant": "paper", "strength": -1.0}, "strength.*greater than or equal to 0"),
        ({"variant": "both", "strength": 1.0}, "'paper' or 'released'"),
        ({"variant": "released", "strength": 1.0}, "'released' needs a number"),
        ({"variant": "paper", "strength": 1.0, "norm_strength": 0.1}, "'paper' has no such term"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, said):
    with pytest.raises(ConfigError, match=f"methods.o_lora has settings of the wrong kind.*{said}"):
        registry.resolve("o_lora", settings)
