"""A killed run is started again, a finished one never, and nothing is started for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.engine.run_verdict import ATTEMPTS, SILENCE, Attempt, judge_run

LOST = Attempt("lost", "lost")
QUIET = SILENCE + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("newest", "verdict"),
    [
        (Attempt("r", "succeeded", QUIET), "succeeded"),
        (Attempt("r", "failed", QUIET), "failed"),
        (Attempt("r", "waiting", QUIET), "under way"),
        (Attempt("r", "started", SILENCE), "under way"),
        (Attempt("r", "started", QUIET, holds_lease=True), "under way"),
        (Attempt("r", "started", QUIET), "run again"),
        (LOST, "nothing yet"),
    ],
)
def test_the_newest_attempt_decides(newest: Attempt, verdict: str) -> None:
    assert judge_run([newest]) == verdict
    assert judge_run([newest, LOST]) == verdict


def test_without_a_run_there_is_nothing_yet() -> None:
    assert judge_run([]) == "nothing yet"


@given(st.integers(0, 2 * ATTEMPTS))
@settings(deadline=None)
def test_a_run_that_is_killed_each_time_is_given_up(lost: int) -> None:
    verdict = judge_run([Attempt("r", "started", QUIET), *[LOST] * lost])

    assert verdict == ("run again" if lost + 1 < ATTEMPTS else "given up")
