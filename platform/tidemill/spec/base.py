"""The base of all spec kinds: strict models, names, references, files, durations."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from tidemill.catalog import Catalog

API_VERSION = "tidemill/v1"


SEARCHES = frozenset({"optimise", "sweep"})
"""Fields that say how to look for a better spec. What is made of this one does not depend on them:
they are left out of its digest and of what it needs."""


class Frozen(BaseModel):
    """A value that refuses unknown keys and change; a field is documented under the field."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, populate_by_name=True
    )


class FieldConflict(ValueError):
    """A field that does not fit the others; validators raise it, the loader finds its line."""

    def __init__(self, field: str, cause: str, way_out: str) -> None:
        self.field, self.cause, self.way_out = field, cause, way_out
        super().__init__(f"{cause}; {way_out}")


@dataclass(frozen=True)
class RefersTo:
    """Marks a field that holds the name of another spec of one of these kinds."""

    kinds: tuple[str, ...]


@dataclass(frozen=True)
class NamesFile:
    """Marks a field that holds a path inside the project's folder; its bytes enter the digest."""


@dataclass(frozen=True)
class NamesTechnique:
    """Marks a field that holds a technique's name in a catalog."""

    catalog: Catalog

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The names that exist, for editors to complete from."""
        names = self.catalog.names()
        return {**handler(core), "enum": list(names)} if names else handler(core)


@dataclass(frozen=True)
class AddedLater:
    """Marks a field that came after digests were in use: with its default it is not in them, so
    that specs that do not name it keep the digest they had."""


Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""Lower-case letters, digits and hyphens, 63 at most: valid as a Kubernetes name as well."""

FilePath = Annotated[str, NamesFile()]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fraction = Annotated[float, Field(ge=0, le=1)]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONGEST = 100 * 366 * 86400
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)(s|m|h|d|w)$")


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    match = _DURATION.match(str(value).strip())
    if not match:
        raise ValueError(f"'{value}' is no duration; write 30s, 15m, 2h, 7d or 1w")
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds > _LONGEST:
        raise ValueError(f"'{value}' is longer than 100 years; write a shorter one")
    return timedelta(seconds=seconds)


def _seconds(value: timedelta) -> str:
    """Seconds as text, exact to the microsecond: different durations never share a digest."""
    text = f"{value.total_seconds():.6f}".rstrip("0").rstrip(".")
    return f"{text}s"


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(_seconds, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?(s|m|h|d|w)$"}),
]
"""A length of time written as 30s, 15m, 2h, 7d or 1w."""


class Budget(Frozen):
    """Limits on the cost of one build of this asset; a plan that exceeds them exits with 3."""

    hours: float | None = Field(default=None, gt=0)
    """Machine hours of one run."""
    money: float | None = Field(default=None, gt=0)
    """Cost of one run, in the currency of the price list."""


class Technique(BaseModel):
    """A technique by `type`; the remaining keys are the options that technique declares."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)
    catalog: ClassVar[Catalog]

    type: str
    """The technique's name: a file of its folder."""

    @property
    def option_values(self) -> dict[str, object]:
        """The keys beside `type`, as written."""
        return dict(self.__pydantic_extra__ or {})

    @property
    def options(self) -> Any:
        """The technique's validated options."""
        return self.catalog.options(self.type, self.option_values)


class Spec(Frozen):
    """The fields of every kind."""

    apiVersion: Literal["tidemill/v1"]
    """The version of the spec language."""
    kind: str
    """Picks the shape of the document."""
    name: Name
    """Unique within its project; also the name of the asset."""
    owner: str = ""
    """Owner: a person or a team. Not part of the digest."""
    description: str = ""
    """Description for people. Not part of the digest."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Free key-value pairs for people and tools. Not part of the digest."""
    budget: Budget | None = None
    """Cost limits of one build."""
