"""Notifications: what people hear of without looking, and how one message reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Topic = Literal[
    "run-failed",
    "run-finished",
    "gate-failed",
    "candidate-stopped",
    "person-needed",
    "stalled",
    "promoted",
    "rolled-back",
    "commit-refused",
    "contested-labels",
    "proposal",
]
"""`candidate-stopped`: before it got traffic; `stalled`: a rollout that cannot go on by itself;
`proposal`: a pull request that a search opened."""
TOPICS: tuple[Topic, ...] = get_args(Topic)
Severity = Literal["success", "warning", "failure"]
_SEVERITIES: Mapping[Topic, Severity] = {
    "run-failed": "failure",
    "run-finished": "success",
    "gate-failed": "failure",
    "candidate-stopped": "failure",
    "person-needed": "warning",
    "stalled": "warning",
    "promoted": "success",
    "rolled-back": "failure",
    "commit-refused": "failure",
    "contested-labels": "warning",
    "proposal": "success",
}
LONGEST = 1500
"""Characters of a body; chat services cut or refuse more."""


@dataclass(frozen=True)
class Notification:
    """One message for people, in plain text."""

    topic: Topic
    subject: str
    """One line: what it happened to, and what happened."""
    body: str
    """The reason, with its numbers."""
    command: str
    """What helps next, as it is typed into a shell."""

    @property
    def severity(self) -> Severity:
        """How a chat service colours it."""
        return _SEVERITIES[self.topic]

    @property
    def text(self) -> str:
        """The body, cut to `LONGEST` characters, and the command below it."""
        body = self.body if len(self.body) <= LONGEST else f"{self.body[:LONGEST]}…"
        return f"{body}\n\nNext: {self.command}"
