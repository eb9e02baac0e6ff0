"""What the report says of questions whose adapter a router chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from classay.evidence.rerun import judge
from classay.records import Margin, Margins, RoutedAnswer, RouteRow, Sums
from classay.reports.blocks import Details, Paragraph, Table
from classay.reports.render import render
from classay.reports.sections import accuracy, routing

DOMAINS = ("first", "second", "third")
NEXT = dict(zip(DOMAINS, (*DOMAINS[1:], DOMAINS[0]), strict=True))
NBSP = "\N{NO-BREAK SPACE}"


def answers(domain: str, router: str) -> list[RoutedAnswer]:
    """Four questions a domain, all right at home; the centroid sends one on, where it is wrong."""
    sent = [domain] * 4 if router == "oracle" else [NEXT[domain], *[domain] * 3]
    return [
        RoutedAnswer(item=f"{domain}-{i}", to=to, correct=to == domain) for i, to in enumerate(sent)
    ]


KEPT = {"oracle": 0, "nearest_centroid": 6144}


def margins(asked: bool) -> dict[str, Margins]:
    """Of eight items 0.25 each, all at home; of the probes three at home and one sent on."""
    none = Margin(total=0.0, items=0)
    items = Margins(right=Margin(total=2.0, items=8), wrong=none)
    sent_on = Margins(right=Margin(total=0.75, items=3), wrong=Margin(total=0.125, items=1))
    return {"items": items} | ({"probes": sent_on} if asked else {})


def routes(asked: bool, kept: Mapping[str, int | None], sure: bool) -> list[RouteRow]:
    return [
        RouteRow(
            after=2,
            domain=domain,
            router=router,
            sent={to: 8 * (to == domain) for to in DOMAINS},
            total=Sums(nats=2000.0, tokens=1000, bytes=4000, items=8),
            answers=answers(domain, router) if asked else [],
            margins=margins(asked) if sure and router == "nearest_centroid" else {},
            kept_bytes=kept[router],
        )
        for domain in DOMAINS
        for router in ("oracle", "nearest_centroid")
    ]


@pytest.fixture
def study(build):
    def make(asked: bool = True, kept=KEPT, sure: bool = False, **more):
        made = build({"evaluation.routers": ["oracle", "nearest_centroid"]}, **more)
        cells = [
            replace(record, rows=(*record.rows[:-1], *routes(asked, kept, sure), record.rows[-1]))
            if record.cell.method == "frozen" and record.state == "done"
            else record
            for record in made.cells
        ]
        return replace(made, cells=tuple(cells))

    return make


def tables(blocks):
    (losses, *asked) = [block for block in blocks if isinstance(block, Table)]
    (confusion,) = [block for block in blocks if isinstance(block, Details)]
    return losses, asked, confusion


def test_right_and_asked_by_seed_with_wilson_by_hand(study):
    made = study()
    _, (asked,), _ = tables(routing.build(made, judge(made)))
    assert asked.caption.startswith("Probes answered under each router")
    assert asked.header == ("Method", "Router", "Seed 0", "Seed 1", "Seed 2")
    oracle, centroid = asked.rows
    assert (oracle[1].first, centroid[1].first) == ("Oracle", "Nearest centroid")
    # three domains of four questions; the centre is (k + z²/2)/(n + z²) = 0.757 of 12 + 3.84 for
    # all 12, and its half width reaches 1; for 9 it is 0.689 ± 0.222
    assert [cell.first.text for cell in oracle[2:]] == ["12 / 12"] * 3
    assert [cell.second.text for cell in oracle[2:]] == [f"[75.8, 100.0]{NBSP}%"] * 3
    assert [cell.first.text for cell in centroid[2:]] == ["9 / 12"] * 3
    assert [cell.second.text for cell in centroid[2:]] == [f"[46.8, 91.1]{NBSP}%"] * 3


def test_what_a_router_keeps_stands_beside_its_losses(study):
    made = study()
    losses, _, _ = tables(routing.build(made, judge(made)))
    assert losses.header[-1] == "Bytes kept"
    assert [row[-1].text for row in losses.rows] == ["0", "6,144"]
    older = study(kept=dict.fromkeys(KEPT))
    losses, _, _ = tables(routing.build(older, judge(older)))
    assert [row[-1] for row in losses.rows] == ["not recorded"] * 2


def test_the_confusion_of_probes_stands_beside_that_of_items(study):
    made = study()
    _, _, confusion = tables(routing.build(made, judge(made)))
    # 3 seeds × 3 domains × 8 items, and × 4 probes of which the centroid sends one on
    assert [table.caption for table in confusion.blocks] == [
        "Oracle: 72 of 72 items to their own domain's adapter",
        "Nearest centroid: 72 of 72 items to their own domain's adapter",
        "Oracle: 36 of 36 probes to their own domain's adapter",
        "Nearest centroid: 27 of 36 probes to their own domain's adapter",
    ]
    last = confusion.blocks[-1]
    assert last.header == ("probes of", "to first", "to second", "to third")
    assert [[row[0], *(n.text for n in row[1:])] for row in last.rows] == [
        ["first", "9", "3", "0"],
        ["second", "0", "9", "3"],
        ["third", "3", "0", "9"],
    ]


def test_no_adapter_is_a_column_of_its_own_and_no_wrong_domain(study):
    made = study()

    def left(row):
        """One of the centroid's items is left to the base, and the probe that it sent on."""
        if not isinstance(row, RouteRow) or row.router == "oracle":
            return row
        first = row.answers[0].model_copy(update={"to": "base alone"})
        sent = row.sent | {row.domain: 7, "base alone": 1}
        return row.model_copy(update={"sent": sent, "answers": [first, *row.answers[1:]]})

    cells = tuple(replace(r, rows=tuple(map(left, r.rows))) for r in made.cells)
    made = replace(made, cells=cells)
    _, _, confusion = tables(routing.build(made, judge(made)))
    assert [table.caption for table in confusion.blocks] == [
        "Oracle: 72 of 72 items to their own domain's adapter",
        "Nearest centroid: 63 of 72 items to their own domain's adapter, 9 to none",
        "Oracle: 36 of 36 probes to their own domain's adapter",
        "Nearest centroid: 27 of 36 probes to their own domain's adapter, 9 to none",
    ]
    told, items, _, probes = confusion.blocks
    assert told.header == ("items of", "to first", "to second", "to third")
    for table, own in ((items, 21), (probes, 9)):
        assert table.header[1:] == ("to first", "to second", "to third", "base alone")
        rows = [[n.text for n in row[1:]] for row in table.rows]
        assert rows == [[str(own * (i == j)) for j in range(3)] + ["3"] for i in range(3)]


