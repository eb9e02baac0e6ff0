import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from classay import registry
from classay.errors import ClassayError, UnknownName
from classay.evidence.rerun import judge
from classay.reports import render as module
from classay.reports.blocks import Details
from classay.reports.headline import headline
from classay.reports.readings import mean_and_range, of_the_learned
from classay.reports.render import render, visible
from classay.reports.sections import cost, mechanism

pytestmark = pytest.mark.torchless

BANNED = ("significant", "proved", "proven", "compliant", "fraud")
TWO_ORDERS = {"orders": [["first", "second", "third"], ["third", "second", "first"]]}
NBSP = "\N{NO-BREAK SPACE}"


class Reader(HTMLParser):
    """Collects what a test asks for."""

    def __init__(self):
        super().__init__()
        self.tags, self.words, self.ids = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for key, value in attrs if key == "id"]

    def handle_data(self, data):
        self.words.append(data)


def page(study, judged=None):
    return render(study, judged or judge(study))


def read(html):
    reader = Reader()
    reader.feed(html)
    return reader


def words(html):
    return re.sub(r"[ \n]+", " ", " ".join(read(html).words))


def all_passed(study):
    judged = judge(study)
    return judged._replace(checks=[check._replace(passed=True) for check in judged.checks])


def test_the_first_screen_says_who_retains_best_by_how_much_and_whether_to_believe_it(build):
    study = build()
    found = headline(study, all_passed(study), 0)
    assert found.status == "good"
    assert found.text == (
        f"FROZEN retains best: its loss on earlier domains changed by 0.00{NBSP}% in every one of "
        "3 seeds."
    )
    assert [mark.text for mark in found.marks] == ["All 7 instrument checks passed."]
    # naive drifts by 2 · 10 % and 10 % under seed 0, by 2 · 11 % and 11 % under seed 2
    assert f"+15.75{NBSP}% on average, between +15.00{NBSP}% and +16.50{NBSP}%" in found.details[1]
    assert "the ranges do not overlap" in found.details[1]


def test_a_check_that_could_not_be_made_is_not_counted_as_passed(build):
    found = headline(build(), judge(build()), 0)
    assert found.marks[0].status == "unknown"
    assert "5 of 7 instrument checks passed; not made:" in found.marks[0].text


def test_the_same_study_gives_the_same_bytes(build):
    assert page(build()) == page(build())


def test_a_bound_is_shown_apart_and_never_named_best(build):
    study = build({"methods": {"naive_lora": None, "joint": None}, "statistics.margin": 50})
    assert headline(study, judge(study), 0).text.startswith("NAIVE_LORA retains best")
    assert "Bounds, for scale" in words(page(study))
    assert "The plan's reference, frozen, is not shown here." in words(page(study))


def test_methods_that_retain_equally_well_are_named_together(build):
    study = build({"methods": {"naive_lora": None, "twin": {"method": "naive_lora"}}})
    twins = [j._replace(drift=(0.0, 0.0, 0.0), gain=1.0) for j in judge(study).judgements]
    found = headline(study, judge(study)._replace(judgements=twins), 0)
    assert found.text.startswith("NAIVE_LORA and TWIN retain best")


def test_who_learned_nothing_is_not_ranked(build):
    study = build()
    judged = judge(study)
    idle = [j._replace(gain=0.0) if j.method == "frozen" else j for j in judged.judgements]
    found = headline(study, judged._replace(judgements=idle), 0)
    assert found.text.startswith("NAIVE_LORA retains best")
    assert found.details[-1] == (
        "FROZEN is not ranked: it did not learn every domain, so it had less to forget."
    )


def test_who_learned_less_than_half_of_what_naive_did_is_flagged_and_not_ranked(build):
    # naive falls from 4 to 2 nats, "lazy" to 3.2 and "half" to 3: 0.8 / 2 and 1 / 2 of its gain
    slow = {name: {"method": "l2_init"} for name in ("lazy", "half")}
    study = build({"methods": {"naive_lora": None, **slow}})
    judged = judge(study)
    assert [j.naive.share for j in judged.judgements] == pytest.approx([1, 0.4, 0.5])
    found = headline(study, judged, 0)
    assert found.text.startswith("HALF retains best")
    said = "LAZY is not ranked: did not learn: 40 % of the gain of naive_lora."
    assert found.details[-1] == said
    html = words(page(study))
    # on the first screen and beside the verdict
    assert html.count("did not learn: 40 % of the gain of naive_lora") == 2
    gains = html[html.index("Of what naive learned") :]
    assert "40.0\xa0% did not learn" in gains
    assert "50.0\xa0% did not learn" not in gains


def test_without_naive_no_share_of_its_gain_is_given(build):
    study = build({"methods": {"frozen": None, "joint": None}})
    assert [j.naive.share for j in judge(study).judgements] == [None]
    gains = words(page(study)).partition("Of what naive learned")[2]
    assert gains.partition("Below half")[0].count("not estimable") == 2


