import copy
import re

import pytest
import yaml

from classay import registry
from classay.errors import ConfigError
from classay.suite import BaseSpec, Splits
from classay.suite_file import load

CONTENT = {
    "base": "b" * 64,
    "domain river": "1" * 64,
    "domain oven": "2" * 64,
    "domain clock": "3" * 64,
    "domain street": "4" * 64,
}


@pytest.fixture
def raw(suite_file):
    return yaml.safe_load(suite_file.read_text("utf-8"))


@pytest.fixture
def loaded(suite_file):
    def loaded(mapping, overrides=None):
        suite_file.write_text(yaml.safe_dump(mapping), "utf-8")
        return load(suite_file, overrides)

    return loaded


def changed(mapping, dotted, value):
    """A copy of the mapping in which one key, at any depth, has another value."""
    mapping = copy.deepcopy(mapping)
    place, (*parents, last) = mapping, dotted.split(".")
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    place[int(last) if isinstance(place, list) else last] = value
    return mapping


def test_the_steps_of_a_domain_by_hand(raw, loaded):
    # 256 tokens in steps of 4 blocks of 16 tokens = 256 / 64
    assert loaded(raw).steps == 4


def test_what_a_file_leaves_out_is_filled_in(raw, loaded):
    for key in ("adapter", "evaluation", "statistics"):
        del raw[key]
    del raw["stream"]["block"]
    raw["training"]["tokens_per_domain"] = 4 * 128
    ours = loaded(raw)
    assert ours.stream.block == 128
    assert ours.base == BaseSpec()
    assert (ours.adapter.rank, ours.adapter.alpha, ours.adapter.targets) == (8, 16, "all-linear")
    assert (ours.statistics.retention, ours.statistics.margin) == ("drift_prior_vs_own", 5.0)
    assert ours.stream.domains[0].splits == Splits(train="train", holdout="holdout", probe="probe")
    assert ours.all_orders() == [["river", "oven", "clock"]]
    assert [domain.name for domain in ours.evaluated()] == ["river", "oven", "clock", "street"]


def test_a_method_without_settings_has_none(raw, loaded):
    assert loaded(changed(raw, "methods", {"frozen": None})).methods == {"frozen": {}}


def test_a_method_may_stand_under_several_names(raw, loaded):
    raw["methods"] = {"frozen": None, "again": {"method": "frozen"}}
    found = loaded(raw)
    assert [found.method_of(name) for name in found.methods] == ["frozen", "frozen"]
    assert registry.resolve("again", found.methods["again"]) == registry.resolve("frozen", {})
    registry.check(found)


def test_a_name_that_leads_to_no_method_is_refused(raw, loaded):
    raw["methods"] = {"again": {"method": "frozn"}}
    with pytest.raises(ConfigError, match="Did you mean 'frozen'"):
        registry.check(loaded(raw))
    raw["methods"] = {"again": {"method": 3}}
    with pytest.raises(ConfigError, match=r"again\.method is 3; the name of a method was needed"):
        loaded(raw)


def test_a_method_does_not_run_under_the_name_of_another_one(raw, loaded):
    """A report would say naive_lora of what untrained did."""
    raw["methods"] = {"naive_lora": {"method": "untrained"}, "frozen": None}
    with pytest.raises(
        ConfigError, match=r"methods\.naive_lora runs untrained, and naive_lora is the"
    ):
        registry.check(loaded(raw))
    raw["methods"] = {"naive_lora": {"method": "naive_lora"}, "frozen": None}
    registry.check(loaded(raw))


def test_settings_under_another_name_are_checked_as_that_methods(raw, loaded):
    raw["methods"] = {"again": {"method": "frozen", "strength": 1.0}}
    with pytest.raises(ConfigError, match=r"methods\.again has the settings \['strength'\]"):
        registry.check(loaded(raw))


def test_every_suite_that_comes_with_classay_can_be_run():
    shipped = registry.suites()
    assert {"demonstration", "five_domains_small"} <= set(shipped)
    for name, path in shipped.items():
        ours = load(path)
        assert ours.name == name
        assert ours.steps > 0
        for method, config in ours.methods.items():
            registry.resolve(method, config)


