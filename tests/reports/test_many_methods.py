"""A report of more methods than fit beside each other."""

import re

import pytest

from classay import ending
from classay.errors import ConfigError, UnknownName
from classay.evidence.rerun import judge
from classay.reports.blocks import Details, Figure, Paragraph, Table
from classay.reports.plane import SHAPES, plane
from classay.reports.render import LARGEST, render
from classay.reports.sections import learned_and_kept, losses, mechanism, retention
from classay.reports.svg import OFTEN

pytestmark = pytest.mark.torchless

NAIVE = {"method": "naive_lora"}


def named(count):
    return {f"m{i:02d}": NAIVE for i in range(count)}


def tables(section, study):
    return {b.caption: b for b in section.build(study, judge(study)) if isinstance(b, Table)}


def first(cell):
    """The words of a row's head."""
    head = cell.first if hasattr(cell, "first") else cell
    return getattr(head, "text", head)


def test_the_one_that_retains_best_stands_first_whatever_the_suites_order(build):
    study = build({"methods": {"naive_lora": None, "joint": None, "frozen": None}})
    figure = next(b for b in retention.build(study, judge(study)) if isinstance(b, Figure))
    assert figure.title.endswith("every seed, best first")
    # naive rises by 10 % and more; of the two that stay where they were the suite's order decides
    assert [first(row[0]) for row in figure.table.rows] == ["joint", "frozen", "naive_lora"]
    drawn = re.findall(r">(joint[^<]*|frozen|naive_lora)</text>", figure.svg)
    assert [label.split(",")[0].split(" ")[0] for label in drawn] == [
        "joint",
        "frozen",
        "naive_lora",
    ]


def test_a_method_without_a_finished_cell_stands_last(build):
    gone = {f"naive_lora-o0-s{seed}": "gone" for seed in range(3)}
    study = build({"methods": {"naive_lora": None, "frozen": None}}, failed=gone)
    figure = next(b for b in retention.build(study, judge(study)) if isinstance(b, Figure))
    assert [first(row[0]) for row in figure.table.rows] == ["frozen", "naive_lora"]


def pairs(study):
    (table,) = (t for title, t in tables(retention, study).items() if title.startswith("Do the"))
    return table.caption, [row[0].first for row in table.rows]


def test_ten_competitors_are_compared_pair_by_pair(build):
    title, found = pairs(build({"methods": named(10)}))
    assert title == "Do the seeds of two competitors overlap?"
    assert len(found) == 10 * 9 / 2


def test_of_more_the_neighbours_and_each_with_the_reference(build):
    title, found = pairs(build({"methods": {**named(10), "frozen": None}}))
    assert "neighbours in the order of their means, and each with the reference" in title
    # frozen, which does not drift, m00, m01, …: ten neighbours, and frozen with the other nine
    assert found[:2] == ["frozen and m00", "m00 and m01"]
    assert found[10:] == [f"frozen and m{i:02d}" for i in range(1, 10)]


def conventions(study):
    return tables(retention, study)["The same losses under every convention"]


def test_the_longer_side_of_the_table_of_conventions_goes_down_the_page(build):
    few, many = (conventions(build({"methods": named(count)})) for count in (2, 40))
    assert (few.header[0], many.header[0]) == ("Convention", "Method")
    assert len(many.rows) == 40
    assert len(many.header) == 1 + len(few.rows)
    # the same number in the same cell
    assert many.rows[1][3] == few.rows[2][2]
    assert "compare only within a row" in few.note
    assert "compare only within a column" in many.note


def points(count):
    return {f"method {i}": [(float(i), 2.0 * i), (i + 0.5, 2.0 * i)] for i in range(count)}


def plotted(count):
    words = {"title": "t", "description": "d", "x": "x", "y": "y"}
    return plane(points(count), name="one", margin=5.0, **words)