def test_a_domain_that_was_not_learned_gets_no_forgetting(build):
    # every domain falls from 4 to 2 nats
    html = page(build({"statistics.learning_floor": 2.5}))
    drift = html[html.index("Drift since each domain was learned") :]
    drift = drift[: drift.index("</table>")]
    assert drift.count("not learned") == 4  # two methods, two domains that could be forgotten
    assert "%" not in words(drift[drift.index("<tbody") :])
    assert "not learned" not in page(build())


def test_one_seed_that_did_not_learn_is_left_out_of_the_mean(build):
    assert of_the_learned([1.0, 3.0, 50.0], [True, True, False]) == mean_and_range(
        [1.0, 3.0], counted=True
    )
    assert of_the_learned([1.0, 3.0], [True, True]) == mean_and_range([1.0, 3.0])
    assert of_the_learned([1.0], [False]) == "not learned"
    assert of_the_learned([], []) == "not estimable (n = 0)"


def test_a_failed_cell_is_shown_and_every_aggregate_without_it_is_incomplete(build):
    study = build(failed={"naive_lora-o0-s1": "Loss is nan at /home/someone/runs/x, step 3"})
    html = page(study)
    text = words(html)
    assert "Loss is nan at …/x, step 3" in text
    assert "/home" not in html
    assert "NAIVE_LORA is not ranked: incomplete (2 of 3 seeds)" in text
    # wherever the method heads a row or a column, the remark stands with it
    heads = re.findall(r"<th[^>]*>\s*<code>naive_lora</code>(.*?)</th>", html, re.DOTALL)
    assert len(heads) > 8
    assert all("incomplete (2 of 3 seeds)" in head for head in heads)


def test_a_run_without_a_finished_cell_has_a_report(build):
    names = [f"{method}-o0-s{seed}" for method in ("naive_lora", "frozen") for seed in range(3)]
    text = words(page(build(failed=dict.fromkeys(names, "gone"))))
    assert "No method can be named." in text
    assert "not estimable (n = 0)" in text


def test_one_seed_is_not_estimable(build):
    study = build({"seeds": [0]})
    text = words(page(study))
    assert "not estimable (n = 1)" in text
    assert f"FROZEN retains best: its loss on earlier domains changed by 0.00{NBSP}% in the only" \
        in text  # fmt: skip
    assert "No verdict: 1 seed(s); a verdict needs 3" in text
    assert headline(study, judge(study), 0).status == "unknown"


def test_when_the_instrument_failed_nothing_is_concluded_anywhere(build, moved):
    study = moved(build())
    judged = judge(study)
    html = page(study, judged)
    assert "The instrument failed, so nothing is concluded about any method." in words(html)
    assert "1 of 7 instrument checks failed: FROZEN does not drift." in words(html)
    assert 'class="mark bad">FAILED' in html
    assert html.count('class="mark bad">instrument failed') == len(judged.judgements)
    assert 'class="mark good">supported' not in html
    assert "retains best" not in html


@pytest.mark.parametrize("place", ["title", "intended_use", "stream.domains.0.licence"])
def test_hostile_text_is_shown_and_does_nothing(build, place):
    html = page(build({place: "<script>alert(1)</script> \x1b[31m \u202etxt.exe \u200b & more"}))
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    for code in ("⟨U+001B⟩", "⟨U+202E⟩", "⟨U+200B⟩"):
        assert code in html
    assert not {"\x1b", "\u202e", "\u200b"} & set(html)


def test_a_lone_surrogate_does_not_stop_the_report():
    assert visible("\ud800x") == "⟨U+D800⟩x"


def test_nothing_is_fetched_and_no_script_can_run(build):
    html = page(build())
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"" in html
    reader = read(html)
    assert "script" not in {tag for tag, _ in reader.tags}
    for _, attributes in reader.tags:
        assert not [key for key in attributes if key.startswith("on")]
        for key in ("src", "href", "xlink:href"):
            assert (attributes.get(key) or "#").startswith(("#", "data:"))
    assert "http" not in html.replace("http-equiv", "")
    assert "@import" not in html


def test_ids_are_unique_and_every_link_in_the_page_leads_somewhere(build):
    reader = read(page(build(TWO_ORDERS)))
    assert len(reader.ids) == len(set(reader.ids))
    links = {a["href"][1:] for tag, a in reader.tags if tag == "a"}
    assert links <= set(reader.ids)


def test_every_table_has_a_caption_and_every_header_a_scope(build):
    reader = read(page(build()))
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("table") == tags.count("caption") > 10
    assert all(a.get("scope") in ("row", "col") for tag, a in reader.tags if tag == "th")
    assert tags.count("svg") == tags.count("figure") == 2


