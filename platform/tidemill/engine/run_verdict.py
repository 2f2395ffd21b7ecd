"""What became of the run of a decision: under way, done, failed, or killed and to be run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

ATTEMPTS = 3
"""Runs that one decision may lose to killed processes before it counts as failed."""
SILENCE = timedelta(seconds=90)
"""A run that holds no lease and wrote nothing for this long was killed."""

Status = Literal["waiting", "started", "succeeded", "failed", "lost"]
"""`lost`: found killed at an earlier look; its decision waits for the next attempt."""
Verdict = Literal["nothing yet", "under way", "succeeded", "failed", "run again", "given up"]


@dataclass(frozen=True)
class Attempt:
    """One run of a decision as the orchestrator knows it."""

    run: str
    status: Status
    silent: timedelta = timedelta(0)
    """Time since the orchestrator heard of it."""
    holds_lease: bool = False


def judge_run(attempts: Sequence[Attempt]) -> Verdict:
    """The verdict on a decision by its runs, newest first; a killed one is started again until
    `ATTEMPTS` runs were lost."""
    if not attempts or attempts[0].status == "lost":
        return "nothing yet"
    newest = attempts[0]
    if newest.status == "succeeded":
        return "succeeded"
    if newest.status == "failed":
        return "failed"
    if not _is_killed(newest):
        return "under way"
    return "run again" if len(attempts) < ATTEMPTS else "given up"


def _is_killed(attempt: Attempt) -> bool:
    """True for a run that is under way by the orchestrator's account, and by no other."""
    return attempt.status == "started" and not attempt.holds_lease and attempt.silent > SILENCE
