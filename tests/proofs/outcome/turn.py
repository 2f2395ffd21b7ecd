"""One turn: users ask and rate, the trigger fires or not, a candidate is judged, what serves is
measured."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.proofs.outcome.crowd import Crowd, Lies
from tests.proofs.outcome.project import SERVICE, Desk
from tests.proofs.outcome.questions import Question, Questions
from tidemill.demo.pulse import signs
from tidemill.engine.standstill import Standstill
from tidemill.errors import TidemillError

ASKED, BESIDE, STILL, PATIENT = 600, 10, 180.0, 4000
"""Questions a turn; questions a second beside a rollout; seconds without any progress, and
questions beside one rollout, after which it counts as held."""


@dataclass
class Turn:
    """What one turn came to."""

    lies: Lies
    corrections: int = 0
    fired: str = ""
    """Why the trigger fired; empty where it did not."""
    outcome: str = ""
    """What became of the candidate."""
    reason: str = ""
    live_changed: bool = False
    served: dict[str, Any] = field(default_factory=dict)
    candidates: list[dict[str, Any]] = field(default_factory=list)
    """Each candidate that was evaluated: what the platform said of it, and the truth."""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def await_service(desk: Desk, crowd: Crowd) -> None:
    """Wait until the gateway knows a release of the service; raises TidemillError where nothing
    moves any more."""
    home = desk.home()
    still = Standstill(time.monotonic(), signs(home, SERVICE, SERVICE), STILL)
    while not crowd.is_served():
        time.sleep(0.5)
        still = still.look(signs(home, SERVICE, SERVICE), time.monotonic())
        if still.over(time.monotonic()):
            raise TidemillError(f"{SERVICE} is not served: {desk.types('status')}")


def measure(crowd: Crowd, questions: Questions) -> dict[str, Any]:
    """Share of held-out questions answered rightly by what serves, over all and by group."""
    answers = crowd.ask(questions.held_out)
    found: dict[str, Any] = {}
    for name in ("known", "new"):
        group = [one.right for one in answers if questions.group(one.question) == name]
        found[name] = round(sum(group) / max(len(group), 1), 4)
    inside = [one.right for one in answers if one.question.label is not None]
    return {"accuracy": round(sum(inside) / max(len(inside), 1), 4), **found, "rows": len(inside)}


def play(
    desk: Desk,
    crowd: Crowd,
    questions: Questions,
    pool: Iterator[Question],
    lies: Lies,
    asked: int = ASKED,
) -> Turn:
    """One whole turn; ends when the candidate serves, is refused, or hangs."""
    turn, started, home = Turn(lies), time.monotonic(), desk.home()
    before = home.ledger.rollouts.live_release(SERVICE)
    decisions = {one.key for one in home.ledger.trigger_decisions.history(SERVICE, "retrain")}
    answers = crowd.ask(list(itertools.islice(pool, asked)))
    turn.corrections = crowd.rate(answers, lies)
    turn.outcome, turn.reason = follow(desk, crowd, decisions, pool, lies, turn)
    turn.live_changed = desk.home().ledger.rollouts.live_release(SERVICE) != before
    turn.served = measure(crowd, questions)
    turn.seconds = round(time.monotonic() - started, 1)
    return turn


def follow(
    desk: Desk,
    crowd: Crowd,
    former: set[str],
    pool: Iterator[Question],
    lies: Lies,
    turn: Turn,
) -> tuple[str, str]:
    """Go on asking until the turn has ended; gives what became of it and why."""
    home = desk.home()
    ledger, beside = home.ledger, 0
    still = Standstill(time.monotonic(), signs(home, SERVICE, SERVICE), STILL)
    while True:
        new = [
            d for d in ledger.trigger_decisions.history(SERVICE, "retrain") if d.key not in former
        ]
        turn.fired = new[-1].reason if new else ""
        walking = ledger.rollouts.in_progress(SERVICE)
        if new and new[0].state == "failed":
            return "stopped before the canary", new[0].message
        if new and new[0].state == "finished" and not walking:
            newest = ledger.rollouts.newest(SERVICE, limit=1)[0]
            return newest.state, newest.reason
        if any(one.awaits_person for one in walking):
            return "asks a person", walking[0].reason
        if any(one.percent for one in walking):
            chunk = list(itertools.islice(pool, BESIDE))
            turn.corrections += crowd.rate(crowd.ask(chunk), lies)
            beside += BESIDE
            if beside > PATIENT:
                return "held", walking[0].reason
        time.sleep(1)  # people do not ask as fast as a loop can
        still = still.look(signs(home, SERVICE, SERVICE), time.monotonic())
        if still.over(time.monotonic()):
            return (
                ("held", walking[0].reason) if walking else ("nothing", "the trigger did not fire")
            )
