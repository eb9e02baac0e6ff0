"""What a suite costs and what its design can show, worked out on paper."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from classay.base import BaseFiles, locate, outline
from classay.errors import UnknownName
from classay.plan import plan
from classay.suite import BaseSpec

FILE = {"kind": "jsonl", "path": "legal.jsonl"}


@pytest.fixture
def base(tmp_path):
    """A base of a million parameters, by its word; its header names four tensors in two files."""
    folder = tmp_path / "base"
    folder.mkdir()
    zeros = {
        "one.safetensors": {
            "model.layers.0.attention.weight": (4, 6),
            "model.layers.0.norm.weight": (4,),
        },
        "two.safetensors": {
            "model.layers.1.mlp.weight": (6, 10),
            "model.embedding.weight": (100, 4),
        },
    }
    for name, shapes in zeros.items():
        tensors = {key: np.zeros(shape, np.float32) for key, shape in shapes.items()}
        save_file(tensors, folder / name)
    (folder / "config.json").write_text("{}")
    return BaseFiles(folder, "0" * 64, 1_000_000)


def by_name(made):
    return {method.method: method for method in made.methods}


def test_tokens_by_hand(make_suite):
    made = plan(make_suite(), None, 15.0)
    found = by_name(made)
    # 3 domains × 256 tokens × 3 seeds
    assert found["naive_lora"].tokens_trained == found["frozen"].tokens_trained == 2304
    # 1 + 2 + 3 domains' budgets × 256 × 3 seeds
    assert found["joint"].tokens_trained == 4608
    # before and after 3 phases × 4 domains × (2 items + 2 probes of 4 choices) × 128 × 3 seeds
    assert {m.tokens_evaluated for m in made.methods} == {4 * 4 * (2 + 8) * 128 * 3}
    assert ([m.cells for m in made.methods], made.cells) == ([3, 3, 3], 9)
    assert [m.bound for m in made.methods] == [False, False, True]


def test_frozen_drawn_again_is_counted_by_hand(make_suite):
    once = by_name(plan(make_suite(), None, 15.0))
    made = plan(make_suite(statistics={"margin": 5.0, "noise_draws": 2}), None, 15.0)
    found = by_name(made)
    # 3 seeds of 3 methods, and frozen twice more on each seed
    assert ([m.cells for m in made.methods], made.cells) == ([3, 9, 3], 15)
    # 3 domains × 256 tokens × 9 cells
    assert found["frozen"].tokens_trained == 6912
    assert found["frozen"].tokens_evaluated == 3 * once["frozen"].tokens_evaluated
    assert found["naive_lora"] == once["naive_lora"]


def test_a_mechanism_costs_the_hold_outs_of_what_was_learned_by_hand(make_suite):
    methods = {"naive_lora": {}, "crma": {"preset": "strong"}}
    found = by_name(plan(make_suite(methods=methods, statistics={}), None, 15.0))
    # after 3 phases 1 + 2 + 3 domains × 2 items × 128 × 3 seeds, with the mechanism off
    extra = found["crma"].tokens_evaluated - found["naive_lora"].tokens_evaluated
    assert extra == 6 * 2 * 128 * 3


def test_routers_cost_what_every_adapter_is_asked_by_hand(make_suite):
    methods = {
        "naive_lora": {},
        "frozen": {},
        "crma": {"preset": "strong"},
        "one": {"method": "crma", "preset": "strong", "policy": "single"},
    }
    evaluation = {"items_per_domain": 2, "probes_per_domain": 2}

    def tokens(routers):
        suite = make_suite(
            methods=methods, statistics={}, evaluation=evaluation | {"routers": routers}, seeds=[0]
        )
        return {m.method: m.tokens_evaluated for m in plan(suite, None, 15.0).methods}

    before, after = tokens([]), tokens(["oracle", "likelihood"])
    # 3 adapters × 3 domains × (2 items + 2 probes of 4 choices and a prompt) × 128, and of the base
    # alone 3 domains × (2 items + 2 prompts) × 128 and 3 centroids of 64 rows of 16
    extra = 9 * (2 + 2 * 5) * 128 + 3 * 4 * 128 + 3 * 64 * 16
    assert {name: after[name] - before[name] for name in methods} == {
        "naive_lora": 0,
        "frozen": extra,
        "crma": extra,
        "one": 0,  # one adapter for everything: nothing to choose
    }
    # the scores are made once, whoever reads them
    looking = ["nearest_centroid", "likelihood", "logistic_regression", "uniform"]
    assert tokens(["oracle"]) == tokens(["oracle", *looking]) == after
    # the base alone answers once more: 3 domains × (2 items + 2 probes of 4 choices) × 128
    with_base = tokens(["oracle", "none"])
    assert {name: with_base[name] - after[name] for name in methods} == {
        "naive_lora": 0,
        "frozen": 3 * (2 + 2 * 4) * 128,
        "crma": 3 * (2 + 2 * 4) * 128,
        "one": 0,
    }


def test_a_probe_of_the_built_in_world_has_eight_choices_and_its_general_text_has_none(make_suite):
    def world(name, **more):
        source = {"kind": "world", "domain": name}
        return {"name": name, "source": source, "licence": "none"} | more

    silent = world("code", splits={"probe": None})
    domains = [world("medical"), {**world("legal"), "source": FILE}, silent]
    stream = {"domains": domains, "general": world("general"), "block": 16}
    made = plan(make_suite(stream=stream, seeds=[0]), None, 15.0)
    # before and after 3 phases × (2 items + 2 probes of 8; 2 + 2 of 4; 2; 2) × 128
    assert {m.tokens_evaluated for m in made.methods} == {4 * (18 + 10 + 2 + 2) * 128}


@pytest.mark.parametrize("domains", [2, 3, 5, 7])
def test_joint_costs_every_domain_again_in_every_phase(make_suite, domains):
    stream = make_suite().stream.model_dump()
    first = stream["domains"][0]
    stream["domains"] = [{**first, "name": f"domain_{i}"} for i in range(domains)]
    found = by_name(plan(make_suite(stream=stream, seeds=[0]), None, 15.0))
    assert found["joint"].tokens_trained == 256 * domains * (domains + 1) // 2
    assert found["frozen"].tokens_trained == 256 * domains


def test_orders_and_seeds_multiply(make_suite):
    orders = [["river", "oven", "clock"], ["clock", "river", "oven"]]
    one, made = plan(make_suite(), None, 15.0), plan(make_suite(orders=orders), None, 15.0)
    assert (made.cells, one.cells) == (18, 9)
    for before, after in zip(one.methods, made.methods, strict=True):
        assert after.tokens_trained == 2 * before.tokens_trained
        assert after.tokens_evaluated == 2 * before.tokens_evaluated
    # orders are no seeds: they add no independent runs
    assert made.p_floor_paired == one.p_floor_paired


def test_hours_by_hand(make_suite, base):
    base = outline(base)
    made = plan(make_suite(), base, 2.0)
    found = by_name(made)
    # 10⁶ · (4 · 768 + 2 · 20480) · 3 seeds / 2·10⁹ = 66.048 s
    assert found["frozen"].hours == pytest.approx(66.048 / 3600)
    # 10⁶ · (4 · 1536 + 2 · 20480) · 3 seeds / 2·10⁹ = 70.656 s
    assert found["joint"].hours == pytest.approx(70.656 / 3600)
    assert made.hours == pytest.approx((2 * 66.048 + 70.656) / 3600)
    # a worker that is twice as fast takes half as long
    assert plan(make_suite(), base, 4.0).hours == pytest.approx(made.hours / 2)


def test_what_moves_the_base_pays_for_its_gradient_and_its_copies(make_suite, base):
    base = outline(base)
    whole = {"method": "full_finetune", "rate": 0.1}
    still = plan(make_suite(methods={"naive_lora": {}}, statistics={}), base, 2.0)
    made = plan(make_suite(methods={"whole": whole}, statistics={}), base, 2.0)
    # 10⁶ · (6 · 768 + 2 · 20480) · 3 seeds / 2·10⁹ = 68.352 s
    assert made.hours == pytest.approx(68.352 / 3600)
    # 3 seeds × 3 domains × 10⁶ weights of 4 bytes
    assert made.disk_bytes == still.disk_bytes + 3 * 3 * 4 * 10**6


def test_what_trains_nothing_is_charged_evaluation_alone(make_suite, base):
    made = plan(make_suite(methods={"untrained": {}}, statistics={}), outline(base), 2.0)
    assert made.methods[0].tokens_trained == 0
    # 10⁶ · 2 · 20480 · 3 seeds / 2·10⁹ = 61.44 s
    assert made.hours == pytest.approx(61.44 / 3600)


def test_disk_by_hand(make_suite, base):
    made = plan(make_suite(), outline(base), 15.0)
    # rank 8 in 4 bytes on (4, 6) and (6, 10): 832; 4 step rows of 600; 9 cells × 3 phases
    assert made.disk_bytes == 9 * 3 * (4 * 8 * (4 + 6 + 6 + 10) + 4 * 600) == 87264


def test_what_is_counted_is_what_a_located_base_has(base):
    # 24 + 4 + 60 + 400
    assert locate(BaseSpec(path=str(base.folder))).parameters == 488


def test_without_a_base_hours_and_disk_are_not_known(make_suite):
    made = plan(make_suite(), None, 15.0)
    assert (made.hours, made.disk_bytes) == (None, None)
    assert {m.hours for m in made.methods} == {None}


def test_the_smallest_p_of_three_seeds(make_suite):
    made = plan(make_suite(), None, 15.0)
    # 2 of 2³ patterns of signs; 2 of C(6, 3) splits
    assert (made.p_floor_paired, made.p_floor_unpaired) == (0.25, 0.1)
    # the t test on 3 pairs needs more than three standard deviations for power 0.8
    assert made.detectable == pytest.approx(3.26, abs=0.005)


def test_one_seed_can_show_nothing(make_suite):
    made = plan(make_suite(seeds=[4]), None, 15.0)
    assert (made.p_floor_paired, made.p_floor_unpaired, made.detectable) == (1.0, 1.0, None)


def test_an_unknown_method_is_refused_with_the_nearest(make_suite):
    suite = make_suite(methods={"frozzen": {}}, statistics={})
    with pytest.raises(UnknownName, match=r"(?s)no method is called 'frozzen'.*mean 'frozen'"):
        plan(suite, None, 15.0)
