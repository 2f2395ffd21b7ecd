"""What an evaluation measured, and what a check of an asset said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from math import isfinite
from typing import Any


@dataclass(frozen=True)
class Measure:
    """A measured value with its confidence interval, over all rows or over one slice."""

    metric: str
    value: float
    low: float
    high: float
    rows: int
    slice: str | None = None

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Measure:
        """From a record in JSON; keys that are no field are left out."""
        return cls(**{field.name: raw[field.name] for field in fields(cls) if field.name in raw})

    def to_dict(self) -> dict[str, object]:
        """As JSON records keep it."""
        return asdict(self)


@dataclass(frozen=True)
class Check:
    """The outcome of one check; a blocking one that failed stops what comes after."""

    name: str
    passed: bool
    message: str
    blocking: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Check:
        """From a record in JSON; keys that are no field are left out."""
        return cls(**{field.name: raw[field.name] for field in fields(cls) if field.name in raw})

    def to_dict(self) -> dict[str, object]:
        """As JSON records keep it."""
        return asdict(self)


def finite_record(record: Mapping[str, object]) -> dict[str, object]:
    """A record as JSON can hold it, which knows no nan and no infinity: they become null."""
    return {key: _finite_value(value) for key, value in record.items()}


def _finite_value(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _finite_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite_value(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value
