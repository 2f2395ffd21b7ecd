"""What of a plan no run would bring on: assets after a failed input, and rejected candidates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from tidemill.engine.plan import PlanEntry, with_blocked
from tidemill.engine.rejected_candidate import rejection_sentence
from tidemill.engine.release_record import ReleaseRecord
from tidemill.engine.spec_snapshot import SpecSnapshot
from tidemill.home import Home
from tidemill.pipeline.asset_state import BuiltAssets
from tidemill.records import RolloutRecord


def with_obstacles(
    entries: Iterable[PlanEntry],
    desired: Mapping[str, SpecSnapshot],
    built: BuiltAssets,
    home: Home,
) -> tuple[PlanEntry, ...]:
    """The entries, of which those after a failed input are blocked, and rollouts with nothing new
    to bring out where their release was rolled back or did not start."""
    entries = with_blocked(entries, desired, built.failed_assets)
    settled = [entry for entry in entries if entry.kind == "Rollout" and entry.state == "reused"]
    rejected = home.ledger.rollouts.rejected_rollouts() if settled else {}
    reasons = {
        entry.key: _reason(built.present_release(desired[entry.key]), rejected)
        for entry in (settled if rejected else ())
    }
    return tuple(
        replace(entry, state="blocked", reason=reason)
        if (reason := reasons.get(entry.key, ""))
        else entry
        for entry in entries
    )


def _reason(release: ReleaseRecord | None, rejected: Mapping[str, RolloutRecord]) -> str:
    rollout = rejected.get(release.digest) if release else None
    if release is None or rollout is None:
        return ""
    name, ended = f"release {release.digest[7:19]}", rollout.finished_at
    return rejection_sentence(name, release.service, rollout.state, ended, rollout.reason)
