"""A claims file, read and ready to be checked: every id resolved, every quote looked up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import yaml
from pydantic import Field, ValidationError

from classay.claims.claim import Claim, RelationKind
from classay.claims.construction import Arm, Definition
from classay.claims.controls import CONTROL
from classay.claims.text import Label, Quantity, Quoted, Source, Strict
from classay.errors import ConfigError
from classay.yaml_once import Once, shallow

LARGEST = 1_000_000  # bytes
DEEPEST = 20  # levels
# of how many claims something is said, where that is not left to the text
NEEDED: dict[RelationKind, int] = {
    "difference_of": 2,
    "ratio_of": 2,
    "percent_change_of": 2,
    "effect_of": 2,
    "advantage_over": 2,
    "factor_of": 1,
}
# safe either way; the one in C is ten times faster
_Loader: Any = type("_Loader", (Once, getattr(yaml, "CSafeLoader", yaml.SafeLoader)), {})


class Claims(Strict):
    """A claims file: what texts say, and how the arms they compare are built."""

    title: Label
    note: str = Field("", max_length=4000)
    sources: Annotated[tuple[Source, ...], Field(min_length=1, max_length=100)]
    arms: Annotated[tuple[Arm, ...], Field(max_length=100)] = ()
    definitions: Annotated[tuple[Definition, ...], Field(max_length=100)] = ()
    claims: Annotated[tuple[Claim, ...], Field(min_length=1, max_length=5000)]


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a claims file, for editors and other programs."""
    return Claims.model_json_schema()


class Related(NamedTuple):
    """A claim, what its text presents it as, and the claims it is presented with."""

    claim: Claim
    kind: RelationKind
    of: tuple[Claim, ...]


class Document:
    """A claims file whose ids all lead somewhere.

    file     the claims
    raises   ConfigError   two things under one id, an id that nothing has, or more or fewer ids
                           than a relation is between
    """

    def __init__(self, file: Claims, name: str = "the claims file") -> None:
        self.file = file
        self.claims = {c.id: c for c in file.claims}
        self.arms = {a.id: a for a in file.arms}
        self.sources = {s.id: s for s in file.sources}
        for what, found, given in (
            ("claim", self.claims, file.claims),
            ("arm", self.arms, file.arms),
            ("source", self.sources, file.sources),
        ):
            if len(found) < len(given):
                twice = sorted({g.id for g in given if [o.id for o in given].count(g.id) > 1})
                raise ConfigError(
                    f"{name} has the {what} {', '.join(twice)} more than once.\n"
                    f"  An id must name one thing. Give each its own."
                )
        for claim in file.claims:
            self._known(name, claim)
        for quoted in self.quoted():
            if quoted[1].source not in self.sources:
                raise ConfigError(
                    f"{name}: {quoted[0]} is quoted from the source {quoted[1].source!r}, which is "
                    f"not listed.\n  Add it under `sources` or mend its spelling."
                )

    def related(self, *kinds: RelationKind) -> Iterator[Related]:
        """Every relation of these kinds, in the order of the file."""
        for claim in self.file.claims:
            for relation in claim.relations:
                if relation.kind in kinds:
                    of = tuple(self.claims[i] for i in relation.of)
                    yield Related(claim, relation.kind, of)

    def arm(self, claim: Claim) -> Arm | None:
        """The arm that a claim is about, if the file describes it."""
        return self.arms[claim.arm] if claim.arm is not None else None

    def defined(self, quantity: Quantity) -> list[Definition]:
        """What the texts say that a quantity is."""
        return [d for d in self.file.definitions if d.quantity == quantity]

    def quoted(self) -> Iterator[tuple[str, Quoted]]:
        """Everything that is quoted, with what to call it."""
        for claim in self.file.claims:
            yield f"claim {claim.id}", claim
        for arm in self.file.arms:
            for key in type(arm.facts).model_fields:
                if (fact := getattr(arm.facts, key)) is not None:
                    yield f"arm {arm.id}, {key}", fact
        for i, definition in enumerate(self.file.definitions, 1):
            yield f"definition {i}", definition

    @cached_property
    def same(self) -> dict[str, frozenset[str]]:
        """Claims that print the same quantity: id -> ids, itself among them."""
        group: dict[str, frozenset[str]] = {i: frozenset({i}) for i in self.claims}
        for related in self.related("same_quantity_as"):
            whole = frozenset().union(
                group[related.claim.id], *(group[other.id] for other in related.of)
            )
            group |= dict.fromkeys(whole, whole)
        return group

    def _known(self, name: str, claim: Claim) -> None:
        for relation in claim.relations:
            if missing := sorted(set(relation.of) - set(self.claims)):
                raise ConfigError(
                    f"{name}: claim {claim.id} is said to be {relation.kind} {', '.join(missing)}, "
                    f"and no claim is called that.\n  Add it or mend its spelling."
                )
            if claim.id in relation.of:
                raise ConfigError(
                    f"{name}: claim {claim.id} is said to be {relation.kind} itself.\n"
                    f"  Name another claim."
                )
            needed = NEEDED.get(relation.kind, len(relation.of))
            if len(relation.of) != needed:
                raise ConfigError(
                    f"{name}: claim {claim.id} is said to be {relation.kind} "
                    f"{', '.join(relation.of)}, which makes {len(relation.of)}, and {needed} must "
                    f"be named.\n  docs/claims.md says which, and in which order."
                )
        if claim.arm is not None and claim.arm not in self.arms:
            raise ConfigError(
                f"{name}: claim {claim.id} is about the arm {claim.arm!r}, which is not "
                f"described.\n  Add it under `arms`, or leave `arm` out."
            )