def test_the_study_of_every_method_stands_on_what_its_search_tries():
    study, search = (load(registry.suites()[n]) for n in ("every_method", "every_method_search"))
    everything = {
        name
        for name in registry.names("method")
        if registry.load("method", name).__name__.startswith("classay.")
    }
    assert {study.method_of(name) for name in study.methods} == everything
    for method, names in search.candidates.items():
        settled = {"method": method, **study.methods[method]}
        assert settled in [search.methods[name] for name in names], method
    assert search.evaluation.scored == "validation"
    assert not set(search.seeds) & set(study.seeds)
    assert study.training == search.training
    order = [domain.name for domain in search.stream.domains]
    assert order != [domain.name for domain in study.stream.domains][: len(order)]


def test_every_shipped_suite_of_files_pins_them_or_brings_them_along():
    for path in registry.suites().values():
        for domain in load(path).evaluated():
            if domain.source.kind != "jsonl":
                continue
            assert domain.source.sha256 or (path.parent / domain.source.path).is_file()


def test_the_built_in_base_gives_way_to_one_that_is_named(raw, loaded):
    built_in = changed(raw, "base.builtin", "world")
    assert loaded(built_in).base.made
    assert loaded(built_in).self_made
    named = loaded(changed(built_in, "base.path", "/models/other"))
    assert not named.base.made
    assert named.base.builtin == "world"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("base.builtin", "moon"),
        ("stream.domains.0.source", {"kind": "world", "domain": "poetry"}),
        ("stream.domains.0.source", {"kind": "world", "domain": "code", "path": "x"}),
    ],
)
def test_what_the_world_does_not_have_is_refused(raw, loaded, key, value):
    with pytest.raises(ConfigError, match=key.split(".0")[0]):
        loaded(changed(raw, key, value))


# --- identity


def test_identity_is_64_hex_digits_and_the_same_for_the_same_suite(raw, loaded):
    ours = loaded(raw).identity(CONTENT)
    assert len(ours) == 64
    assert int(ours, 16) >= 0
    assert loaded(raw).identity(dict(reversed(CONTENT.items()))) == ours


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("base.path", "/elsewhere"),
        ("base.digest", "c" * 64),
        ("base.revision", "d" * 40),
        ("base", {"hub": "owner/name", "revision": "d" * 40}),
        ("stream.domains.0.source.path", "elsewhere/river.jsonl"),
        ("stream.domains.0.source.sha256", "e" * 64),
        ("stream.general.source.path", "elsewhere/street.jsonl"),
        (
            "stream.domains.1.source",
            {"kind": "huggingface", "dataset": "owner/oven", "revision": "f" * 40},
        ),
    ],
)
def test_where_things_lie_and_what_pins_them_is_not_part_of_the_identity(raw, loaded, key, value):
    moved = changed(raw, key, value)
    assert moved != raw
    assert loaded(moved).identity(CONTENT) == loaded(raw).identity(CONTENT)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "other"),
        ("title", "Another title"),
        ("intended_use", "Tests of the harness and of nothing else."),
        ("base.dtype", "bf16"),
        ("base.demonstration", True),
        ("stream.block", 32),
        ("stream.validation_share", 0.1),
        ("stream.max_shared_ngrams", 0.6),
        ("stream.max_named_prompts", 0.4),
        ("stream.domains.0.name", "brook"),
        ("stream.domains.0.licence", "MIT"),
        ("stream.domains.0.loss_on", "completion"),
        ("stream.domains.0.splits", {"holdout": "test"}),
        ("stream.general", None),
        ("training.tokens_per_domain", 512),
        ("training.batch", 2),
        ("training.learning_rate", 0.021),
        ("training.warmup_steps", 4),
        ("training.weight_decay", 0.1),
        ("training.clip", 2.0),
        ("training.checkpoint_steps", 3),
        ("adapter.rank", 4),
        ("adapter.alpha", 8),
        ("adapter.dropout", 0.1),
        ("adapter.targets", ["q_proj"]),
        ("methods", {"frozen": {}}),
        ("seeds", [1]),
        ("seeds", [0, 1]),
        ("orders", [["oven", "river", "clock"]]),
        ("evaluation.items_per_domain", 7),
        ("evaluation.tokens_per_item", 25),
        ("evaluation.batch_items", 5),
        ("evaluation.probes_per_domain", 4),
        ("evaluation.representation_items", 3),
        ("statistics.level", 0.9),
        ("statistics.retention", "drift_all_vs_own"),
        ("statistics.margin", 4.0),
        ("statistics.learning_floor", 0.06),
        ("statistics.reference", "naive_lora"),
        ("statistics.accept", ["joint"]),
        ("statistics.noise_draws", 3),
        ("evaluation.scored", "validation"),
        ("candidates", {"frozen": ["frozen"]}),
        ("chosen_by", "a" * 64),
    ],
)
def test_every_other_key_changes_the_identity(raw, loaded, key, value):
    content = CONTENT | {"domain brook": CONTENT["domain river"]}
    assert loaded(changed(raw, key, value)).identity(content) != loaded(raw).identity(content)


