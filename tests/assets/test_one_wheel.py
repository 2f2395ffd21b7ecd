"""Several triggers of one service make one turn at a time, and one more for what came meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.adapters.streams import answer, thumb
from tests.adapters.streams import contract as stream
from tests.adapters.streams import take as take_in

from tidemill.adapters.memory.bus import MemoryBus
from tidemill.control.service_turns import services_of
from tidemill.control.trigger_evaluation import evaluate_and_report
from tidemill.home import Home
from tidemill.records import RolloutUpdate, TriggerDecision
from tidemill.spec.trigger import Trigger

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RATED = """apiVersion: tidemill/v1
kind: Trigger
name: unhappy
of: stream
when: {any: [{type: negative_rate, above: 0.5, at_least: 2}]}
run: [RUN]
cooldown: 0s
"""


class Wheel:
    """A project with two triggers over one stream, looked at minute by minute."""

    def __init__(self, home: Home) -> None:
        self.home, self.bus, self.minutes = home, MemoryBus(), 0
        trigger = home.settings.specs / "desk" / "trigger.yaml"
        trigger.write_text(trigger.read_text().replace("cooldown: 1h", "cooldown: 0s"))
        self.write("release")
        self.run("again", "[rows]", "[release]")

    def write(self, run: str) -> None:
        (self.home.settings.specs / "desk" / "unhappy.yaml").write_text(RATED.replace("RUN", run))
        self.home = self.home.with_fresh_specs()

    def run(self, name: str, former: str, run: str) -> None:
        path = self.home.settings.specs / "desk" / "trigger.yaml"
        path.write_text(path.read_text().replace(f"run: {former}", f"run: {run}"))
        self.home = self.home.with_fresh_specs()

    def rate(self, *numbers: int) -> None:
        told = stream(topic="desk.feedback", service="desk")
        messages = [answer(n, service="desk", at=NOW) for n in numbers]
        rated = [thumb(n, at=NOW, consent=True) for n in numbers]
        topic = [type(m)(**{**vars(m), "topic": "desk.feedback"}) for m in rated]
        take_in(self.home.ledger.events, self.bus, [*messages, *topic], now=NOW, desk=told)

    def look(self, name: str) -> str:
        self.minutes += 1
        project = self.home.project("desk")
        trigger = project.spec(name, Trigger)
        return evaluate_and_report(
            self.home, project, trigger, NOW + timedelta(minutes=self.minutes)
        )

    def fired(self) -> list[TriggerDecision]:
        return self.home.ledger.trigger_decisions.queued_decisions()

    def end(self, *, ok: bool = True) -> None:
        for decision in self.fired():
            self.home.ledger.trigger_decisions.mark_finished(decision.key, NOW, ok=ok)


@pytest.fixture
def wheel(home: Home) -> Wheel:
    return Wheel(home)


def test_while_one_trigger_turns_the_service_the_other_waits(wheel: Wheel) -> None:
    wheel.rate(1, 2, 3)
    wheel.look("again")
    wheel.rate(4, 5, 6)
    reason = wheel.look("unhappy")

    assert [decision.trigger for decision in wheel.fired()] == ["again"]
    assert "the run of 'again' of 2026-03-01 12:01 UTC is still under way" in reason


def test_what_one_turn_has_used_makes_no_turn_of_another_trigger(wheel: Wheel) -> None:
    wheel.rate(1, 2, 3)
    wheel.look("again")
    wheel.end()

    assert wheel.look("unhappy") == "unhappy: 0 of 2 ratings in the window"
    assert wheel.look("again") == "again: 0 of 2 new rows"
    assert wheel.fired() == []


def test_what_came_meanwhile_makes_exactly_one_more_turn(wheel: Wheel) -> None:
    wheel.rate(1, 2, 3)
    wheel.look("again")
    wheel.rate(4, 5, 6)
    waiting = [wheel.look("again"), wheel.look("unhappy")]
    wheel.end()
    turns = 0
    for _ in range(3):
        wheel.look("unhappy")
        wheel.look("again")
        turns += len(wheel.fired())
        wheel.end()

    assert all("is still under way" in reason for reason in waiting)
    assert turns == 1


def test_a_turn_that_built_less_or_failed_leaves_the_feedback_to_the_others(wheel: Wheel) -> None:
    wheel.run("again", "[release]", "[rows]")
    wheel.rate(1, 2, 3)
    wheel.look("again")
    wheel.end()
    wheel.look("unhappy")

    assert [decision.trigger for decision in wheel.fired()] == ["unhappy"]


def test_a_rollout_and_a_run_by_hand_are_waited_for_by_a_trigger_without_a_stream(
    wheel: Wheel,
) -> None:
    path = wheel.home.settings.specs / "desk" / "unhappy.yaml"
    nightly = "when: {any: [{type: schedule, every: 1m}]}"
    text = path.read_text().replace("of: stream\n", "")
    path.write_text(text.replace(text.split("\n")[3], nightly))
    wheel.home = wheel.home.with_fresh_specs()
    home = wheel.home
    home.ledger.rollouts.request("desk", "sha256:abc", "folder", {}, NOW)
    wheel.look("unhappy")
    rolling = wheel.look("unhappy")
    home.ledger.rollouts.record_decision(1, RolloutUpdate("done", "", "live"), NOW)
    home.ledger.leases.acquire("make:desk/rows", "run-1", timedelta(hours=1), NOW)
    building = wheel.look("unhappy")
    home.ledger.leases.release_lease("make:desk/rows", "run-1")

    assert "release abc of 'desk' is being rolled out" in rolling
    assert "a run is building 'rows'" in building
    assert wheel.fired() == []
    wheel.look("unhappy")
    assert [decision.trigger for decision in wheel.fired()] == ["unhappy"]


def test_a_run_that_a_commit_asked_for_is_waited_for(wheel: Wheel) -> None:
    decisions = wheel.home.ledger.trigger_decisions
    decisions.request_run("@git/1/desk", "desk", "a commit", ["tune"], NOW)
    decisions.request_run("@git/1/other", "other", "a commit", ["tune"], NOW)
    wheel.rate(1, 2, 3)
    waiting = wheel.look("again")
    decisions.mark_finished("@git/1/desk", NOW, ok=True)
    wheel.look("again")

    assert "the run that a commit asked for of 2026-03-01 12:00 UTC is still" in waiting
    assert "again" in [decision.trigger for decision in wheel.fired()]


def test_a_question_to_a_person_is_waited_for(wheel: Wheel) -> None:
    path = wheel.home.settings.specs / "desk" / "trigger.yaml"
    path.write_text(path.read_text() + "approval: {by: [ada@example.com]}\n")
    wheel.home = wheel.home.with_fresh_specs()
    wheel.rate(1, 2, 3)
    asked = wheel.look("again")
    waiting = wheel.look("unhappy")

    assert "needs approval" in asked
    assert "the run of 'again' of 2026-03-01 12:01 UTC waits for an approval" in waiting


def test_what_a_trigger_builds_ends_in_the_services_of_its_rollouts(wheel: Wheel) -> None:
    project = wheel.home.project("desk")

    assert services_of(project, ["rows"], None) == {"desk"}
    assert services_of(project, ["stream"], "stream") == {"desk"}
    assert services_of(project, [], None) == set()
