"""The rows of a ledger and their schema.

A row is a fact together with the circumstances under which it was measured. Two runs of one cell
must agree in every fact, byte for byte; ``CIRCUMSTANCES`` names the fields of a row that may differ
(clock, memory, which process was killed when). Losses are sums of nats, never means: whoever reads
a ledger divides once, by the denominator that the question asks for.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

SCHEMA = 2
# What can be read: 1 had no ``term_gradient_norms``, and is otherwise the same.
READABLE = (1, SCHEMA)


class Row(BaseModel):
    """What every row has: its kind, its cell, its place; ``chain`` is added by the ledger."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    CIRCUMSTANCES: ClassVar[frozenset[str]] = frozenset()

    def fact(self) -> dict[str, Any]:
        """The row without its circumstances."""
        return self.model_dump(mode="json", exclude=set(self.CIRCUMSTANCES))


class CellRow(Row):
    """Everything in force when a cell began."""

    CIRCUMSTANCES = frozenset({"attempt", "started", "versions", "hardware", "commit", "dirty"})
    kind: Literal["cell"] = "cell"
    suite: str  # digest of the resolved suite and of content
    method: str  # its name in the suite
    runs: str | None = None  # the method behind that name, where it has another
    config: dict[str, Any]  # as the method's Config resolved it
    bound: bool  # admitted as a bound, not as a competitor
    seed: int
    draw: int = 0  # above 0: the same batches, everything else of the seed drawn anew
    order: list[str]
    stream: str  # digest of every batch that will be offered, in order
    base: str  # digest of the base model's tensors as loaded
    budget: int  # tokens offered per domain
    dtype: str
    device: str
    threads: int
    code: str  # digest of the code that produces facts
    attempt: int
    started: str
    versions: dict[str, str]
    hardware: dict[str, str]
    commit: str | None
    dirty: bool | None


class Sums(BaseModel):
    """Sums over items; divide once, at the end."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    nats: float
    tokens: int
    bytes: int
    items: int


class EvalRow(Row):
    """One evaluation of one domain: ``after = -1`` is before any training."""

    CIRCUMSTANCES = frozenset({"seconds", "shared"})
    kind: Literal["eval"] = "eval"
    after: int
    domain: str
    split: str
    route: str
    process: Literal["cell", "fresh"]
    total: Sums
    by_source: dict[str, Sums]
    by_subject: dict[str, Sums]
    plan: str  # digest of token ids, batch layout and padding
    per_item: str  # digest of the side file with one sum an item
    seconds: float
    shared: str | None = None  # the ledger in which this was measured, when not in this cell
    ablation: str | None = None  # the mechanism that was off; such a row is in no loss matrix


BASE_ALONE = "base alone"  # stands for no adapter; the blank keeps it from being a domain's name


class RoutedAnswer(BaseModel):
    """One probe, answered with the adapter that a router chose by its prompt."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    item: str  # as in its answer rows
    to: str  # domain of the adapter, or BASE_ALONE
    correct: bool


class Margin(BaseModel):
    """By how much the best score exceeded the second best, summed; divide once, at the end."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    total: float  # in the unit of the router's scores
    items: int  # that have two scores at least


class Margins(BaseModel):
    """How sure a router was, apart by whether it was right."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    right: Margin  # of what was sent to its own domain's adapter
    wrong: Margin  # of what was sent to another domain's; what was left to the base is in neither


class RouteRow(Row):
    """One domain, as a router sent its hold-out items and probes to the adapters of all domains."""

    kind: Literal["route"] = "route"
    after: int
    domain: str
    router: str
    sent: dict[str, int]  # domain of the adapter -> hold-out items; BASE_ALONE where it has some
    total: Sums  # each item under what it was sent to
    answers: list[RoutedAnswer] = []  # in no table of ordinary answers
    margins: dict[Literal["items", "probes"], Margins] = {}  # empty: it scores nothing
    kept_bytes: int | None = None  # that the router keeps of all training text


class AnswerRow(Row):
    """One probe answered."""

    CIRCUMSTANCES = frozenset({"shared"})
    kind: Literal["answer"] = "answer"
    after: int
    domain: str
    item: str
    source: str
    prompt: str  # digest
    expected: str  # digest
    correct: bool
    choices: int
    rater: str
    shared: str | None = None


