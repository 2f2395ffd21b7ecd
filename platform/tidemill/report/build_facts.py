"""What builds recorded, as values: a dataset's summary, a loss curve, compression hops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidemill.ports import Materialisation
from tidemill.report.formatting import is_finite

_LOST = " lost"


@dataclass(frozen=True)
class DatasetSummary:
    """`summary.json` of a dataset."""

    rows: Mapping[str, int] = field(default_factory=dict)
    """Rows per split."""
    columns: tuple[str, ...] = ()
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Rows per split and label."""
    sources: tuple[str, ...] = ()
    duplicates: Mapping[str, int] = field(default_factory=dict)
    """Dropped rows by kind: exact, near."""
    quarantined: Mapping[str, int] = field(default_factory=dict)
    """Rows by reason."""
    pii: Mapping[str, int] = field(default_factory=dict)
    """Personal data that was found, by kind."""
    offsets: Mapping[str, object] = field(default_factory=dict)
    """`topic/partition` → the feedback it holds, as [first, end) or the end alone."""

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> DatasetSummary:
        """From the file's JSON."""
        return cls(
            rows=raw.get("rows") or {},
            columns=tuple(raw.get("columns") or ()),
            labels=raw.get("labels") or {},
            sources=tuple(map(str, raw.get("sources") or ())),
            duplicates=raw.get("duplicates") or {},
            quarantined=raw.get("quarantined") or {},
            pii=raw.get("pii") or {},
            offsets=raw.get("offsets") or {},
        )


@dataclass(frozen=True)
class LossCurve:
    """Losses by optimiser step; points that are not finite are left out."""

    train: tuple[tuple[float, float], ...] = ()
    validation: tuple[tuple[float, float], ...] = ()
    unit: str = ""

    @classmethod
    def of(cls, build: Materialisation) -> LossCurve:
        """The curve that a fine-tune recorded; empty where it recorded none."""
        raw = build.facts.get("curve") or {}
        train, validation = _points(raw.get("train")), _points(raw.get("validation"))
        return cls(train, validation, raw.get("unit") or "")


def _points(raw: Iterable[tuple[object, object]] | None) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in raw or () if is_finite(x) and is_finite(y))


@dataclass(frozen=True)
class CompressionHop:
    """One step of a compression, with the answers before and after it compared."""

    step: str
    kind: str
    """Kind of the artefact that the step built."""
    rows: int
    """Rows that were compared."""
    agreement: float | None
    """Share of equal answers; None where the step was not run."""
    low: float | None
    high: float | None
    basis: str
    """What was compared: `label`, `answer`, or a metric's name."""
    loss: Mapping[str, float]
    """How much worse each metric became; negative where it became better."""
    bytes: int
    seconds: float
    note: str

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> CompressionHop:
        """From the record of a build; those of older versions compared whole answers."""
        return cls(
            step=str(raw["step"]),
            kind=raw.get("kind") or "",
            rows=raw.get("rows") or 0,
            agreement=raw.get("agreement"),
            low=raw.get("low"),
            high=raw.get("high"),
            basis=str(raw.get("basis") or "answer"),
            loss={
                key.removesuffix(_LOST): value
                for key, value in raw.items()
                if key.endswith(_LOST) and is_finite(value)
            },
            bytes=raw.get("bytes") or 0,
            seconds=raw.get("seconds") or 0.0,
            note=raw.get("note") or "",
        )


def compression_hops(build: Materialisation) -> tuple[CompressionHop, ...]:
    """The hops that a compression recorded, in their order."""
    return tuple(map(CompressionHop.from_dict, build.facts.get("hops") or ()))
