"""A candidate that was rolled back, or did not start, is not rolled out again from the same inputs.

The same inputs are the same specs, the same rows and the same base models; who trains them again
gets the same candidate. Only a person sends it out once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tidemill.engine.release_record import ReleaseRecord

REJECTED_STATES = {"rolled_back": "was rolled back", "failed": "did not start"}
"""States of a rollout that speak against its candidate, and what is said of them."""


@dataclass(frozen=True)
class CandidateOutcome:
    """How the rollout of a release went."""

    record: ReleaseRecord
    state: str
    """Of the rollout."""
    reason: str
    ended_at: datetime | None = None


def has_same_inputs(one: ReleaseRecord, other: ReleaseRecord) -> bool:
    """True for releases of the same specs, rows and base models."""
    return _inputs(one) == _inputs(other)


def rejection(candidate: ReleaseRecord, outcomes: Sequence[CandidateOutcome]) -> str | None:
    """Why a candidate is not rolled out, with the way out; None where nothing speaks against it.

    `outcomes` are those of its service, newest first: the newest one of the same inputs counts.
    """
    for outcome in outcomes:
        if has_same_inputs(candidate, outcome.record):
            if outcome.state not in REJECTED_STATES:
                return None
            same = outcome.record.digest == candidate.digest
            name = f"release {outcome.record.digest[7:19]}"
            what = name if same else f"{name}, of the same specs and rows,"
            moment, reason = outcome.ended_at, outcome.reason
            return rejection_sentence(what, candidate.service, outcome.state, moment, reason)
    return None


def rejection_sentence(
    what: str, service: str, state: str, ended_at: datetime | None, reason: str
) -> str:
    """`release abc was rolled back on 2026-03-01 12:00 UTC: errors …; <the way out>`."""
    moment = f" on {ended_at:%Y-%m-%d %H:%M} UTC" if ended_at else ""
    return (
        f"{what} {REJECTED_STATES[state]}{moment}: {reason}; change the data or a spec, or send "
        f"it out once more with `tidemill rollout retry {service}`"
    )


def _inputs(record: ReleaseRecord) -> object:
    rows = {item.digest for item in record.artefacts.values() if item.kind == "dataset"}
    bases = {(base.name, base.digest) for base in record.bases}
    return dict(record.specs), rows | {record.dataset.digest}, bases
