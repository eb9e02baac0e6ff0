"""The suite: what will be run, checked and given its identity before any work.

A suite is data. Its keys are the flags of the command line, a key that nobody knows is an error,
and its identity is the digest of everything in it *except* paths: where a file lies does not change
what is in it. What is in the files enters by digest (``Suite.identity``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from classay.records import digest

Share = Annotated[float, Field(ge=0, le=1)]
Hex64 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=64)]
ModuleName = Annotated[str, Field(pattern=r"^\w+(\.\w+)*$")]  # or its last parts


class Strict(BaseModel):
    """A mapping in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class JsonLines(Strict):
    """A local JSON Lines file; one record a line."""

    kind: Literal["jsonl"]
    path: str  # relative to --data, else to the suite file
    sha256: Hex64 | None = None  # of the file; a changed file is refused


class HuggingFace(Strict):
    """A Hugging Face data set at one commit, or a local snapshot of it."""

    kind: Literal["huggingface"]
    dataset: str  # owner/name, or a folder
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]  # a tag or branch can move
    config: str | None = None
    columns: dict[str, str] = {}  # record field -> column of the data set


class World(Strict):
    """A domain of the built-in world, or its general text: made from a seed, read from no file."""

    kind: Literal["world"]
    domain: Literal["medical", "legal", "financial", "code", "science", "general"]


class Splits(Strict):
    """What the data calls its parts."""

    train: str = "train"
    holdout: str = "holdout"
    probe: str | None = "probe"


class Domain(Strict):
    """One domain of the stream."""

    name: Name
    source: Annotated[JsonLines | HuggingFace | World, Field(discriminator="kind")]
    licence: Annotated[str, Field(min_length=3)]
    splits: Splits = Splits()
    loss_on: Literal["all", "completion"] = "all"


class Stream(Strict):
    """The domains, and how their text becomes blocks of tokens."""

    domains: Annotated[list[Domain], Field(min_length=2)]
    general: Domain | None = None  # evaluated after every phase, never trained on
    block: Annotated[int, Field(ge=8)] = 128  # tokens
    validation_share: Share = 0.05  # cut from train by hash, never trained on
    max_shared_ngrams: Share = 0.5  # of one hold-out item's 13-grams with any train record
    max_named_prompts: Share = 0.5  # of a domain's evaluation prompts that name the domain


class Training(Strict):
    """What is spent on each domain, and how."""

    tokens_per_domain: Annotated[int, Field(gt=0)]
    batch: Annotated[int, Field(gt=0)] = 8  # blocks
    learning_rate: Annotated[float, Field(gt=0)]
    warmup_steps: Annotated[int, Field(ge=0)] = 3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip: Annotated[float, Field(gt=0)] = 1.0
    checkpoint_steps: Annotated[int, Field(gt=0)] = 10


class AdapterSpec(Strict):
    """The low-rank adapter that every method is given."""

    rank: Annotated[int, Field(gt=0)] = 8
    alpha: Annotated[float, Field(gt=0)] = 16
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: Literal["all-linear"] | Annotated[list[ModuleName], Field(min_length=1)] = "all-linear"


class BaseSpec(Strict):
    """The base model: a folder, a hub id at one commit, or one that is made here."""

    path: str | None = None  # a folder; --base
    hub: str | None = None  # owner/name
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    digest: Hex64 | None = None  # of the files; another base is refused
    dtype: Literal["fp32", "bf16", "nf4", "nf4_bf16"] = "fp32"
    builtin: Literal["world"] | None = None  # pre-trained once, here; a path or a hub id wins
    demonstration: bool = False  # small random weights, made on the spot

    @property
    def made(self) -> bool:
        """Whether it is the built-in base, which is made on this machine."""
        return self.builtin is not None and self.path is None and self.hub is None

    @property
    def quantised(self) -> bool:
        """Whether its matrices are codes and not numbers."""
        return self.dtype.startswith("nf4")

    @model_validator(mode="after")
    def _hub_needs_a_commit(self) -> BaseSpec:
        if self.hub and not self.revision:
            raise ValueError(
                f"base.hub is {self.hub!r} without a revision; a branch can move, so a commit of "
                f"40 hex digits is needed: add base.revision"
            )
        return self


class LmTask(Strict):
    """A task of lm-evaluation-harness: a YAML file of its form, with its data beside it."""

    path: str  # relative to --data, else to the suite file; or the name of one that is shipped
    domain: Name | None = None  # whose adapter answers; none: as on text of no domain
    limit: Annotated[int, Field(gt=0)] | None = None  # questions, from the first
    sha256: Hex64 | None = None  # of task and questions; others are refused


class Evaluation(Strict):
    """What is measured at every (phase, domain)."""

    # validation is cut from train: what strengths are chosen on, so that no hold-out item is seen
    scored: Literal["holdout", "validation"] = "holdout"
    items_per_domain: Annotated[int, Field(gt=0)] = 48
    tokens_per_item: Annotated[int, Field(ge=8)] = 128
    batch_items: Annotated[int, Field(gt=0)] = 16
    probes_per_domain: Annotated[int, Field(ge=0)] = 16
    representation_items: Annotated[int, Field(ge=0)] = 4
    routers: list[Name] = []  # at the end of a cell of a method that has an adapter a domain
    lm_eval: list[LmTask] = []  # asked before training and after every phase


