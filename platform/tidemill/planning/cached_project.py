"""A valid project as it was read: the summary of each spec, and every spec with all its fields."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidemill.engine.spec_snapshot import FILES, SpecSnapshot

_TIGHT = (",", ":")


@dataclass(frozen=True)
class SpecSummary:
    """What staleness and conflicting claims are decided from; quick to read."""

    project: str
    name: str
    kind: str
    digest: str
    inputs: tuple[str, ...]
    baseline: str
    service: str | None
    """The service that a Rollout brings out; None for all other kinds."""
    topic: str | None
    """The topic that a Feedback reads; None for all other kinds."""

    @classmethod
    def of(cls, spec: SpecSnapshot) -> SpecSummary:
        """The summary of a snapshot."""
        return cls(
            spec.project,
            spec.name,
            spec.kind,
            spec.digest,
            spec.inputs,
            spec.baseline,
            service=spec.fields.get("service") if spec.kind == "Rollout" else None,
            topic=spec.fields.get("topic") if spec.kind == "Feedback" else None,
        )

    @property
    def snapshot(self) -> SpecSnapshot:
        """The snapshot without its fields."""
        return SpecSnapshot(
            self.project, self.name, self.kind, self.digest, self.inputs, baseline=self.baseline
        )


@dataclass(frozen=True)
class CachedProject:
    """One valid project as it was read."""

    summary: bytes
    """JSON: the summary of each spec."""
    details: bytes
    """Compressed JSON: every snapshot with all of its fields."""
    untracked_files: Mapping[str, str]
    """Files that it names and Git does not know, with the hash of their bytes."""

    @classmethod
    def of(cls, specs: Sequence[SpecSnapshot]) -> CachedProject:
        """A project with these specs."""
        summaries = [vars(SpecSummary.of(spec)) for spec in specs]
        details = json.dumps([vars(spec) for spec in specs], ensure_ascii=False, separators=_TIGHT)
        return cls(
            json.dumps(summaries, ensure_ascii=False).encode(),
            zlib.compress(details.encode(), 1),
            {name: hash_ for spec in specs for name, hash_ in spec.fields.get(FILES, {}).items()},
        )

    def count(self) -> int:
        """How many specs it has."""
        return len(json.loads(self.summary))

    def summaries(self) -> list[SpecSummary]:
        """The summary of each spec."""
        return [
            SpecSummary(**{**row, "inputs": tuple(row["inputs"])})
            for row in json.loads(self.summary)
        ]

    def specs(self) -> list[SpecSnapshot]:
        """Every spec with all of its fields."""
        return [
            SpecSnapshot(**{**row, "inputs": tuple(row["inputs"])})
            for row in json.loads(zlib.decompress(self.details))
        ]
