"""Report section: tasks of lm-evaluation-harness, before training and after every phase."""

from __future__ import annotations

from classay.evidence.rerun import Judged
from classay.records import TaskRow
from classay.reports.blocks import Block, Cell, Paragraph, Table
from classay.reports.readings import mean_and_range, named, orders, right_of, seeds
from classay.study import Study

TITLE = "lm-eval tasks"


def build(study: Study, judged: Judged) -> list[Block]:
    """The blocks of this section."""
    if not study.tasks:
        return [Paragraph("This run asks no task of lm-evaluation-harness.")]
    blocks: list[Block] = []
    for order, heading in orders(study):
        blocks += heading
        for task in study.tasks:
            blocks += [_course(study, task, order), _at_the_end(study, task, order)]
    blocks.append(
        Paragraph(
            "A task is a choice among given answers, so guessing gets some of it right, and "
            "nothing is known of whether the base has seen it."
        )
    )
    return blocks


def _course(study: Study, task: str, order: int) -> Table:
    """The share that is right after every phase."""
    phases = ["before", *(f"after {domain}" for domain in study.orders[order])]
    body: list[list[Cell]] = []
    asked, domain, metric = 0, None, "acc"
    for method in study.methods:
        runs = study.task(task, method, order)
        for row in (row for rows in runs for row in rows):
            asked, domain, metric = row.asked, row.domain, _metric(row)
        cells = [
            mean_and_range([_share(rows[p]) for rows in runs], 1, sign=False)
            if all(len(rows) == len(phases) for rows in runs)
            else "not computable"
            for p in range(len(phases))
        ]
        body.append([named(study, method, order), *cells])
    answers = f"the adapter of {domain} answers" if domain else "answered as text of no domain"
    return Table(
        f"{task}: {metric} (%), {asked} questions, {answers}",
        ("Method", *phases),
        body,
        "Mean over seeds, under it the least and the largest seed. lm-eval chooses, and counts.",
    )


def _at_the_end(study: Study, task: str, order: int) -> Table:
    """Right / asked after the last phase, seed by seed."""
    body: list[list[Cell]] = []
    for method in study.methods:
        runs = study.task(task, method, order)
        last = {
            s: rows[-1] for s, rows in zip(seeds(study, method, order), runs, strict=True) if rows
        }
        found: list[Cell] = [
            right_of(row.right[_metric(row)], row.asked, study.suite.statistics.level)
            if (row := last.get(seed))
            else "–"
            for seed in study.suite.seeds
        ]
        body.append([named(study, method, order), *found])
    level = f"{100 * study.suite.statistics.level:g}"
    return Table(
        f"{task}: right after the last phase",
        ("Method", *(f"Seed {seed}" for seed in study.suite.seeds)),
        body,
        f"Right / asked, with Wilson's {level} % interval of the share, if questions are "
        f"independent. Seeds answer the same questions and are therefore not pooled.",
    )


def _metric(row: TaskRow) -> str:
    return "acc" if "acc" in row.right else next(iter(row.right))


def _share(row: TaskRow) -> float:
    """Per cent of the questions that were answered correctly."""
    return 100 * row.right[_metric(row)] / row.asked