class TaskRow(Row):
    """One task of lm-evaluation-harness, asked after a phase."""

    CIRCUMSTANCES = frozenset({"seconds", "shared"})
    kind: Literal["task"] = "task"
    after: int
    task: str
    domain: str | None  # whose adapter answered
    digest: str  # of the task and its questions
    asked: int
    right: dict[str, int]  # by lm-eval's name of the metric
    seconds: float
    shared: str | None = None


class StepRow(Row):
    """One optimizer step."""

    CIRCUMSTANCES = frozenset({"seconds", "shared"})
    kind: Literal["step"] = "step"
    phase: int
    step: int
    terms: dict[str, float]
    gradient_norm: float  # before clipping
    layer_gradient_norms: dict[str, float]
    # of each term alone, before clipping; empty where it was not measured, as with one term only
    term_gradient_norms: dict[str, float] = {}
    lr: float
    tokens: int
    batch: str  # digest of what was trained on
    seconds: float
    shared: str | None = None


class InvariantRow(Row):
    """A number that the method promises to hold, measured after an optimizer step."""

    CIRCUMSTANCES = frozenset({"shared"})
    kind: Literal["invariant"] = "invariant"
    phase: int
    step: int
    name: str
    layer: str
    value: float
    promised: float
    tolerance: float
    shared: str | None = None


class TraceRow(Row):
    """What a method's mechanism was after a step, layer by layer, and what it promises of it."""

    kind: Literal["trace"] = "trace"
    phase: int
    step: int  # the number of steps, where it was measured at the end of the phase
    layers: list[str]
    values: dict[str, list[float]]  # name -> one number a layer
    promised: dict[str, tuple[float, float]]  # name -> least, greatest; others are only shown


class RepresentationRow(Row):
    """How far the hidden states of a learned domain have moved since it was learned."""

    kind: Literal["representation"] = "representation"
    after: int
    domain: str
    layers: list[float]  # ‖h_now − h_learned‖ / ‖h_learned‖, embeddings first


class PhaseRow(Row):
    """One domain learned, with its price."""

    CIRCUMSTANCES = frozenset({"seconds", "peak_bytes", "shared"})
    kind: Literal["phase"] = "phase"
    phase: int
    domain: str
    steps: int
    offered: str  # digest of the batches offered
    tokens_offered: int
    tokens_trained: int
    rewritten: bool = False  # learned from text of the model's own in the place of the offer
    trainable: int
    stored_bytes: int
    stored_examples: int
    adapters: dict[str, str]  # name -> digest of its file
    structures: dict[str, str] = {}  # what answers beside the adapters: name -> digest of its file
    state: dict[str, Any]  # what a fresh process needs beside the adapters to answer
    base_before: str
    base_after: str
    seconds: float
    peak_bytes: int
    shared: str | None = None


class ResumeRow(Row):
    """The cell was interrupted and went on from a checkpoint."""

    CIRCUMSTANCES = frozenset({"phase", "step", "torn_bytes", "started", "versions", "hardware"})
    kind: Literal["resume"] = "resume"
    phase: int
    step: int
    torn_bytes: int  # of a half-written last row, dropped
    started: str
    versions: dict[str, str]
    hardware: dict[str, str]


class EndRow(Row):
    """The last row of a ledger; it says how many rows came before and what their head was."""

    CIRCUMSTANCES = frozenset({"rows", "head", "seconds"})
    kind: Literal["end"] = "end"
    status: Literal["done", "failed"]
    failure: Literal["oom", "diverged", "infrastructure", "bug"] | None = None
    error: str | None = None
    base: str | None
    rows: int
    head: str
    seconds: float


AnyRow = Annotated[
    CellRow
    | EvalRow
    | RouteRow
    | AnswerRow
    | TaskRow
    | StepRow
    | InvariantRow
    | TraceRow
    | RepresentationRow
    | PhaseRow
    | ResumeRow
    | EndRow,
    Field(discriminator="kind"),
]
ROW: TypeAdapter[AnyRow] = TypeAdapter(AnyRow)


def canonical(value: Any) -> bytes:
    """The one way in which a value is written: sorted keys, no spaces, UTF-8, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(value: Any) -> str:
    """SHA-256, in hex, of a value in its canonical form."""
    return sha256(canonical(value)).hexdigest()


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a row, for other programs that read ledgers."""
    return ROW.json_schema()
