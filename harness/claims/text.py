"""What an entry of a claims file is made of: a text, a place in it, its words and its digits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from classay.claims.printed import Printed


def _printed(given: object) -> Printed:
    if not isinstance(given, str):
        raise ValueError(
            f"{str(given)[:60]} is of type {type(given).__name__}, and the digits as printed are "
            f'needed.\n  Put them in quotes: "1.50" stays as it is, and 1.50 is read as 1.5.'
        )
    return Printed.read(given)


Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
Words = Annotated[str, Field(min_length=1, max_length=2000)]
Label = Annotated[str, Field(min_length=1, max_length=200)]
Number = Annotated[
    Printed,
    BeforeValidator(_printed),
    PlainSerializer(lambda x: x.text, return_type=str),
    WithJsonSchema({"type": "string", "description": "the digits as printed, without the unit"}),
]
Whole = Annotated[int, Field(ge=1, le=10**12, strict=True)]
Quantity = Literal[
    "drift",  # relative change of the hold-out loss of a domain since it was learned; > 0 forgot
    "forgetting",  # the same in any other unit or under a definition that the text does not give
    "backward_transfer",
    "learning_advantage",  # of one method over another in what is learned
    "accuracy",
    "loss",
    "effect_size",
    "gradient_stability",
    "spectral_norm",
    "spectral_norm_deviation",  # largest |norm − 1|
    "stored_growth",  # parameters that each further domain adds
    "weights_trained",  # a yes/no: whether the part named in `part` is trained
    "compared",  # a yes/no: whether the methods named in `names` were compared
    "overhead",
    "memory",
    "cost",
    "time",
    "price",
    "count",
    "definition",
    "other",
]
Part = Literal["adapter", "backbone", "base", "router", "head"]


class Strict(BaseModel):
    """A mapping in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Source(Strict):
    """A text that claims are read from."""

    id: Id
    title: Label
    file: Label | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    address: Label | None = None  # where the text can be had, if not as a file
    date: Label | None = None


class Place(Strict):
    """A line of a source."""

    source: Id
    line: Whole | None = None


class Quoted(Place):
    """Words of a source; […] stands for what was left out."""

    quote: Words
