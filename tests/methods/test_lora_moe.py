"""LoRAMoE: both constraints by hand, its router and experts, what is replayed and what answers."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from classay import registry
from classay.errors import ConfigError
from classay.method import Method, State
from classay.methods.lora_moe import OFF, Config, LoRAMoE
from classay.methods.naive_lora import NaiveLoRA
from classay.suite import Training
from classay.trainer import PhaseTraining

PAPER = Config(form="paper", experts=4, strength=0.1)
RELEASED = Config(form="released", experts=4, strength=0.1)
MEMORY = Config(
    form="paper", experts=2, strength=0.1, variant="memory", examples=3, share=0.5, delta=0.2
)
SETTINGS = Training(tokens_per_domain=128, batch=2, learning_rate=0.02, warmup_steps=1)
IDS = torch.arange(16).reshape(1, 16)


def logits(method: Method, domain: str | None = None) -> torch.Tensor:
    with method.answering(domain), torch.inference_mode():
        return method.model(input_ids=IDS, use_cache=False).logits


def begun(make, offered, config: Config, **settings) -> LoRAMoE:
    method = make(LoRAMoE, config, **settings)
    method.begin_phase(offered(0))
    return method


def moved_apart(method: LoRAMoE) -> None:
    """Give every expert values that nothing is special about."""
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=draw))


def only_lm(method: LoRAMoE, offered) -> dict[str, float]:
    return {k: t.item() for k, t in method.loss(offered(0).batches[0]).items() if k != "lm"}


# One module, two rows of two tokens, two experts, of one kind each. Row 0 is of kind 0 and gives
# the first expert 0.5 + 0.7 = 1.2, the second 0.8; row 1 is of kind 1: 0.5 and 1.5. With δ = 0.5,
# Z = (1.5 · 1.2, 0.5 · 0.8; 0.5 · 0.5, 1.5 · 1.5) = (1.8, 0.4; 0.25, 2.25): its mean is 1.175, and
# the squares of what it is off by add up to 0.390625 + 0.600625 + 0.855625 + 1.155625 = 3.0025
ROUTED = [torch.tensor([[[0.5, 0.5], [0.7, 0.3]], [[0.2, 0.8], [0.3, 0.7]]])]
KINDS = torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("form", "expected"),
    [("paper", 3.0025 / 4 / 1.175), ("released", 3.0025 / 3 / 1.175**2)],
)
def test_the_constraint_by_hand(make, offered, form, expected):
    method = make(LoRAMoE, Config(form=form, experts=2, strength=1.0, delta=0.5))
    assert method.experts.imbalance(ROUTED, KINDS).item() == pytest.approx(expected)
    # modules add up
    assert method.experts.imbalance(ROUTED * 3, KINDS).item() == pytest.approx(3 * expected)


def test_paper_and_released_differ_in_size_as_the_batch_grows(make):
    # four times the tokens: var / mean grows as the sums do, var / mean² does not
    long = [ROUTED[0].repeat(1, 4, 1)]
    sizes = {}
    for form in ("paper", "released"):
        experts = make(LoRAMoE, Config(form=form, experts=2, strength=1.0, delta=0.5)).experts
        sizes[form] = [experts.imbalance(r, KINDS).item() for r in (ROUTED, long)]
    assert sizes["paper"][1] == pytest.approx(4 * sizes["paper"][0])
    assert sizes["released"][1] == pytest.approx(sizes["released"][0])


def test_without_delta_an_even_router_costs_nothing_and_with_it_an_uneven_one(make):
    even = [torch.full((2, 3, 4), 0.25)]
    for delta, free in ((0.0, True), (0.3, False)):
        config = Config(form="paper", experts=4, strength=1.0, delta=delta)
        found = make(LoRAMoE, config).experts.imbalance(even, KINDS).item()
        assert (found == pytest.approx(0.0, abs=1e-12)) is free


def test_experts_of_a_kind_are_exchangeable_and_others_are_not(make):
    routed = [torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0)).softmax(-1)]
    experts = make(LoRAMoE, Config(form="paper", experts=4, strength=1.0, delta=0.4)).experts
    whole = experts.imbalance(routed, KINDS).item()
    within, across = (
        experts.imbalance([routed[0][..., order]], KINDS).item()
        for order in ([1, 0, 3, 2], [2, 1, 0, 3])
    )
    assert within == pytest.approx(whole)
    assert across != pytest.approx(whole)


@pytest.mark.parametrize("form", ["paper", "released"])
def test_its_gradient_is_its_slope(make, form):
    # (f(z + h) − f(z − h)) / 2h for every logit, in float64
    experts = make(LoRAMoE, Config(form=form, experts=2, strength=1.0, delta=0.5)).experts
    scores = ROUTED[0].double().log().requires_grad_()

    def size(logits):
        return experts.imbalance([logits.softmax(-1)], KINDS)

    (gradient,) = torch.autograd.grad(size(scores), [scores])
    assert gradient.abs().min() > 0
    assert torch.autograd.gradcheck(size, [scores])


def test_on_a_module_it_is_the_formula_written_out(make, offered):
    method = begun(make, offered, PAPER)
    moved_apart(method)
    experts, draw = method.experts, torch.Generator().manual_seed(0)
    taken = dict.fromkeys(experts.own, 0)
    for place, (name, module) in enumerate(experts.mixture.modules.items()):
        x = torch.randn(2, 5, module.in_features, generator=draw)
        h = torch.randn(2, 5, module.out_features, generator=draw)
        router = experts.own[str(module.in_features)][taken[str(module.in_features)]]
        taken[str(module.in_features)] += 1
        with torch.no_grad(), experts.mixed():
            found = experts.mixture._blend(place, x, h)
            omega = (x @ router.T).softmax(-1)
            expected = sum(
                omega[..., e : e + 1] * 2 * module.lora_B[n](module.lora_A[n](x))
                for e, n in enumerate(experts.names)
            )
        torch.testing.assert_close(found, expected, msg=name)


def test_with_experts_that_are_alike_it_is_each_of_them(make, offered):
    method = begun(make, offered, PAPER)
    moved_apart(method)
    stacks, chosen = method.experts.mixture.stacks, 2

    def one(names):
        return stacks([names[chosen]] * len(names))

    method.experts.mixture.stacks = one
    with method.adapters.answering(f"expert_{chosen}"), torch.inference_mode():
        expected = method.model(input_ids=IDS, use_cache=False).logits
    torch.testing.assert_close(logits(method), expected, rtol=1e-5, atol=1e-5)


def test_experts_start_apart(make, offered):
    method = begun(make, offered, PAPER)
    downs = [
        torch.cat([t.flatten() for k, t in method.adapters.tensors(n).items() if "lora_A" in k])
        for n in method.experts.names
    ]
    assert all(not torch.equal(downs[0], other) for other in downs[1:])
    for router in method.experts.own.values():
        assert 0 < router.abs().max() <= router.shape[-1] ** -0.5


@pytest.mark.parametrize("config", [PAPER, RELEASED], ids=["paper", "released"])
def test_every_expert_and_router_has_a_gradient_and_moves(make, learn, offered, config):
    method = begun(make, offered, config)
    start = [parameter.detach().clone() for parameter in method.parameters()]
    rows = learn(method, [0, 1])
    assert not any(map(torch.equal, start, method.parameters()))
    assert all(row.terms["balance"] > 0 for row in rows)
    assert all(
        row.term_gradient_norms["balance"] > 1e-3 * row.term_gradient_norms["lm"]
        for row in rows
        if row.step == 1
    )
    assert all(row.layer_gradient_norms["router"] > 0 for row in rows)


def test_a_stronger_constraint_leaves_a_more_even_router(make, learn, offered):
    found = []
    for strength in (0.0, 10.0):
        method = make(LoRAMoE, Config(form="released", experts=4, strength=strength, delta=0.0))
        learn(method, [0, 1])
        routed = []
        with torch.no_grad(), method.experts.mixed(routed):
            Method.loss(method, offered(1).batches[0])
        found.append(method.experts.imbalance(routed, torch.tensor([1, 1])).item())
    assert found[1] < found[0] / 2


def test_without_strength_there_is_no_term(make, learn):
    method = make(LoRAMoE, Config(form="paper", experts=2, strength=0.0))
    assert all(set(row.terms) == {"lm"} for row in learn(method, [0]))


def test_one_expert_is_naive_lora_to_the_byte(make, learn, bytes_of):
    method, naive = make(LoRAMoE, OFF, dropout=0.2), make(NaiveLoRA, dropout=0.2)
    assert [row.fact() for row in learn(method)] == [row.fact() for row in learn(naive)]
    assert [*bytes_of(method).values()] == [*bytes_of(naive).values()]
    assert torch.equal(logits(method), logits(naive))


def test_dropout_is_drawn_for_the_experts_and_not_for_the_router(make, offered):
    method = begun(make, offered, PAPER, dropout=0.5)
    moved_apart(method)
    batch = offered(0).batches[0]
    method.model.train()
    losses = {method.loss(batch)["lm"].item() for _ in range(2)}
    assert len(losses) == 2
    method.model.eval()
    assert method.loss(batch)["lm"].item() == method.loss(batch)["lm"].item()
    place, module = 0, next(iter(method.experts.mixture.modules.values()))
    method.model.train()
    x = torch.randn(1, 4, module.in_features, generator=torch.Generator().manual_seed(0))
    routed, h = [], torch.zeros(1, 4, module.out_features)
    with torch.no_grad(), method.experts.mixed(routed):
        pair = [method.experts.mixture._blend(place, x, h) for _ in range(2)]
    assert torch.equal(*routed)
    assert not torch.equal(*pair)


def test_the_kind_of_a_domain_is_its_place_modulo_the_kinds(make, learn, offered):
    method = make(LoRAMoE, PAPER)
    found = []
    for index in range(3):
        method.begin_phase(offered(index))
        found.append(method._kinds(2).tolist())
    assert found == [[0, 0], [1, 1], [0, 0]]


def test_rows_of_memory_come_on_top_with_the_kinds_they_had(make, learn, offered):
    method = make(LoRAMoE, MEMORY)
    learn(method, [0, 1])
    assert method.rows.kept["kinds"].tolist() == [0, 0, 0, 1, 1, 1]
    method.begin_phase(offered(2))
    batches = method.curriculum(offered(2))
    assert [len(batch["labels"]) for batch in batches] == [3] * 4
    for batch, own in zip(batches, offered(2).batches, strict=True):
        assert torch.equal(batch["input_ids"][:2], own["input_ids"])
        (place,) = (method.rows.kept["input_ids"] == batch["input_ids"][2]).all(1).nonzero()[0]
        assert batch["kinds"].tolist() == [0, 0, method.rows.kept["kinds"][place]]
    assert method.cost().stored_examples == 6


def test_the_kinds_of_replayed_rows_are_felt(make, learn, offered):
    method = make(LoRAMoE, MEMORY)
    learn(method, [0])
    method.begin_phase(offered(1))
    batch = dict(method.curriculum(offered(1))[0])
    mixed = method.loss(batch)["balance"].item()
    batch["kinds"] = torch.ones_like(batch["kinds"])
    assert method.loss(batch)["balance"].item() != mixed


def test_all_experts_answer_every_question_and_ablated_the_first_alone(make, learn):
    method = make(LoRAMoE, PAPER)
    learn(method)
    first = logits(method, "river")
    assert torch.equal(first, logits(method, "never"))
    with method.ablations()["mixture"]:
        alone = logits(method)
    assert not torch.equal(first, alone)
    with method.adapters.answering("expert_0"), torch.inference_mode():
        assert torch.equal(alone, method.model(input_ids=IDS, use_cache=False).logits)


@pytest.mark.parametrize("step", [1, 3])
def test_killed_in_the_middle_it_goes_on_with_the_same_bits(make, learn, offered, step):
    straight, killed, there = (make(LoRAMoE, MEMORY) for _ in range(3))
    learn(straight, [0, 1])
    learn(killed, [0])
    killed.begin_phase(offered(1))
    training = PhaseTraining(killed, offered(1), SETTINGS, killed.seeds)
    while training.step < step:
        training.advance()
    state = killed.state()
    there.restore(State({k: t.clone() for k, t in state.tensors.items()}, state.about))
    resumed = PhaseTraining(there, offered(1), SETTINGS, there.seeds)
    resumed.restore({key: tensor.clone() for key, tensor in training.state().items()}, step)
    while resumed.step < resumed.steps:
        resumed.advance()
    there.end_phase(offered(1))
    mine, theirs = there.state(), straight.state()
    assert mine.about == theirs.about
    assert all(torch.equal(mine.tensors[key], tensor) for key, tensor in theirs.tensors.items())
    assert torch.equal(logits(there), logits(straight))


def test_its_price_is_every_expert_and_router(make, learn):
    method = make(LoRAMoE, MEMORY)
    learn(method)
    routers = 2 * sum(m.in_features for m in method.experts.mixture.modules.values())
    expert = sum(t.numel() for t in method.adapters.tensors("expert_0").values())
    # 3 rows of 3 domains: ids, labels of 16 tokens, and a kind, of 8 bytes
    memory = 9 * (2 * 16 + 1) * 8
    assert method.cost() == (2 * expert + routers, 4 * (expert + routers) + memory, 9)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"experts": 3}, "as many of each were needed"),
        ({"experts": 2, "variant": "memory", "examples": 2}, "'memory' needs both above 0"),
        ({"experts": 2, "examples": 2}, "'no_memory' has neither"),
        ({"experts": 2, "delta": 1.5}, "delta.*less than or equal to 1"),
        ({"experts": 0}, "experts.*greater than 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, said):
    with pytest.raises(ConfigError, match=f"methods.lora_moe has settings of.*{said}"):
        registry.resolve("lora_moe", {"form": "paper", "strength": 1.0, **settings})


def test_what_must_be_tuned_has_no_default():
    with pytest.raises(ConfigError, match=r"lacks \['form', 'experts', 'strength'\]"):
        registry.resolve("lora_moe", {})


def test_too_few_rows_are_refused(make, offered):
    config = Config(form="paper", experts=2, strength=0.1, variant="memory", examples=9, share=0.5)
    with pytest.raises(ConfigError, match=r"'river' is offered 8 rows .* asks for examples: 9"):
        make(LoRAMoE, config).begin_phase(offered(0))
