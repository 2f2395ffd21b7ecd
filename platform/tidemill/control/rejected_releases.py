"""Keeping a candidate that was rolled back from coming again, and sending it out on a word."""

from __future__ import annotations

from pathlib import Path

from tidemill.engine.rejected_candidate import REJECTED_STATES, CandidateOutcome, rejection
from tidemill.engine.release_record import ReleaseRecord
from tidemill.errors import CandidateRejected, ServiceError
from tidemill.home import Home
from tidemill.records import RolloutRecord, RolloutUpdate

NEWEST = 50
"""Rollouts of a service that are looked back at."""


def check_not_rejected(home: Home, record: ReleaseRecord) -> None:
    """Raise CandidateRejected where the last rollout of the same inputs was rolled back."""
    outcomes = [
        CandidateOutcome(former, rollout.state, rollout.reason, rollout.finished_at)
        for rollout in home.ledger.rollouts.newest(record.service, NEWEST)
        if (former := home.ledger.materialisations.release(rollout.release)) is not None
    ]
    reason = rejection(record, outcomes)
    if reason is not None:
        raise CandidateRejected(reason)


def retry_release(home: Home, service: str, by: str) -> RolloutRecord:
    """Ask again for the traffic of the candidate that a service rejected last; raises
    ServiceError where there is none, or where its files are gone."""
    rollouts = home.ledger.rollouts
    newest = next(iter(rollouts.newest(service, 1)), None)
    if newest is None or newest.state not in REJECTED_STATES:
        raise ServiceError(
            f"the newest candidate of '{service}' was not rolled back; see "
            f"`tidemill rollout status {service}`"
        )
    if not Path(newest.release_folder).is_dir():
        raise ServiceError(
            f"release {newest.release[7:19]} is not in {newest.release_folder} any more; change "
            "the data or a spec, and `tidemill run` brings out another one"
        )
    now, spec = home.clock.now(), newest.spec.fields
    key = rollouts.request(service, newest.release, newest.release_folder, spec, now)
    reason = f"sent out once more by {by}; before, it {REJECTED_STATES[newest.state]}"
    change = RolloutUpdate("retry", f"{reason}: {newest.reason}", numbers={"by": by})
    rollouts.record_decision(key, change, now)
    return rollouts.get(key)
