"""An event becomes one plain message with the command that helps next, or none."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.control.notification_messages import notification_of
from tidemill.engine.notification import TOPICS
from tidemill.events import LifecycleEvent, LifecycleKind

ROLLOUT = {"service": "chat", "reason": "error_rate at most 0.05: 0.5 > 0.05"}
CASES: list[tuple[str, LifecycleKind, str, dict[str, Any], str, str]] = [
    (
        "run-failed",
        "run-failed",
        "tune",
        {"reason": "the loss ran away", "log": "/home/dagster/storage/7"},
        "desk: a run failed at 'tune'",
        "tidemill run desk/tune",
    ),
    (
        "run-finished",
        "run-finished",
        "again",
        {"cause": "trigger 'again'", "reason": "30 corrections", "assets": ["rows", "tune"]},
        "desk: the run of trigger 'again' finished",
        "tidemill status",
    ),
    (
        "gate-failed",
        "checks-failed",
        "quality",
        {"kind": "Evaluation", "reason": "accuracy 0.6 < 0.8"},
        "desk/quality: the candidate is stopped before the rollout, a check failed",
        "tidemill report desk/quality",
    ),
    (
        "candidate-stopped",
        "rolled-back",
        "canary",
        {**ROLLOUT, "had_traffic": False},
        "chat: release abcdefabcdef was stopped before it got traffic",
        "tidemill rollout status chat",
    ),
    (
        "rolled-back",
        "rolled-back",
        "canary",
        {**ROLLOUT, "had_traffic": True},
        "chat: release abcdefabcdef was rolled back",
        "tidemill rollout status chat",
    ),
    (
        "promoted",
        "step-advanced",
        "canary",
        {**ROLLOUT, "state": "live"},
        "chat: release abcdefabcdef is live",
        "tidemill rollout status chat",
    ),
    (
        "person-needed",
        "decision-needed",
        "canary",
        ROLLOUT,
        "chat: release abcdefabcdef waits for a person",
        "tidemill approve chat",
    ),
    (
        "person-needed",
        "trigger-decided",
        "again",
        {"state": "needs_approval", "reason": "30 corrections"},
        "desk/again: the trigger waits for a person",
        "tidemill approve desk/again",
    ),
    (
        "stalled",
        "rollout-stalled",
        "canary",
        ROLLOUT,
        "chat: release abcdefabcdef: the rollout cannot go on by itself",
        "tidemill rollout status chat",
    ),
    (
        "commit-refused",
        "commit-refused",
        "main",
        {"commit": "0123456789abcdef", "reason": "2 problems", "refusal": "broken"},
        "commit 0123456789 on main does not take effect",
        "tidemill validate",
    ),
    (
        "contested-labels",
        "dataset-built",
        "rows",
        {"contested": 12},
        "desk/rows: 12 rows wait for a review of the label",
        "tidemill review desk/rows",
    ),
    (
        "proposal",
        "prompt-searched",
        "ask",
        {
            "reason": "a gain: accuracy +0.3 (+0.1 to +0.5)",
            "pull_request": "https://forge/7",
            "command": "tidemill optimise desk/ask --model tiny --seed 0",
        },
        "desk/ask: a search found a better prompt",
        "tidemill optimise desk/ask --model tiny --seed 0",
    ),
]


@pytest.mark.parametrize(("topic", "kind", "name", "facts", "subject", "command"), CASES)
def test_an_event_becomes_a_message(
    topic: str,
    kind: LifecycleKind,
    name: str,
    facts: dict[str, Any],
    subject: str,
    command: str,
) -> None:
    event = LifecycleEvent(
        what=kind, project="desk", name=name, digest="sha256:" + "abcdef" * 10, facts=facts
    )
    message = notification_of(event)

    assert message is not None
    assert (message.topic, message.subject, message.command) == (topic, subject, command)
    reason = facts.get("reason", "leaves them out")
    assert reason in message.body
    assert facts.get("log", "") in message.body


def test_every_topic_has_an_event() -> None:
    assert {case[0] for case in CASES} == set(TOPICS)


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("step-advanced", {"service": "chat", "state": "running"}),
        ("step-advanced", {"service": "chat", "state": "superseded"}),
        ("step-advanced", {"service": "chat", "state": None}),
        ("trigger-decided", {"state": "queued", "reason": "30 corrections"}),
        ("dataset-built", {"contested": 0}),
        ("dataset-built", {}),
        ("training-started", {}),
        ("prompt-searched", {"reason": "no gain: nothing is proposed", "pull_request": ""}),
        ("release-made", {}),
        ("commit-applied", {"commit": "abc"}),
    ],
)
def test_what_goes_its_way_is_not_told(kind: LifecycleKind, facts: dict[str, Any]) -> None:
    event = LifecycleEvent(what=kind, project="desk", name="x", facts=facts)

    assert notification_of(event) is None


def test_the_end_of_a_run_says_what_its_search_came_to() -> None:
    facts = {"cause": "trigger 'again'", "reason": "30 corrections", "outcome": "'ask': no gain"}
    event = LifecycleEvent(what="run-finished", project="desk", name="again", facts=facts)
    message = notification_of(event)

    assert message is not None
    assert message.body.splitlines()[-1] == "'ask': no gain"