def test_methods_beyond_the_shapes_have_numbers_and_none_is_left_out():
    few, many = plotted(len(SHAPES)), plotted(len(SHAPES) + 1)
    assert ">method 11</text>" in few
    for i in range(len(SHAPES) + 1):
        assert f">{i + 1} method {i}</text>" in many
        assert re.search(rf">{i + 1}</text>", many), i
    mark = re.search(r"\.(one-s\d+)\{[^}]*fill: var\(--accent\)", many)[1]
    assert len(re.findall(rf'<use [^>]*class="{mark}"', many)) == 2 * (len(SHAPES) + 1)


def test_every_method_of_a_large_run_is_on_the_plane(build):
    study = build({"methods": named(15)})
    figure = next(b for b in learned_and_kept.build(study, judge(study)) if isinstance(b, Figure))
    assert {first(row[0]) for row in figure.table.rows} == set(named(15))


def drawn_and_said(study):
    found = mechanism.build(study, judge(study))
    figures = [b.title.split(":")[0] for b in found if isinstance(b, Figure)]
    said = [b.text for b in found if isinstance(b, Paragraph) and "the first is drawn" in b.text]
    return figures, said


def test_of_many_traces_the_first_of_each_method_is_drawn_and_the_rest_are_named(build, mixing):
    crma = {f"crma_{i}": {"method": "crma", "preset": "strong"} for i in range(6)}
    assert drawn_and_said(mixing(build({"methods": crma}))) == (list(crma), [])
    study = mixing(build({"methods": {**crma, "crma_of_another": NAIVE}}))
    figures, (said,) = drawn_and_said(study)
    assert figures == ["crma_0", "crma_of_another"]
    assert said.endswith("draws the others: crma_1, crma_2, crma_3, crma_4, crma_5.")


def test_single_seeds_of_many_methods_are_left_to_an_excerpt(build):
    few, many = (
        losses.build(s, judge(s)) for s in (build({"methods": named(n)}) for n in (12, 13))
    )
    assert sum(isinstance(b, Details) for b in few) == 12
    assert not any(isinstance(b, Details) for b in many)
    assert "classay report RUN --methods NAMES --output FILE" in many[-1].text
    assert sum(isinstance(b, Table) for b in many) == 13  # the means are all there


def test_an_excerpt_holds_its_methods_alone_and_says_so(build):
    study = build({"methods": {"naive_lora": None, "frozen": None, "joint": None}})
    part = study.only(["frozen", "joint"])
    assert (part.methods, part.left_out) == (["frozen", "joint"], ["naive_lora"])
    html = render(part, judge(part))
    assert "an excerpt, without 1 other methods of this run" in html
    assert "<code>naive_lora</code>" not in html
    whole = render(study, judge(study))
    assert "an excerpt" not in whole
    with pytest.raises(UnknownName, match=r"no method is called 'frosen'. Did you mean 'frozen'"):
        study.only(["frosen"])


def test_an_excerpt_never_takes_the_place_of_the_runs_report(build, tmp_path_factory):
    study = build({"methods": {"naive_lora": None, "frozen": None}}).only(["frozen"])
    with pytest.raises(
        ConfigError, match=r"without 1 others, is not the report of the run.*\n.*--output"
    ):
        ending.report(study, None, None)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert ending.report(study, None, elsewhere / "part.html").is_file()


def test_marks_of_many_points_are_styled_once_and_only_in_their_own_figure():
    svg = plotted(len(SHAPES) + 1)
    (rules,) = re.findall(r"<style>(.*?)</style>", svg)
    selectors = re.findall(r"([^{}]+)\{", rules)
    assert selectors
    assert all(selector.startswith(".one-s") for selector in selectors)
    for selector in selectors:
        assert svg.count(f'class="{selector[1:]}"') >= OFTEN
    ids = set(re.findall(r' id="([^"]+)"', svg))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    assert ids - used == {"one-title", "one-desc"}


def test_fifty_methods_fit_into_what_a_browser_opens_without_waiting(build, mixing):
    crma = {f"crma_{i:02d}": {"method": "crma", "preset": "strong"} for i in range(14)}
    study = mixing(build({"methods": {**named(35), **crma, "frozen": None}}))
    assert len(render(study, judge(study), "comparison").encode()) < LARGEST
