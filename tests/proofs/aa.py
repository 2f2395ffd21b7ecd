"""A/A in the real services: rollouts of releases that answer exactly as the live one does.

    python -m tests.proofs aa

Each release has the live one's model; only its Rollout spec is new. Where users repeat themselves
the live release answers from its cache and the candidate does not; where every question is new
neither does. A rollback is a false one, and a rollout that stands still is held for ever.
"""

from __future__ import annotations

import itertools
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.proofs.outcome.crowd import Crowd
from tests.proofs.outcome.project import SERVICE, Desk
from tests.proofs.outcome.questions import Question
from tests.proofs.outcome.shapes import support_requests
from tests.proofs.outcome.turn import PATIENT, STILL, await_service
from tidemill.demo.pulse import signs
from tidemill.engine.standstill import Standstill

ROLLOUTS, FIRST_ROWS, BESIDE = 5, 200, 20
REPEATED, REPETITIONS = 60, 3
"""Questions that users of a warm cache ask, and how often they did before the rollout."""
_EXPECTED = re.compile(r"\bexpected_ratings: \d+")


def run() -> Iterator[dict[str, Any]]:
    """Five rollouts, one after the other, in services of their own."""
    with tempfile.TemporaryDirectory() as folder:
        yield prove(Path(folder))


def prove(folder: Path) -> dict[str, Any]:
    """None is rolled back and none is held."""
    rows = support_requests(seed=1)
    desk = Desk(folder / "desk")
    desk.begin(rows[:FIRST_ROWS])
    desk.types("run", SERVICE)
    desk.types("up")
    labels = sorted({str(row.label) for row in rows})
    crowd = Crowd(desk.settings, SERVICE, labels, seed=1, wrong=0.05, corrects=False)
    asked = rows[FIRST_ROWS:]
    try:
        await_service(desk, crowd)
        ends = [play(desk, crowd, asked, number) for number in range(ROLLOUTS)]
    finally:
        desk.types("down")
    false_rollbacks = sum(end["state"] == "rolled_back" for end in ends)
    held = sum(end["state"] not in ("live", "rolled_back") for end in ends)
    return {
        "ok": not false_rollbacks and not held,
        "false_rollbacks": false_rollbacks,
        "held": held,
        "rollouts": ends,
    }


def play(desk: Desk, crowd: Crowd, asked: Sequence[Question], number: int) -> dict[str, Any]:
    """One rollout to its end; every second one with a cache that never hits."""
    is_warm, started = number % 2 == 0, time.monotonic()
    questions = itertools.cycle(asked[:REPEATED]) if is_warm else unique(asked, number)
    crowd.rate(crowd.ask(list(itertools.islice(questions, REPEATED * REPETITIONS))), "none")
    release_again(desk, number)
    state, reason, requests = follow(desk, crowd, questions)
    end = {
        "cache": "warm" if is_warm else "cold",
        "state": state,
        "reason": reason,
        "requests": requests,
        "seconds": round(time.monotonic() - started, 1),
    }
    print(f"rollout {number + 1} of {ROLLOUTS}: {end}", flush=True)
    return end


def unique(asked: Sequence[Question], number: int) -> Iterator[Question]:
    """The questions for ever, each with a ticket's number, so that none was asked before."""
    for ticket, question in enumerate(itertools.cycle(asked)):
        yield Question(f"{question.text} (ticket {number}-{ticket})", question.label)


def release_again(desk: Desk, number: int) -> None:
    """A new release with the live one's model, and its rollout."""
    spec = desk.specs / "rollout.yaml"
    expected = f"expected_ratings: {151 + number}"
    spec.write_text(_EXPECTED.sub(expected, spec.read_text()))
    desk.types("run", SERVICE)


def follow(desk: Desk, crowd: Crowd, questions: Iterator[Question]) -> tuple[str, str, int]:
    """Users ask and rate until the newest rollout has ended or stands still; gives its state, why,
    and how many requests that took."""
    home, requests = desk.home(), 0
    rollouts = home.ledger.rollouts
    still = Standstill(time.monotonic(), signs(home, SERVICE, SERVICE), STILL)
    while True:
        newest = rollouts.newest(SERVICE, limit=1)[0]
        if not rollouts.in_progress(SERVICE):
            return newest.state, newest.reason, requests
        if requests > PATIENT or newest.awaits_person or still.over(time.monotonic()):
            return "held", newest.reason, requests
        crowd.rate(crowd.ask(list(itertools.islice(questions, BESIDE))), "none")
        requests += BESIDE
        time.sleep(0.5)  # the controller looks every few seconds
        still = still.look(signs(home, SERVICE, SERVICE), time.monotonic())
