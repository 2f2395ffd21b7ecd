"""What a person was shown at an approval: the content that is signed, and how it is read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidemill.engine.measurement import Measure
from tidemill.engine.release_record import ReleaseRecord


@dataclass(frozen=True)
class ApprovalEvidence:
    """What a person was shown; it stays word for word as it was signed, older content too."""

    content: Mapping[str, Any] = field(default_factory=dict)
    """JSON: of a release `release`, `commit`, `specs`, `dataset`, `report`, `figures`, `gates`,
    and `rollout` or `merge`; of a trigger decision `reason`, `numbers`, `offsets`, `runs`."""

    @classmethod
    def of_release(cls, record: ReleaseRecord) -> ApprovalEvidence:
        """A release: the digests of its parts, its figures over all rows, and its gates."""
        evaluation = record.evaluation
        return cls(
            {
                "release": record.digest,
                "commit": record.commit.sha,
                "specs": dict(record.specs),
                "dataset": record.dataset.digest,
                "report": evaluation.digest,
                "figures": [measure.to_dict() for measure in evaluation.overall],
                "gates": [check.message for check in evaluation.checks],
            }
        )

    @classmethod
    def of_unrecorded_release(cls, digest: str) -> ApprovalEvidence:
        """A release of which the ledger has no record."""
        return cls({"release": digest})

    @classmethod
    def of_decision(
        cls,
        reason: str,
        numbers: Mapping[str, object],
        offsets: Mapping[str, int],
        assets: Sequence[str],
    ) -> ApprovalEvidence:
        """What a trigger wants to run, on what, and why."""
        facts = {"reason": reason, "numbers": dict(numbers), "offsets": dict(offsets)}
        return cls({**facts, "runs": list(assets)})

    def with_rollout(self, reason: str, percent: float, *, awaits_person: bool) -> ApprovalEvidence:
        """Where the release's rollout stands, beside it."""
        rollout = {"reason": reason, "percent": percent, "waits": awaits_person}
        return ApprovalEvidence({**self.content, "rollout": rollout})

    def with_merge(self, sha: str) -> ApprovalEvidence:
        """The commit that merged the lock file, beside it."""
        return ApprovalEvidence({**self.content, "merge": sha})

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The figures of a release; empty for a decision."""
        return tuple(map(Measure.from_dict, self.content.get("figures", ())))

    @property
    def gates(self) -> tuple[str, ...]:
        """The gates of a release, a line each."""
        return tuple(self.content.get("gates", ()))