def test_how_sure_a_router_was_right_and_wrong_by_hand(study):
    made = study(sure=True)
    _, (_, sure), _ = tables(routing.build(made, judge(made)))
    assert sure.caption.startswith("How sure each router was")
    # the oracle scores nothing
    ((method, router, unit, *means),) = sure.rows
    assert (method.first.text, router.first, unit) == ("frozen", "Nearest centroid", "cosine")
    # 3 seeds × 3 domains × 8 items of 0.25; 3 probes of 0.25 and one of 0.125
    items, astray, right, wrong = means
    assert astray == "none"
    assert [cell.first.text for cell in (items, right, wrong)] == ["0.250", "0.250", "0.125"]
    assert [cell.second.text for cell in (items, right, wrong)] == ["n = 72", "n = 27", "n = 9"]
    assert "How sure each router was" in render(made, judge(made))


def test_ledgers_without_margins_say_so(study):
    made = study()
    blocks = routing.build(made, judge(made))
    said = [block.text for block in blocks if isinstance(block, Paragraph)]
    assert said[-1] == "The ledgers hold no margin of a router."


def test_a_seed_that_has_not_ended_has_no_value(study):
    made = study(failed={"frozen-o0-s1": "loss is nan"})
    _, (asked,), _ = tables(routing.build(made, judge(made)))
    assert [row[3] for row in asked.rows] == ["no value"] * 2
    assert "incomplete (2 of 3 seeds)" in asked.rows[0][0].second


def test_routers_that_were_asked_nothing_say_so(study):
    made = study(asked=False)
    blocks = routing.build(made, judge(made))
    _, asked, confusion = tables(blocks)
    assert asked == []
    assert len(confusion.blocks) == 2
    said = [block.text for block in blocks if isinstance(block, Paragraph)]
    assert "The ledgers hold no probe that was answered under a router." in said


def test_answers_under_a_router_are_in_no_other_table(study):
    with_them, without = study(), study(asked=False)
    assert accuracy.build(with_them, judge(with_them)) == accuracy.build(without, judge(without))
    for method in with_them.methods:
        now, before = with_them.accuracy(method), without.accuracy(method)
        assert now.tolist() == before.tolist()


def test_the_page_shows_them(study):
    made = study()
    html = render(made, judge(made))
    assert "Probes answered under each router" in html
    assert "27 of 36 probes" in html
