"""Events and contracts that the tests of streams share."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tidemill.adapters.ledger.events import EventLedger
from tidemill.events import INFERENCE_TOPIC, Event, FeedbackEvent, InferenceEvent, encode
from tidemill.ports import Bus, Message
from tidemill.records import IngestResult
from tidemill.spec.feedback import Feedback as Contract

TOPIC = "chat.feedback"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def contract(**changes: Any) -> Contract:
    """A stream that takes everything."""
    fields: dict[str, Any] = {
        "apiVersion": "tidemill/v1",
        "kind": "Feedback",
        "name": "chat-feedback",
        "topic": TOPIC,
        "service": "chat",
        "kinds": ("thumbs", "score", "correction", "comment"),
        "max_weight_per_subject": 1.0,
    }
    return Contract.model_validate({**fields, **changes})


def answer(number: int, *, at: datetime = NOW, event_id: str = "", **data: Any) -> Message:
    """The inference event of response `r<number>`."""
    given = {"response_id": f"r{number}", "service": "chat", "release": "sha256:one"}
    given |= {"input": {"request": f"question {number}"}, "output": f"answer {number}"}
    event = Event(InferenceEvent(**{**given, **data}), "/server", event_id or f"i{number}", at)
    return Message(INFERENCE_TOPIC, **encode(event))


def thumb(number: int, *, at: datetime = NOW, event_id: str = "", **data: Any) -> Message:
    """Feedback on response `r<number>`: a thumb down unless told otherwise."""
    given: dict[str, Any] = {"response_id": f"r{number}", "kind": "thumbs", "subject": f"u{number}"}
    if data.get("kind", "thumbs") == "thumbs":
        given["value"] = 0.0
    event = Event(FeedbackEvent(**{**given, **data}), "/app", event_id or f"f{number}", at)
    return Message(TOPIC, **encode(event))


def correct(number: int, **data: Any) -> Message:
    """A correction of response `r<number>`."""
    given = {"kind": "correction", "output": f"right {number}", "consent": True}
    return thumb(number, event_id=data.pop("event_id", f"c{number}"), **{**given, **data})


def take(
    ledger: EventLedger,
    bus: Bus,
    messages: Sequence[Message] = (),
    *,
    now: datetime = NOW,
    **contracts: Contract,
) -> IngestResult:
    """Publish, then take in everything the ledger has not read yet."""
    bus.publish(messages)
    known = {c.topic: c for c in contracts.values()} or {TOPIC: contract()}
    found = [
        position
        for topic in (INFERENCE_TOPIC, *known)
        for position in ledger.positions(topic, bus.partitions(topic), now)
    ]
    total = IngestResult()
    following = {(p.topic, p.partition): p.next_offset for p in found}
    while records := bus.read(following, limit=1000, timeout=0.3):
        total += ledger.ingest(records, found, known, now)
        following |= {(r.topic, r.partition): r.offset + 1 for r in records}
    return total


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