def test_every_order_is_named_and_has_a_verdict(build):
    text = words(page(build(TWO_ORDERS)))
    assert "Order 1: first → second → third" in text
    assert "Order 2: third → second → first" in text
    assert text.count("retains best") == 2


@pytest.mark.parametrize("changes", [{}, {"methods": {"frozen": None, "joint": None}}])
def test_words_that_claim_too_much_are_absent(build, changes):
    text = page(build(changes)).lower()
    assert [word for word in BANNED if word in text] == []


def test_without_the_yardstick_a_ratio_of_seconds_is_not_estimable(build):
    study = build({"methods": {"frozen": None}})
    (table,) = [b for b in cost.build(study, judge(study)) if b.kind == "table"]
    at = [str(head) for head in table.header].index("Seconds a step / naive_lora")
    assert [row[at] for row in table.rows] == ["not estimable (n = 0)"]


def test_a_demonstration_says_so_before_anything_else(build):
    banner = "demonstration: random weights; says nothing about any method"
    html = page(build({"base.demonstration": True}))
    assert html.index(banner) < html.index("<h1>")
    assert banner not in page(build())


def test_cells_that_ran_elsewhere_are_told_apart(build):
    study = build()
    record = study.cells[0]
    head = record.head.model_copy(update={"dirty": True})
    object.__setattr__(record, "rows", (head, *record.rows[1:]))
    text = words(page(study))
    assert "Cells differ in" in text
    assert "changed since the commit" in text
    assert "Cells differ in" not in words(page(build()))


def test_the_folder_of_the_run_is_not_printed(build, tmp_path):
    assert str(tmp_path) not in page(build())


def test_a_report_too_large_to_open_is_refused(build, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 1000)
    with pytest.raises(ClassayError, match=r"bytes and may have 1,000\.\n  .*fewer methods"):
        page(build())


CRMA = {
    "frozen": None,
    "crma": {"preset": "strong"},
    "crma_permutation": {
        "method": "crma",
        "preset": "strong",
        "control": "fixed_permutation",
    },
}


def test_no_number_of_crma_is_printed_without_its_disclosure(build, mixing):
    disclosure = registry.load("method", "crma").DISCLOSURE.replace("`", "")  # a code element
    assert disclosure not in words(page(build()))
    found = words(page(mixing(build({"methods": CRMA}))))
    assert found.count(disclosure) == 1
    assert found.index(disclosure) < found.index("instrument checks")


def test_the_strength_of_a_mechanism_stands_beside_every_number_of_its_method(build, mixing):
    html = page(mixing(build({"methods": CRMA}))).partition("<nav")[2]  # below the disclosure
    # a line breaks before a number and not within it
    kept = ("α 0.400 to 0.500", "‖g − I‖ 0.200 to 0.250")
    beside = ", ".join([*(each.replace(" ", NBSP) for each in kept), "gap without crma 0.125"])
    names = len(re.findall(r"<code>crma(_permutation)?</code>", html))
    headline = html.count("What the mechanism of CRMA does")  # it names the next best, too
    assert headline == 1
    assert html.count(beside) == names + headline
    assert names > 10


def test_what_promises_certify_is_said_with_them(build, mixing):
    found = words(page(mixing(build({"methods": CRMA}))))
    assert "true of every doubly stochastic matrix, the identity and every permutation" in found
    assert "crma_permutation is a control (fixed_permutation). It keeps 2 of 2 promises" in found
    assert "crma is a control" not in found


def test_the_gap_is_shown_for_every_phase_and_domain(build, mixing):
    study = mixing(build({"methods": CRMA}))
    blocks = mechanism.build(study, judge(study))
    (table,) = [b for b in blocks if getattr(b, "caption", "").startswith("Bypass gap")]
    assert [row[0].first.text for row in table.rows] == ["crma", "crma_permutation"]
    details = [block for block in blocks if isinstance(block, Details)]
    (inner,) = details[0].blocks
    assert [
        [cell if isinstance(cell, str) else cell.text for cell in row] for row in inner.rows
    ] == [
        ["first", "+0.1250", "–", "–"],
        ["second", "+0.1250", "+0.1250", "–"],
        ["third", "+0.1250", "+0.1250", "+0.1250"],
    ]


def test_without_a_mechanism_the_section_says_so(build):
    study = build()
    bare = replace(study, cells=tuple(replace(c, rows=c.rows[:1]) for c in study.cells))
    (said,) = mechanism.build(bare, judge(study))
    assert said.text == "No method of this run states an invariant or can be switched off."


def test_an_unknown_profile_is_an_error_that_lists_the_known(build):
    with pytest.raises(UnknownName, match=r"no profile is called 'ran'\. Did you mean 'run'"):
        render(build(), judge(build()), "ran")


def test_every_section_that_is_built_in_is_in_a_profile():
    profiles = module._profiles()
    sections = [name for profile in profiles.values() for name in profile["sections"]]
    assert sorted(set(sections)) == registry.names("section")