def load(path: Path) -> Document:
    """Read a claims file.

    returns  Document
    raises   ConfigError   too large, not YAML, aliases or control characters in it, or not what a
                           claims file holds
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise ConfigError(
                f"{path} is {size:,} bytes, and a claims file may have {LARGEST:,}.\n"
                f"  Write one file a text."
            )
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} could not be read ({error}).\n  A claims file is YAML in UTF-8; give the path "
            f"of one."
        ) from error
    return read(text, str(path))


def read(text: str, name: str) -> Document:
    """Read the text of a claims file; see ``load``."""
    try:
        _harmless(text, name)
        raw = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{name} is not YAML: {error}\n  Mend the line it names.") from error
    return parse(raw, name)


def parse(raw: Any, name: str) -> Document:
    """Claims from plain data; see ``load``."""
    if not isinstance(raw, dict):
        raise ConfigError(
            f"{name} holds {type(raw).__name__}, and a claims file is a mapping with the keys "
            f"title, sources and claims.\n  docs/claims.md shows one."
        )
    try:
        return Document(Claims.model_validate(raw), name)
    except ValidationError as error:
        raise ConfigError(f"{name} is not a claims file:\n{_wrong(raw, error)}") from error


def _harmless(text: str, name: str) -> None:
    """Refuse what a few bytes of YAML can grow into, and what a terminal would obey."""
    for event in shallow(text, _Loader, DEEPEST):
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError(
                f"{name} uses a YAML alias (*{event.anchor}), with which a small file can stand "
                f"for a huge one.\n  Write out what it stands for."
            )
        if isinstance(event, yaml.ScalarEvent) and (found := CONTROL.search(event.value)):
            mark: Any = event.start_mark  # a parser always gives one, and the types allow for none
            raise ConfigError(
                f"{name} has the control character {found[0]!r} in line {mark.line + 1}, which a "
                f"terminal or a browser would obey, and needed is text.\n"
                f"  Leave it out; in a quote, […] stands for what is left out."
            )


def _wrong(raw: dict[str, Any], error: ValidationError) -> str:
    errors = error.errors()
    # only what is right is counted in a list, so one that holds something wrong seems too short
    holding = {e["loc"][:depth] for e in errors for depth in range(len(e["loc"]))}
    true = (e for e in errors if e["type"] != "too_short" or e["loc"] not in holding)
    return "\n".join(f"  {line}" for line in _lines(raw, true))


def _lines(raw: dict[str, Any], errors: Iterable[Any]) -> Iterator[str]:
    for count, e in enumerate(errors):
        if count == 10:
            yield "… and more"
            return
        place = list(e["loc"])
        if place[0] in ("claims", "arms", "sources") and len(place) > 1:
            entry = raw[place[0]][place[1]] if isinstance(place[1], int) else None
            named = entry.get("id") if isinstance(entry, dict) else None
            place[:2] = [f"{place[0][:-1]} {named or f'number {int(place[1]) + 1}'}"]
        message = e["msg"].removeprefix("Value error, ")
        found = "" if e["type"] == "value_error" else f" (found {str(e['input'])[:60]!r})"
        yield f"{': '.join(map(str, place))}: {message}{found}"
