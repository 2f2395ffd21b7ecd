"""One turn at a time for each service; what a turn has used makes no second one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tidemill.engine.turns import OtherTurns, Turn, TurnState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DONE = Turn("the run of 'nightly'", "finished", NOW, {"said/0": 5, "tidemill.inference/0": 9}, True)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("queued", "the run of 'nightly' of 2026-03-01 12:00 UTC is still under way"),
        ("started", "the run of 'nightly' of 2026-03-01 12:00 UTC is still under way"),
        ("needs_approval", "the run of 'nightly' of 2026-03-01 12:00 UTC waits for an approval"),
        ("finished", ""),
        ("failed", ""),
        ("refused", ""),
    ],
)
def test_a_turn_that_has_not_ended_is_waited_for(state: TurnState, reason: str) -> None:
    assert OtherTurns([replace(DONE, state=state)]).under_way == reason


def test_a_rollout_is_waited_for_where_no_run_is() -> None:
    assert OtherTurns([DONE], "release abc is being rolled out").under_way.startswith("release abc")


def test_feedback_that_a_turn_built_the_same_from_is_used() -> None:
    own = {"said/0": 7, "tidemill.inference/0": 2}

    assert OtherTurns([DONE]).used_offsets("said", own) == {"said/0": 7, "tidemill.inference/0": 9}
    assert OtherTurns([DONE]).used_offsets("said", None) == DONE.offsets
    assert OtherTurns([DONE]).last_turn == NOW


@pytest.mark.parametrize(
    "turn",
    [
        replace(DONE, builds_all=False),
        replace(DONE, state="failed"),
        replace(DONE, state="refused"),
        replace(DONE, offsets={"other/0": 5, "tidemill.inference/0": 9}),
    ],
    ids=["builds less", "failed", "refused", "another stream"],
)
def test_feedback_of_any_other_turn_is_not_used(turn: Turn) -> None:
    own = {"said/0": 3}

    assert OtherTurns([turn]).used_offsets("said", own) == own


def test_the_newest_turn_that_built_the_same_counts() -> None:
    later = replace(DONE, decided_at=NOW + timedelta(hours=1), builds_all=False)

    assert OtherTurns([later, DONE]).last_turn == NOW
    assert OtherTurns([later]).last_turn is None
