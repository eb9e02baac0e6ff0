import re
from dataclasses import replace
from random import Random
from xml.etree import ElementTree

import pytest

from classay.evidence.rerun import judge
from classay.mechanism import Envelope
from classay.records import TraceRow
from classay.reports.blocks import Figure
from classay.reports.render import render
from classay.reports.rounding import anchor, scale, short
from classay.reports.sections import mechanism
from classay.reports.traces import BUCKETS, thin, traces

SUMS = (0.0, 2e-6)
CRMA = {"frozen": None, "crma": {"preset": "strong"}}


def envelope(values, phase=0, promised=SUMS, name="row sums", outside=0):
    start = phase * len(values)
    steps = [start + i + 1 for i in range(len(values))]
    greatest = [1.5 * v for v in values]
    return Envelope(name, promised, phase, steps, values, greatest, 2 * len(values), outside)


def drawn(panels, ends=(4, 8), name="one"):
    words = {"title": "crma", "description": "Over the stream."}
    return traces(panels, list(ends), name=name, **words)


def two_phases(**form):
    return [envelope([1e-8, 4e-8, 2e-8, 1e-7], phase, **form) for phase in (0, 1)]


def test_three_steps_become_two_points_that_hold_the_least_and_the_greatest():
    found = Envelope("n", None, 0, [1, 2, 3], [5.0, 1.0, 2.0], [6.0, 7.0, 3.0], 6, 0)
    assert thin(found, 2) == ([1.5, 3.0], [1.0, 2.0], [7.0, 3.0])
    assert thin(found, 3) == ([1, 2, 3], [5.0, 1.0, 2.0], [6.0, 7.0, 3.0])


@pytest.mark.parametrize("most", [1, 2, 7, 120, 4000])
def test_what_is_thinned_lies_inside_and_loses_neither_end(most):
    rng = Random(0)
    least = [rng.random() for _ in range(1000)]
    greatest = [low + rng.random() for low in least]
    steps, low, high = thin(Envelope("n", None, 0, [*range(1000)], least, greatest, 0, 0), most)
    assert len(steps) == len(low) == len(high) <= most
    assert (min(low), max(high)) == (min(least), max(greatest))
    assert thin(Envelope("n", None, 0, [*range(1000)], least, greatest, 0, 0), most)[0] == steps


def crosses(svg):
    """Markers in the colour of what is bad."""
    return re.findall(
        r'<use href="#[^"]+" x="[^"]+" y="[^"]+" style="[^"]*stroke: var\(--bad\)', svg
    )


@pytest.mark.parametrize("at", [0, 1, 6173, 9998, 9999])
def test_one_step_of_ten_thousand_that_is_outside_is_seen(at):
    values = [1e-8] * 10_000
    assert crosses(drawn({"row sums": [envelope(values)]}, [10_000])) == []
    values[at] = 3e-6
    svg = drawn({"row sums": [envelope(values, outside=1)]}, [10_000])
    assert len(crosses(svg)) == 1
    assert ">1 of 20,000 outside</text>" in svg


def test_below_the_least_allowed_is_outside_too():
    low = [envelope([0.5, 0.5, -0.001, 0.5], promised=(0.0, 1.0), outside=1)]
    assert len(crosses(drawn({"least entry": low}, [4]))) == 1


def test_the_bytes_of_a_panel_do_not_grow_with_the_steps():
    few, many = (
        len(drawn({"row sums": [envelope([1e-8, 4e-8] * n)]}, [2 * n])) for n in (BUCKETS, 50_000)
    )
    assert many < 1.5 * few
    assert many < 20_000


def heights(values, promised):
    """Where values lie in a panel, 0 at its bottom and 1 at its top."""
    from matplotlib.figure import Figure as Drawing

    axes = Drawing().add_axes((0, 0, 1, 1))
    zero = anchor(promised) or 0.0
    allowed = promised and (promised[0] - zero, promised[1] - zero)
    found = [value - zero for value in values]
    scale(axes, (min(found), max(found)), allowed, anchor(promised) is not None)
    to = axes.transData + axes.transAxes.inverted()
    return [float(to.transform((0.5, value))[1]) for value in found]


def test_rounding_is_seen_beside_its_tolerance():
    zero, rounding, limit = heights([0.0, 1e-8, 2e-6], SUMS)
    assert 0 < zero < rounding - 0.2 < rounding < limit - 0.3 < limit < 1
    # on a linear axis it would be the two-hundredth part of the way
    below, one, above = heights([1 - 1e-7, 1.0, 1 + 1e-7], (1 - 2e-6, 1 + 2e-6))
    assert 0 < below < one - 0.2 < one < above - 0.2 < above < 1


def test_a_wide_promise_and_what_is_only_shown_are_linear():
    low, middle, high = heights([0.0, 0.5, 1.0], (0.0, 1.0))
    assert middle == pytest.approx((low + high) / 2)
    half, whole = heights([0.25, 0.5], None)
    assert whole == pytest.approx(2 * half)  # from 0