@pytest.mark.parametrize("key", CONTENT)
def test_other_content_is_another_identity(raw, loaded, key):
    ours = loaded(raw)
    assert ours.identity(CONTENT | {key: "9" * 64}) != ours.identity(CONTENT)


def test_a_default_written_out_is_the_same_suite(raw, loaded):
    written = changed(raw, "training.clip", 1.0)
    assert loaded(written).identity(CONTENT) == loaded(raw).identity(CONTENT)


# --- what the flags change


def test_an_override_wins_over_the_file_and_over_a_default(raw, loaded):
    ours = loaded(
        raw,
        {"seeds": [4, 5], "training.learning_rate": 0.5, "base.path": "/base", "base.hub": None},
    )
    assert ours.seeds == [4, 5]
    assert ours.training.learning_rate == 0.5
    assert ours.training.batch == 4
    assert (ours.base.path, ours.base.hub) == ("/base", None)


def test_an_override_is_checked_like_the_file(raw, loaded):
    with pytest.raises(ConfigError, match=r"training\.learning: no such key"):
        loaded(raw, {"training.learning": 0.5})


def test_choosing_methods_keeps_their_settings_and_drops_what_is_asked_of_the_others(raw, loaded):
    raw["methods"] = {"joint": {"weight": 3}, "frozen": {}, "naive_lora": {}}
    raw["statistics"]["accept"] = ["frozen", "joint"]
    ours = loaded(raw, {"methods": ["naive_lora", "joint"]})
    assert ours.methods == {"naive_lora": {}, "joint": {"weight": 3}}
    assert ours.statistics.accept == ["joint"]


def test_choosing_methods_keeps_the_candidates_that_are_all_there(raw, loaded):
    raw["methods"] = {"a": {"method": "ewc"}, "b": {"method": "ewc"}, "c": {"method": "lwf"}}
    raw["methods"]["d"] = {"method": "lwf"}
    raw["candidates"] = {"ewc": ["a", "b"], "lwf": ["c", "d"]}
    raw["statistics"] = {}
    assert loaded(raw, {"methods": ["a", "b", "c"]}).candidates == {"ewc": ["a", "b"]}


def test_a_method_that_the_file_does_not_list_can_be_chosen(raw, loaded):
    assert loaded(raw, {"methods": ["ewc"]}).methods == {"ewc": {}}


@pytest.mark.parametrize(
    ("key", "value", "overrides"),
    [
        ("base", None, {"base.path": "/base"}),
        ("base", "a/base", {"base.path": "/base"}),
        ("methods", ["frozen"], {"methods": ["frozen"]}),
        ("statistics", ["frozen"], {"methods": ["frozen"]}),
    ],
)
def test_an_override_of_a_key_that_holds_no_mapping_is_no_crash(raw, loaded, key, value, overrides):
    try:
        loaded(changed(raw, key, value), overrides)
    except ConfigError as error:
        assert key in str(error)  # noqa: PT017  loading is right too: the override fills the gap


