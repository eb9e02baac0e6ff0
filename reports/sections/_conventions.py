"""The same matrices under every convention in use, for every method."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from classay.evidence.quantities import DIGITS
from classay.reports.blocks import Cell, Stack, Table
from classay.reports.readings import by_seed, conventions, mean_and_range, named, upright
from classay.study import Floats, Study


def every_convention(
    study: Study, order: int, what: str, kind: str, matrices: Mapping[str, Floats], note: str
) -> Table:
    """Mean and range over seeds of every metric that reads such a matrix.

    what      "losses" or "answers", for the caption
    kind      "loss" or "score"
    matrices  a method -> (seeds, T + 1, T), in the unit that the metrics print
    note      what stands under the table, before what may be compared
    """
    metrics = conventions(kind)

    def shown(metric: ModuleType, method: str) -> Cell:
        values = by_seed(metric, matrices[method])
        signed = kind == "loss" and metric.UNIT == "%"
        return mean_and_range(values, DIGITS.get(metric.UNIT, 3), signed)

    names: list[Cell] = [Stack(metric.TITLE, metric.UNIT) for metric in metrics]
    methods: list[Cell] = [named(study, method, order) for method in matrices]
    table = [[shown(metric, method) for method in matrices] for metric in metrics]
    header, rows = upright(("Convention", names), ("Method", methods), table)
    line = "row" if header[0] == "Convention" else "column"
    return Table(
        f"The same {what} under every convention",
        header,
        rows,
        f"{note}Mean over seeds, under it the least and the largest seed. Published numbers differ "
        f"in the convention as often as in the method: compare only within a {line}.",
    )