class StatisticsPlan(Strict):
    """What will be concluded from what, said before the results are in."""

    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    retention: Name = "drift_prior_vs_own"  # the metric that verdicts are about
    margin: Annotated[float, Field(ge=0)] = 5.0  # of that metric, in its unit
    learning_floor: Annotated[float, Field(ge=0)] = 0.05  # nats/token; less is "not learned"
    reference: Name = "frozen"  # whose learning and drift the others are compared with
    accept: list[Name] = []  # methods that must be found to retain, or the exit code is 1
    noise_draws: Annotated[int, Field(ge=0)] = 1  # times FROZEN is trained again, see noise floor


class Suite(Strict):
    """One audit."""

    name: Name
    title: Annotated[str, Field(min_length=3)]
    intended_use: Annotated[str, Field(min_length=10)]
    base: BaseSpec = BaseSpec()
    stream: Stream
    training: Training
    adapter: AdapterSpec = AdapterSpec()
    methods: Annotated[dict[Name, dict[str, Any]], Field(min_length=1)]
    candidates: dict[Name, list[Name]] = {}  # of a search: whose settings are tried, and as what
    chosen_by: Hex64 | None = None  # the identity of the search that chose the settings
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    orders: list[list[Name]] = []  # empty: the order in which the domains are listed
    evaluation: Evaluation = Evaluation()
    statistics: StatisticsPlan = StatisticsPlan()

    @field_validator("methods", mode="before")
    @classmethod
    def _a_method_without_settings(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: {} if config is None else config for name, config in value.items()}
        return value

    @field_validator("methods")
    @classmethod
    def _methods_are_named(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, settings in value.items():
            if not isinstance(runs := settings.get("method", name), str):
                raise ValueError(f"{name}.method is {runs!r}; the name of a method was needed")
        return value

    @model_validator(mode="after")
    def _hangs_together(self) -> Suite:
        names = [domain.name for domain in self.stream.domains]
        everything = [*names, self.stream.general.name] if self.stream.general else names
        if doubled := sorted({n for n in everything if everything.count(n) > 1}):
            raise ValueError(f"domains {doubled} stand twice; each domain needs its own name")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {self.seeds} repeat; a seed that is run twice is one run")
        for order in self.orders:
            if self.orders.count(order) > 1:
                raise ValueError(f"orders has {order} twice; an order that is run twice is one")
            if sorted(order) != sorted(names):
                raise ValueError(
                    f"orders has {order}; an order needs each of {names} once and nothing else"
                )
        step = self.training.batch * self.stream.block
        if self.training.tokens_per_domain % step:
            raise ValueError(
                f"training.tokens_per_domain is {self.training.tokens_per_domain}, which is not a "
                f"whole number of steps of batch × block = {step} tokens; use a multiple of {step}"
            )
        strangers = {task.domain for task in self.evaluation.lm_eval} - {None, *names}
        if strangers:
            raise ValueError(
                f"evaluation.lm_eval names the domains {sorted(map(str, strangers))}, which are "
                f"not in stream.domains"
            )
        tried = [name for names in self.candidates.values() for name in names]
        if unknown := sorted(set(tried) - set(self.methods)):
            raise ValueError(f"candidates names {unknown}, which are not in methods")
        if doubled := sorted({name for name in tried if tried.count(name) > 1}):
            raise ValueError(f"candidates {doubled} stand twice; each is tried for one method")
        counts = {name: len(names) for name, names in self.candidates.items()}
        if len(set(counts.values())) > 1 or 0 in counts.values():
            raise ValueError(
                f"candidates has {counts} settings; every method needs the same number, one or "
                f"more, or the search favours one"
            )
        if missing := sorted(set(self.statistics.accept) - set(self.methods)):
            raise ValueError(f"statistics.accept names {missing}, which are not in methods")
        return self

    def method_of(self, name: str) -> str:
        """The method that runs under a name: the name itself, unless its settings say ``method``.

        So that one suite can hold a method under several settings, each under a name of its own.
        """
        return str(self.methods[name].get("method", name))

    @property
    def redrawn(self) -> str | None:
        """The method that is trained again under other draws: the first that is FROZEN."""
        frozen = [name for name in self.methods if self.method_of(name) == "frozen"]
        return frozen[0] if frozen and self.statistics.noise_draws else None

    @property
    def steps(self) -> int:
        """Optimizer steps a domain."""
        return self.training.tokens_per_domain // (self.training.batch * self.stream.block)

    @property
    def self_made(self) -> bool:
        """Whether base and text come with classay, so that nothing has to be given."""
        return self.base.demonstration or self.base.made

    def all_orders(self) -> list[list[str]]:
        """The orders in which the domains are learned."""
        return self.orders or [[domain.name for domain in self.stream.domains]]

    def evaluated(self) -> list[Domain]:
        """Every domain that is evaluated: those of the stream, then the general one."""
        return [*self.stream.domains, *([self.stream.general] if self.stream.general else [])]

    def identity(self, content: Mapping[str, str]) -> str:
        """The digest of the suite and of content.

        content  what the paths led to: digests of the base's files ("base") and of every
                 domain's records ("domain <name>")
        returns  64 hex digits; paths and pins are not part of it, what they lead to is
        """
        plain = self.model_dump(mode="json")
        for key in ("path", "hub", "revision", "digest", "builtin"):
            plain["base"].pop(key)
        for domain in [*plain["stream"]["domains"], plain["stream"]["general"]]:
            if domain:
                domain["source"] = content[f"domain {domain['name']}"]
        for task in plain["evaluation"]["lm_eval"]:
            task.pop("path")
            task.pop("sha256")
        return digest({"suite": plain, "content": dict(content)})
