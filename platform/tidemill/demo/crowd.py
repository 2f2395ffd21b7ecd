"""The demo's users: they ask through the gateway and say over Kafka what they think of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tidemill.demo.stage import SERVICE
from tidemill.engine.statistics import wilson
from tidemill.rows import DatasetRow
from tidemill.settings import Settings

if TYPE_CHECKING:
    from tidemill.client import SendArguments

TOPIC = "support-chat.feedback"
PATIENCE = 600.0
"""Seconds one answer may take: what takes a laptop one takes a busy old machine minutes."""
BROKER_PATIENCE = 120.0
"""Seconds the broker may take to confirm."""


@dataclass(frozen=True)
class Quality:
    """How well the service understands rows: a share with its 95 % interval."""

    metric: str
    value: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class Answered:
    """A row, and what the service answered to it."""

    row: DatasetRow
    response_id: str
    release: str
    text: str
    label: str | None

    @property
    def right(self) -> bool:
        """True where the service understood what was wanted."""
        return self.label == str(self.row["intent"])


@dataclass
class Crowd:
    """People who use the service."""

    settings: Settings
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=PATIENCE))

    def ask(self, row: DatasetRow, *, subject: str | None = None) -> Answered:
        """One question through the gateway; raises httpx.HTTPError when it is not answered."""
        url = f"http://{self.settings.host}:{self.settings.gateway_port}/{SERVICE}"
        body = {
            "model": SERVICE,
            "messages": [{"role": "user", "content": row["request"]}],
            "tidemill": {"subject": subject or row["customer"]},
        }
        answer = self.http.post(f"{url}/openai/v1/chat/completions", json=body)
        answer.raise_for_status()
        content = answer.json()
        return Answered(
            row,
            answer.headers["x-tidemill-response-id"],
            answer.headers["x-tidemill-release"],
            content["choices"][0]["message"]["content"],
            content["tidemill"]["label"],
        )

    def is_served(self) -> bool:
        """True once the gateway knows a release of the service; the ledger knows it first."""
        url = f"http://{self.settings.host}:{self.settings.gateway_port}/{SERVICE}"
        return self.http.get(f"{url}/openai/v1/models").is_success

    def rate(self, answers: Iterable[Answered]) -> int:
        """A thumb for each answer, and a correction for each wrong one; gives the events sent."""
        from tidemill.adapters.kafka.bus import KafkaBus
        from tidemill.client import Tidemill

        feedback_events = [feedback for answered in answers for feedback in opinions(answered)]
        bus = KafkaBus(self.settings.brokers, timeout=BROKER_PATIENCE)
        with Tidemill(self.settings.brokers, TOPIC, bus=bus) as client:
            return client.send_many(feedback_events)

    def quality(self, rows: Iterable[DatasetRow]) -> Quality:
        """Share of rows whose intent is understood, with its 95 % Wilson interval."""
        answers = [self.ask(row) for row in rows]
        right = sum(answered.right for answered in answers)
        bounds = wilson(right, len(answers), 0.95)
        share = right / len(answers)
        return Quality("accuracy", share, bounds.low, bounds.high, len(answers))


def opinions(answered: Answered) -> Iterator[SendArguments]:
    """What a user says of an answer, as the arguments of `Tidemill.send`."""
    response, subject = answered.response_id, answered.row["customer"]
    thumb = float(answered.right)
    yield {"response_id": response, "subject": subject, "kind": "thumbs", "value": thumb}
    if not answered.right:
        yield {
            "response_id": response,
            "subject": subject,
            "kind": "correction",
            "output": f"{answered.row['intent']} | {answered.row['reply']}",
            "consent": True,
        }


def rows(path: Path) -> list[DatasetRow]:
    """The rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
