"""The users: each asks, some rate, some are wrong now and then, some lie."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

from tests.proofs.outcome.questions import Question
from tidemill.client import Tidemill
from tidemill.settings import Settings

Lies = Literal["none", "all", "together"]
"""Whether every correction is wrong, or a twentieth of the users agree on one wrong label."""
PATIENCE, AT_ONCE, LIARS = 600.0, 4, 0.05


@dataclass(frozen=True)
class Answered:
    """What the service said to a question of a user."""

    question: Question
    user: str
    response_id: str
    release: str
    label: str | None

    @property
    def right(self) -> bool:
        """True where the label is the question's; never for what no label fits."""
        return self.question.label is not None and self.label == self.question.label


@dataclass
class Crowd:
    """People who use one service, the same in every run of a seed."""

    settings: Settings
    service: str
    labels: Sequence[str]
    seed: int
    users: int = 200
    rated: float = 0.3
    """Share of the answers that get any feedback."""
    wrong: float = 0.2
    """Share of the feedback that is wrong, by accident."""
    corrects: bool = True
    """False where users only say whether they like an answer."""
    whole_answers: bool = False
    """True where the right answer is a text, not a label."""
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=PATIENCE))

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    @property
    def url(self) -> str:
        """The service's address."""
        return f"http://{self.settings.host}:{self.settings.gateway_port}/{self.service}"

    def is_served(self) -> bool:
        """True once the gateway knows a release."""
        return self.http.get(f"{self.url}/openai/v1/models").is_success

    def ask(self, questions: Sequence[Question]) -> list[Answered]:
        """Each question by some user, a few at once."""
        names = [f"user-{self.dice.randrange(self.users)}" for _ in questions]
        with ThreadPoolExecutor(AT_ONCE) as several:
            return list(several.map(self._ask, questions, names))

    def _ask(self, question: Question, user: str) -> Answered:
        body = {
            "model": self.service,
            "messages": [{"role": "user", "content": question.text}],
            "tidemill": {"subject": user},
        }
        answer = self.http.post(f"{self.url}/openai/v1/chat/completions", json=body)
        answer.raise_for_status()
        headers, content = answer.headers, answer.json()
        text = content["choices"][0]["message"]["content"]
        label = text if self.whole_answers else content["tidemill"]["label"]
        release = headers["x-tidemill-release"]
        return Answered(question, user, headers["x-tidemill-response-id"], release, label)

    def rate(self, answers: Sequence[Answered], lies: Lies) -> int:
        """Feedback on a share of the answers; gives the number of corrections."""
        chosen = [one for one in answers if self.dice.random() < self.rated]
        events = [event for one in chosen for event in self.opinions(one, lies)]
        with Tidemill(self.settings.brokers, f"{self.service}.feedback") as client:
            client.send_many(events)
        return sum(event["kind"] == "correction" for event in events)

    def opinions(self, answered: Answered, lies: Lies) -> Iterator[dict[str, Any]]:
        """What one user says of one answer, as arguments of `Tidemill.send`."""
        about = {"response_id": answered.response_id, "subject": answered.user}
        target = self.target(answered, lies)
        if target is None:
            mistaken = answered.question.label is not None and self.dice.random() < self.wrong
            yield {**about, "kind": "thumbs", "value": float(answered.right != mistaken)}
        if target is not None:
            yield {**about, "kind": "thumbs", "value": 0.0}
            yield {**about, "kind": "correction", "output": target, "consent": True}

    def target(self, answered: Answered, lies: Lies) -> str | None:
        """The label a user corrects to; None where the user corrects nothing."""
        right = answered.question.label
        if not self.corrects:
            return None
        if lies == "all":
            return self.another(right)
        if lies == "together" and self.is_liar(answered.user):
            return self.labels[0] if right != self.labels[0] else self.labels[1]
        if right is None or answered.right:
            return None
        return self.another(right) if self.dice.random() < self.wrong else right

    def is_liar(self, user: str) -> bool:
        """The first twentieth of the users."""
        return int(user.rpartition("-")[2]) < self.users * LIARS

    def another(self, label: str | None) -> str:
        """A label that is wrong."""
        return self.dice.choice([one for one in self.labels if one != label])
