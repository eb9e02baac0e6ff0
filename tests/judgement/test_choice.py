import json

import pytest
import yaml
from typer.testing import CliRunner

from classay import registry, study
from classay.cli import app
from classay.errors import ConfigError
from classay.evidence import choice
from classay.suite import Suite

# what a cell measures depends on its name alone here: "frozen" stays at 6.25 nats/token, "joint"
# falls, and every other name is of a method whose losses are FROZEN's; see conftest
METHODS = {
    "frozen": {"method": "ewc", "strength": 1.0, "examples": 8, "normalisation": "max"},
    "joint": {"method": "ewc", "strength": 9.0, "examples": 8, "normalisation": "max"},
}
SEARCH = {
    "methods": METHODS,
    "seeds": [0],
    "candidates": {"ewc": ["frozen", "joint"]},
    "evaluation": {"items_per_domain": 2, "batch_items": 4, "scored": "validation"},
    "statistics": {},
}


@pytest.fixture
def build(record_ledgers, tmp_path):
    def made(suite=SEARCH, **more):
        return study.load(record_ledgers(tmp_path / "search", suite=suite, **more))

    return made


# after three phases "frozen" stands at 6.25 on every domain, and "joint", which falls by half a nat
# with every later phase, at 5.25, 5.75 and 6.25: 5.75 in the mean, which is less
def test_the_least_mean_loss_at_the_end_is_chosen_by_hand(build):
    (found,) = choice.choose(build())
    assert [(tried.name, tried.loss, tried.cells) for tried in found.tried] == [
        ("frozen", 6.25, 1),
        ("joint", 5.75, 1),
    ]
    assert found.method == "ewc"
    assert found.chosen.name == "joint"
    assert found.chosen.settings == {"strength": 9.0, "examples": 8, "normalisation": "max"}


def test_the_first_of_equals_is_chosen(build):
    methods = {"frozen": METHODS["frozen"], "other": METHODS["joint"]}
    suite = SEARCH | {"methods": methods, "candidates": {"ewc": ["frozen", "other"]}, "seeds": [0]}
    found = build(suite, states={"other-o0-s0": "failed"})
    (only,) = choice.choose(found)
    assert only.chosen.name == "frozen"


def test_a_setting_that_failed_is_shown_and_not_chosen(build):
    (found,) = choice.choose(build(states={"joint-o0-s0": "failed"}))
    assert found.chosen.name == "frozen"
    assert (found.tried[1].loss, found.tried[1].words) == (None, "1 failed: diverged")


def test_a_setting_of_which_one_seed_failed_loses_to_one_that_is_whole(build):
    suite = SEARCH | {"seeds": [0, 1]}
    (found,) = choice.choose(build(suite, states={"joint-o0-s1": "failed"}))
    assert found.tried[1].loss == 5.75
    assert found.chosen.name == "frozen"


def test_what_cannot_be_chosen_from_is_said(build, tmp_path, record_ledgers):
    def loaded(name, suite, **more):
        return study.load(record_ledgers(tmp_path / name, suite=suite, **more))

    with pytest.raises(ConfigError, match="has no candidates, so nothing was searched"):
        choice.choose(loaded("a", SEARCH | {"candidates": {}}))
    on_holdout = SEARCH | {"evaluation": {"items_per_domain": 2, "batch_items": 4}}
    with pytest.raises(ConfigError, match="was scored on the holdout, and settings are chosen on"):
        choice.choose(loaded("b", on_holdout))
    with pytest.raises(ConfigError, match="1 cells of the search are not done, the first joint-o0"):
        choice.choose(loaded("c", SEARCH, states={"joint-o0-s0": "running"}))
    failed = {"joint-o0-s0": "failed", "frozen-o0-s0": "failed"}
    with pytest.raises(
        ConfigError, match="none of the 2 settings of ewc came to its end: 1 failed"
    ):
        choice.choose(loaded("d", SEARCH, states=failed))


def test_the_command_prints_every_setting_and_writes_the_suite(build, tmp_path):
    found, run = build(), tmp_path / "search"
    raw = yaml.safe_load(registry.suite_path("quickstart").read_text("utf-8"))
    theirs, ours = tmp_path / "study.yaml", tmp_path / "chosen.yaml"
    theirs.write_text(yaml.safe_dump(raw, sort_keys=False), "utf-8")

    done = CliRunner().invoke(app, ["choose", str(run), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)[0]["chosen"] == "joint"

    words = ["choose", str(run), "--suite", str(theirs), "--output", str(ours)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "5.7500" in done.stdout
    written = Suite.model_validate(yaml.safe_load(ours.read_text("utf-8")))
    assert written.chosen_by == found.setting["identity"]
    assert written.methods["ewc"] == {"strength": 9.0, "examples": 8, "normalisation": "max"}
    assert list(written.methods) == list(raw["methods"])
    assert written.methods["replay"] == raw["methods"]["replay"]

    again = CliRunner().invoke(app, words)
    assert isinstance(again.exception, ConfigError)
    assert "is there already, and nothing is written over it" in str(again.exception)
    half = CliRunner().invoke(app, words[:4])
    assert "one of --suite and --output was given" in str(half.exception)


def test_a_suite_without_the_method_is_refused(build):
    choices = choice.choose(build())
    with pytest.raises(
        ConfigError, match=r"the suite has no methods \['ewc'\], for which settings"
    ):
        choice.chosen_suite({"methods": {"frozen": None}}, choices, "a" * 64)


def test_the_report_says_what_was_scored(build):
    from classay.evidence.rerun import judge
    from classay.reports import render

    found = build()
    html = render.render(found, judge(found))
    assert "validation records, cut from train; no hold-out item and no probe was seen" in html
    assert "a search: what is called hold-out here are validation records" in html


def test_a_search_is_reported_as_one_and_ranks_no_method(build):
    from classay.evidence.rerun import judge
    from classay.reports import render

    found = build()
    html = " ".join(render.render(found, judge(found)).split())
    assert "Settings that were tried" in html
    # the table holds both losses that were worked out above
    table = html[html.index("Every setting with its validation loss") :]
    table = table[: table.index("</table>")]
    assert (table.count("6.2500"), table.count("5.7500")) == (1, 1)
    assert table.index("5.7500") < table.index("chosen") < table.index("</tbody>")
    assert table.count("chosen</") == 1
    assert "Is the instrument sound?" in html
    assert "retains best" not in html
    assert "retains best" in render.render(found, judge(found), "run")


def test_why_nothing_is_chosen_stands_in_the_report(build):
    from classay.evidence.rerun import judge
    from classay.reports import render

    found = build(suite={**SEARCH, "evaluation": {"items_per_domain": 2, "batch_items": 4}})
    html = render.render(found, judge(found))
    assert "Nothing is chosen: " in html
    assert "was scored on the holdout, and settings are chosen on validation records" in html