@pytest.mark.parametrize(
    ("values", "promised"),
    [
        ([0.0, 1e3], SUMS),
        ([-1e3, 1e-9], SUMS),
        ([0.0, 0.0], (0.0, 0.0)),
        ([0.0, 7.0], (0.0, 0.0)),
        ([-5.0, 9.0], (0.0, 1.0)),
        ([0.0, 0.0], None),
        ([-3.0, -2.0], None),
        ([0.9, 1.0], (1 - 2e-6, 1 + 2e-6)),
    ],
)
def test_nothing_that_was_found_is_outside_the_panel(values, promised):
    assert all(0 <= height <= 1 for height in heights(values, promised))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (2e-6, "2·10⁻⁶"), (-2.4e-7, "−2.4·10⁻⁷"), (1e-7, "10⁻⁷"), (9.99e-7, "10⁻⁶"),
     (1e12, "10¹²")],
)  # fmt: skip
def test_a_tick_is_a_number_and_its_power_of_ten(value, text):
    assert short(value) == text


def test_the_same_numbers_give_the_same_bytes_and_ids_of_their_own():
    panels = {"row sums": two_phases(), "α": two_phases(promised=None)}
    assert drawn(panels) == drawn(panels)
    both = re.findall(r'\bid="([^"]+)"', drawn(panels) + drawn(panels, name="two"))
    assert len(both) == len(set(both)) > 0
    ElementTree.fromstring(drawn(panels))
    assert not re.findall(r"#[0-9a-f]{6}\b", drawn(panels))


def test_a_panel_says_what_is_promised_what_is_outside_and_what_is_only_shown():
    svg = drawn(
        {"bound": two_phases(promised=(1 - 2e-6, 1 + 2e-6)), "α": two_phases(promised=None)}
    )
    for word in ("bound − 1", "0 of 16 outside", "−2·10⁻⁶", "only shown", "phase (8 steps in all)"):
        assert f">{word}</text>" in svg


def test_twenty_phases_have_labels_that_do_not_touch():
    phases = [envelope([0.5], phase, promised=None) for phase in range(20)]
    svg = drawn({"σ₂": phases}, range(1, 21))
    assert re.findall(r">(\d+)</text>", svg) == ["1", "5", "9", "13", "17"]


def figures(study):
    return [b for b in mechanism.build(study, judge(study)) if isinstance(b, Figure)]


def test_every_method_that_traces_has_a_figure_and_a_row_a_phase_and_number(build, mixing):
    (figure,) = figures(mixing(build({"methods": CRMA})))
    assert figure.title == "crma: its mechanism over the stream"
    assert "1 first, 2 second, 3 third" in figure.description
    assert "What staying inside certifies, and what not" in figure.description
    rows = [[c if isinstance(c, str) else getattr(c, "text", "") for c in row]
            for row in figure.table.rows]  # fmt: skip
    assert len(rows) == 9
    sums, alpha = figure.table.rows[0], figure.table.rows[3]
    assert (sums[0].first, sums[0].second) == ("row sums", "phase 1 first")
    # two layers, two rows a phase, three seeds
    assert rows[0][1:] == ["0.000000000", "0.000000100", "0.000000000 to 0.000002000", "0 of 12"]
    assert alpha[0].first == "α"
    assert rows[3][1:] == ["0.4000", "0.5000", "only shown", "–"]
    assert figures(build()) == []


def test_a_figure_without_some_seeds_says_so(build, mixing):
    (figure,) = figures(mixing(build({"methods": CRMA}, failed={"crma-o0-s1": "gone"})))
    assert "incomplete (2 of 3 seeds)" in figure.title


def test_every_order_has_a_figure_with_ids_of_its_own(build, mixing):
    orders = [["first", "second", "third"], ["third", "second", "first"]]
    study = mixing(build({"methods": CRMA, "orders": orders}))
    html = render(study, judge(study), "comparison")
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert html.count(": its mechanism over the stream</title>") == 2
    assert "1 third, 2 second, 3 first" in html


def test_what_promises_certify_is_said_once(build, mixing):
    study = mixing(build({"methods": CRMA}))
    html = render(study, judge(study), "comparison")
    assert html.count("They certify that Sinkhorn") == 1


def promising_nothing(row):
    return row.model_copy(update={"promised": {}}) if isinstance(row, TraceRow) else row


def test_what_one_method_promises_stays_promised_beside_one_that_only_shows_it(build, mixing):
    free = {"crma_free": {"method": "crma", "preset": "strong", "control": "free"}}
    study = mixing(build({"methods": CRMA | free}))
    cells = tuple(
        replace(record, rows=tuple(map(promising_nothing, record.rows)))
        if record.cell.method == "crma_free"
        else record
        for record in study.cells
    )
    study = replace(study, cells=cells)
    table, *_ = mechanism.build(study, judge(study))[1:]
    (sums,) = [row for row in table.rows if row[0].first == "row sums"]
    assert sums[0].second.values == (0.0, 2e-6)
    assert (sums[-2].second, sums[-1].second) == ("0 of 36 outside", "of 36")