# --- what is refused


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "base.",
        "stream.",
        "stream.domains.1.",
        "stream.domains.1.source.",
        "stream.domains.1.splits.",
        "stream.general.",
        "training.",
        "adapter.",
        "evaluation.",
        "statistics.",
    ],
)
def test_a_key_that_nobody_knows_is_named_with_its_path(raw, loaded, parent):
    wrong = changed(raw, f"{parent}seedz", 1)
    says = re.escape(f"\n  {parent}seedz: no such key. Take it out")
    with pytest.raises(ConfigError, match=says):
        loaded(wrong)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        (
            "training.tokens_per_domain",
            250,
            r"tokens_per_domain is 250, .* whole number of steps of batch × block = 64 tokens; "
            r"use a multiple of 64",
        ),
        (
            "orders",
            [["river", "oven", "clock"]] * 2,
            r"orders has \['river', 'oven', 'clock'\] twice; an order that is run twice is one",
        ),
        ("seeds", [3, 1, 3], r"seeds \[3, 1, 3\] repeat; a seed that is run twice is one run"),
        ("seeds", [], r"seeds: List should have at least 1 item"),
        ("seeds", [-1], r"seeds\.0: .* greater than or equal to 0 \(found -1\)"),
        (
            "orders",
            [["river", "oven"]],
            r"an order needs each of \['river', 'oven', 'clock'\] once",
        ),
        ("orders", [["river", "oven", "clock", "clock"]], r"an order needs each of"),
        ("orders", [["river", "oven", "street"]], r"orders has \['river', 'oven', 'street'\]"),
        ("stream.domains.1.name", "river", r"domains \['river'\] stand twice"),
        ("stream.general.name", "clock", r"domains \['clock'\] stand twice; each domain needs"),
        ("stream.domains.0.name", "River", r"stream\.domains\.0\.name: .* \(found 'River'\)"),
        ("base", {"hub": "owner/name"}, r"'owner/name' without a revision; .* add base\.revision"),
        ("base", {"hub": "owner/name", "revision": "main"}, r"base\.revision: .*\(found 'main'\)"),
        ("base.digest", "abc", r"base\.digest: .* \(found 'abc'\)"),
        ("stream.domains.0.source.sha256", "ABC", r"sha256: .* \(found 'ABC'\)"),
        ("training.learning_rate", float("nan"), r"training\.learning_rate: .*\(found nan\)"),
        ("training.learning_rate", float("inf"), r"training\.learning_rate: .*\(found inf\)"),
        ("training.learning_rate", 0, r"training\.learning_rate: .* greater than 0 \(found 0\)"),
        ("training.batch", 0, r"training\.batch: .* \(found 0\)"),
        ("statistics.level", 1, r"statistics\.level: .* less than 1 \(found 1\)"),
        (
            "statistics.accept",
            ["ewc"],
            r"statistics\.accept names \['ewc'\], which are not in meth",
        ),
        ("methods", {}, r"methods: .* at least 1 item"),
        ("candidates", {"ewc": ["ewc_1"]}, r"candidates names \['ewc_1'\], which are not in meth"),
        (
            "candidates",
            {"frozen": ["frozen", "joint"], "naive_lora": ["naive_lora"]},
            r"candidates has \{'frozen': 2, 'naive_lora': 1\} settings; every method needs t",
        ),
        ("candidates", {"frozen": []}, r"candidates has \{'frozen': 0\} settings; .* one or more"),
        (
            "candidates",
            {"frozen": ["frozen"], "joint": ["frozen"]},
            r"candidates \['frozen'\] stand twice; each is tried for one method",
        ),
        ("chosen_by", "a search", r"chosen_by: .* \(found 'a search'\)"),
        ("stream.validation_share", 1.5, r"stream\.validation_share: .* \(found 1\.5\)"),
        ("stream.block", 7, r"stream\.block: .* \(found 7\)"),
        ("stream.domains.0.loss_on", "some", r"loss_on: .*'all' or 'completion' \(found 'some'\)"),
        ("stream.domains.0.licence", "", r"stream\.domains\.0\.licence: .* at least 3 characters"),
    ],
)
def test_a_value_that_cannot_be_run_is_named(raw, loaded, key, value, says):
    with pytest.raises(ConfigError, match=rf"(?s)is not a suite that can be run; \d thing.*{says}"):
        loaded(changed(raw, key, value))


