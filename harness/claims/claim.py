"""One claim: one thing that a text says, in its own digits; no verdict.

Its relations say what the text presents a number as (the average of those, the same quantity as
that one); none of them says whether that is true.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from classay.claims.text import Id, Label, Number, Part, Place, Quantity, Quoted, Strict, Whole

SpreadKind = Literal[
    "undeclared", "sd", "sample_sd", "population_sd", "standard_error", "t_half_width"
]
IntervalName = Literal[
    "undeclared",
    "wilson",
    "wilson_continuity",
    "clopper_pearson",
    "agresti_coull",
    "jeffreys",
    "wald",
    "wald_continuity",
    "t",
]
RelationKind = Literal[
    "average_of",  # the mean of those
    "sum_of",
    "difference_of",  # the first minus the second
    "ratio_of",  # the first over the second
    "percent_change_of",  # the first against the second, in percent
    "factor_of",  # that one, a change in percent, told as a factor
    "effect_of",  # the gap between two groups, in standard deviations
    "advantage_over",  # the method's figure, then the one of the method it is held against
    "range_of",  # the ends are the least and the greatest of those
    "least_of",
    "greatest_of",
    "lower_than",  # said to be below each of those
    "higher_than",
    "disjoint_from",  # the ranges of runs are said not to overlap
    "bound_on",  # each of those is said to stay on this side of the value; see qualifier
    "same_items_as",  # the same questions were asked
    "same_quantity_as",  # the same thing, measured once, printed again
    "later_version_of",  # a later text on the same, cumulative, count or extreme
]


# as texts write the units that are understood
UNITS = {
    "%": "percent",
    "per cent": "percent",
    "percent": "percent",
    "fraction": "fraction",
    "points": "points",
    "percentage points": "percentage_points",
    "percentage_points": "percentage_points",
    "factor": "factor",
    "orders of magnitude": "orders_of_magnitude",
    "orders_of_magnitude": "orders_of_magnitude",
}


class Sizes(Strict):
    """How many there were of what; whichever are printed."""

    seeds: Whole | None = None
    seed_values: tuple[int, ...] | None = None
    items: Whole | None = None
    raters: Whole | None = None
    steps: Whole | None = None
    domains: Whole | None = None
    models: Whole | None = None
    layers: Whole | None = None


class Spread(Strict):
    """What stands behind ±, and what the text says it is."""

    value: Number
    said_to_be: SpreadKind = "undeclared"


class Range(Strict):
    """The least and the greatest of the runs."""

    low: Number
    high: Number


class Interval(Range):
    """An interval of confidence, and what the text says it is; same unit as the value."""

    name: IntervalName = "undeclared"
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95


class Count(Strict):
    """Successes among trials."""

    successes: Annotated[int, Field(ge=0, le=10**12, strict=True)]
    trials: Whole

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.successes > self.trials:
            raise ValueError(
                f"{self.successes} successes were found among {self.trials} trials, and there can "
                f"be no more than trials; look at the text again"
            )
        return self


class PValue(Strict):
    """A printed p, and the test that it is said to come from."""

    value: Number
    qualifier: Literal["=", "<", "<="] = "="
    test: Literal["undeclared", "mcnemar", "exact_paired", "exact_unpaired"] = "undeclared"
    sides: Literal[1, 2] = 2


class Scale(Strict):
    """What a single measured value can be at all."""

    minimum: Number | None = None
    maximum: Number | None = None
    integers: bool = False  # answers on a scale, or counts


class Relation(Strict):
    """What the text presents this claim as, with respect to other claims."""

    kind: RelationKind
    of: Annotated[tuple[Id, ...], Field(min_length=1, max_length=200)]


class Claim(Quoted):
    """One thing that a text says, in its own digits."""

    id: Id
    quantity: Quantity
    what: str = Field("", max_length=400)  # in plain words
    method: Label | None = None
    model: Label | None = None
    domain: Label | None = None
    protocol: Label | None = None
    arm: Id | None = None
    statistic: Literal["single", "mean", "none"] = "single"
    value: Number | None = None
    qualifier: Literal["=", "<", "<=", ">", ">=", "about"] = "="
    unit: Label | None = None
    asserts: bool | None = None  # of a yes/no: what the text says
    part: Part | None = None
    names: tuple[Label, ...] = ()  # the things counted or compared, where the text lists them
    values: tuple[Number, ...] = ()  # of the single runs, where the text prints them
    over: Literal["seeds", "items", "raters", "steps", "domains", "models"] | None = None
    n: Sizes = Sizes()
    spread: Spread | None = None
    range: Range | None = None
    sign: Literal["positive", "negative"] | None = None  # said of every run
    interval: Interval | None = None
    count: Count | None = None
    p: PValue | None = None
    scale: Scale | None = None
    cumulative: bool = False  # a count or an extreme that a later version can only raise
    within_noise: bool = False  # said to be no different from zero
    table: Label | None = None  # the printed table in which this is a cell
    relations: tuple[Relation, ...] = ()
    also_in: tuple[Place, ...] = ()

    @property
    def runs(self) -> int | None:
        """How many values the mean, its spread and its range are over; None if not printed."""
        if self.over is not None:
            size: int | None = getattr(self.n, self.over)
            return size
        return self.n.seeds or self.n.items or (len(self.values) or None)

    @field_validator("unit")
    @classmethod
    def _understood(cls, unit: str | None) -> str | None:
        return unit if unit is None else UNITS.get(unit.strip().casefold(), unit)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        ends = [x for x in (self.range, self.interval) if x is not None]
        for end in ends:
            if end.low.value > end.high.value:
                raise ValueError(
                    f"the low end {end.low.text} is above the high end {end.high.text}; write the "
                    f"smaller one first"
                )
        if self.spread is not None and self.spread.value.value < 0:
            raise ValueError(
                f"the spread {self.spread.value.text} is negative, and none can be; look again"
            )
        if self.values and self.runs is not None and len(self.values) != self.runs:
            raise ValueError(
                f"{len(self.values)} values were found for {self.runs} {self.over or 'runs'}; give "
                f"all of them or none"
            )
        return self
