"""The record of a release: all that made a service's answers what they are, under one digest.

Written to JSON and read from it here alone; everything else takes the values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from tidemill.engine.measurement import Check, Measure


@dataclass(frozen=True)
class ReleasedArtefact:
    """One artefact of a release."""

    digest: str
    kind: str
    bytes: int
    meta: Mapping[str, object] = field(default_factory=dict)
    """Small facts of the artefact, as the store has them."""


@dataclass(frozen=True)
class BaseModel:
    """A base model that a release was made from."""

    name: str
    digest: str
    source: Mapping[str, object] = field(default_factory=dict)
    """Where its weights come from, as the Model spec says."""
    sha256: str | None = None
    """Of the weights' file; None where it was not recorded."""


@dataclass(frozen=True)
class ReleasedDataset:
    """The dataset that a release was evaluated on, and trained on where it was trained."""

    name: str
    digest: str
    offsets: Mapping[str, object] = field(default_factory=dict)
    """`topic/partition` → next offset of the feedback it holds."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """Rows by split."""


@dataclass(frozen=True)
class SpecCommit:
    """The commit of the specs; `sha` is empty where they were not in Git."""

    sha: str = ""
    author: str = ""
    when: str = ""
    """ISO 8601."""
    subject: str = ""
    dirty: bool = False
    """True where the working tree differed from the commit."""

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> SpecCommit:
        """From a record in JSON, empty or not; keys that are no field are left out."""
        return cls(**{field.name: raw[field.name] for field in fields(cls) if field.name in raw})

    def to_dict(self) -> dict[str, object]:
        """As JSON records keep it: empty outside Git."""
        return asdict(self) if self.sha else {}


@dataclass(frozen=True)
class ReleaseEvaluation:
    """The evaluation that judged a release."""

    name: str
    digest: str
    """Of its report."""
    measures: tuple[Measure, ...] = ()
    checks: tuple[Check, ...] = ()
    """Its gates."""

    @property
    def overall(self) -> tuple[Measure, ...]:
        """The measures over all rows."""
        return tuple(measure for measure in self.measures if not measure.slice)


@dataclass(frozen=True)
class ReleaseRecord:
    """A release.

    The digest covers specs, artefacts and evaluation, not the commit, the time or the tools: the
    same content is the same release.
    """

    project: str
    service: str
    rollout: str
    """Name of its Rollout spec."""
    specs: Mapping[str, str]
    """Name → digest of every spec behind it, the Rollout included."""
    model: str
    """Digest of the artefact that is served."""
    artefacts: Mapping[str, ReleasedArtefact]
    """By spec name, and by `spec/step` for the ones on the way."""
    dataset: ReleasedDataset
    evaluation: ReleaseEvaluation
    prompt: str | None = None
    """Digest of the prompt artefact."""
    bases: tuple[BaseModel, ...] = ()
    seed: int | None = None
    """Of the fine-tune; None where nothing was trained."""
    commit: SpecCommit = SpecCommit()
    tools: Mapping[str, str] = field(default_factory=dict)
    """Package → version."""
    approved_by: tuple[str, ...] = ()
    created: str = ""
    """ISO 8601, UTC."""
    digest: str = ""
    """`sha256:` and 64 hex digits; see `sealed`."""

    @property
    def served_artefact(self) -> ReleasedArtefact | None:
        """The artefact that is served, where the record lists it."""
        return next(
            (artefact for artefact in self.artefacts.values() if artefact.digest == self.model),
            None,
        )

    def with_digest(self) -> ReleaseRecord:
        """The same record with its digest, computed from its content."""
        values = self.to_dict()
        content = {name: values[name] for name in _CONTENT}
        content["artefacts"] = {name: item.digest for name, item in self.artefacts.items()}
        canonical = json.dumps(content, sort_keys=True).encode()
        return replace(self, digest=f"sha256:{hashlib.sha256(canonical).hexdigest()}")

    def to_dict(self) -> dict[str, object]:
        """As the ledger keeps it in JSON."""
        evaluation = self.evaluation
        return {
            **asdict(replace(self, evaluation=ReleaseEvaluation("", ""))),
            "bases": [asdict(base) for base in self.bases],
            "commit": self.commit.to_dict(),
            "evaluation": {
                "name": evaluation.name,
                "digest": evaluation.digest,
                "measures": [measure.to_dict() for measure in evaluation.measures],
                "checks": [check.to_dict() for check in evaluation.checks],
            },
            "approved_by": list(self.approved_by),
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ReleaseRecord:
        """From the ledger's JSON; raises KeyError or TypeError for what is no release record."""
        evaluation = raw["evaluation"]
        return cls(
            **{name: raw[name] for name in _PLAIN if name in raw},
            artefacts={
                name: ReleasedArtefact(**artefact) for name, artefact in raw["artefacts"].items()
            },
            bases=tuple(BaseModel(**base) for base in raw["bases"]),
            dataset=ReleasedDataset(**raw["dataset"]),
            commit=SpecCommit.from_dict(raw.get("commit") or {}),
            evaluation=ReleaseEvaluation(
                name=evaluation["name"],
                digest=evaluation["digest"],
                measures=tuple(map(Measure.from_dict, evaluation["measures"])),
                checks=tuple(map(Check.from_dict, evaluation["checks"])),
            ),
            approved_by=tuple(raw.get("approved_by") or ()),
        )


_CONTENT = ("project", "service", "rollout", "specs", "model", "prompt", "artefacts", "bases",
            "dataset", "seed")  # fmt: skip
"""What the digest covers."""
_PLAIN = ("digest", "project", "service", "rollout", "specs", "model", "prompt", "seed", "tools",
          "created")  # fmt: skip