@pytest.mark.parametrize("revision", ["main", "v1.0", "a" * 39, "A" * 40, "a" * 40 + "\n"])
def test_a_revision_that_can_move_is_refused_for_data_too(raw, loaded, revision):
    raw["stream"]["domains"][0]["source"] = {
        "kind": "huggingface",
        "dataset": "owner/name",
        "revision": revision,
    }
    with pytest.raises(ConfigError, match=r"revision: String should match pattern"):
        loaded(raw)


def test_one_domain_is_no_stream(raw, loaded):
    raw["stream"]["domains"] = raw["stream"]["domains"][:1]
    with pytest.raises(ConfigError, match=r"stream\.domains: .* at least 2 items"):
        loaded(raw)


def test_everything_that_is_wrong_is_said_at_once(raw, loaded):
    raw["seedz"] = raw["training"]["batchez"] = 1
    del raw["title"]
    with pytest.raises(ConfigError, match=r"3 thing\(s\) to mend") as caught:
        loaded(raw)
    assert "\n  title: Field required" in str(caught.value)
    assert "\n  seedz: no such key" in str(caught.value)
    assert "\n  training.batchez: no such key" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "name: " + "[" * 900 + "]" * 900,
            r"is not YAML: what stands here is nested deeper than 50",
        ),
        ("name: [", r"is not YAML: (?s:.*)line 1(?s:.*)\n  Mend the line it names\."),
        ("", r"holds NoneType; a suite is a mapping of keys"),
        ("- name: tiny", r"holds list; a suite is a mapping of keys"),
        ("tiny", r"holds str; a suite is a mapping of keys"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text, says):
    path = tmp_path / "wrong.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=rf"wrong\.yaml {says}"):
        load(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('name: !!int ""', r"'' cannot be read as !!int"),
        ('name: !!float ""', r"'' cannot be read as !!float"),
        ("name: !!bool maybe", r"'maybe' cannot be read as !!bool"),
        ("name: !!timestamp x", r"'x' cannot be read as !!timestamp"),
        ("name: 2001-99-99", r"'2001-99-99' cannot be read as !!timestamp"),
        (f"seeds: [0x{'f' * 4000}]", r"'0xf{58}' cannot be read as !!int"),
        ("seeds: !!set {0, 1}", r"constructor for the tag 'tag:yaml\.org,2002:set'"),
        ("name: a\nname: b", r"the key 'name' stands twice, first in line 1\n"),
        ("base: {path: a, 'path': b}", r"the key 'path' stands twice, first in line 1"),
    ],
)
def test_what_yaml_makes_no_value_of_is_named_with_its_line(tmp_path, text, says):
    path = tmp_path / "wrong.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=rf"(?s)wrong\.yaml is not YAML: .*{says}.*line \d"):
        load(path)


def test_a_key_that_a_merge_brings_is_not_one_that_stands_twice(suite_file):
    text = suite_file.read_text("utf-8").replace("name: ", "<<: {name: other}\nname: ", 1)
    suite_file.write_text(text, "utf-8")
    assert load(suite_file).name != "other"


def test_aliases_may_lead_to_a_mapping_again_and_in_circles(tmp_path):
    path = tmp_path / "aliases.yaml"
    path.write_text("a: &a {x: 1, <<: &b {x: 2}}\nc: &c [*a, *a, *b, *c]\n", "utf-8")
    with pytest.raises(ConfigError, match=r"a: no such key\. (?s:.*)c: no such key"):
        load(path)


def test_a_suite_cannot_run_code(tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "wrong.yaml"
    path.write_text(f"title: !!python/object/apply:pathlib.Path.touch ['{marker}']\n", "utf-8")
    with pytest.raises(ConfigError, match=r"is not YAML: .*constructor for the tag"):
        load(path)
    assert not marker.exists()


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read .*\n.*`classay list suites`"):
        load(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("title: Flüsse".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.yaml cannot be read"):
        load(tmp_path / "latin.yaml")


def test_a_loaded_suite_cannot_be_changed(raw, loaded):
    with pytest.raises(ValueError, match="frozen"):
        loaded(raw).training.batch = 8
