"""Parses Kafka's records into rows of the ledger, or of quarantine with a reason: no I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidemill.adapters.ledger.base import SqlRow
from tidemill.adapters.ledger.event_tables import to_timestamp
from tidemill.errors import EventError
from tidemill.ports import INFERENCE_TOPIC, LIFECYCLE_TOPIC, Message

if TYPE_CHECKING:  # whoever only reads the ledger does not wait for the models of events
    from tidemill.events import Data, Event, FeedbackEvent, InferenceEvent, LifecycleEvent
    from tidemill.spec.feedback import Feedback as Contract

MAX_CLOCK_SKEW = timedelta(days=1)
"""Clocks may be off by this much; a time further in the future would poison every window."""


@dataclass(frozen=True)
class ParsedBatch:
    """The rows of a batch of records, by table."""

    inference: list[SqlRow] = field(default_factory=list)
    feedback: list[SqlRow] = field(default_factory=list)
    lifecycle: list[SqlRow] = field(default_factory=list)
    quarantined: list[SqlRow] = field(default_factory=list)


def parse_records(
    records: Iterable[Message], contracts: Mapping[str, Contract], now: datetime
) -> ParsedBatch:
    """Decode and check each record; offsets stay as the records have them."""
    from tidemill.events import FeedbackEvent, InferenceEvent, decode

    batch = ParsedBatch()
    arrived = to_timestamp(now)
    for record in records:
        contract = contracts.get(record.topic)
        try:
            event = decode(record.headers, record.value)
            data = _check_contract(event, record.topic, contract)
            row = _common(record, event, arrived)
            if isinstance(data, FeedbackEvent):
                assert contract is not None
                batch.feedback.append(row | _feedback(data, contract, record, row))
            elif isinstance(data, InferenceEvent):
                batch.inference.append(row | _inference(data))
            else:
                batch.lifecycle.append(row | _lifecycle(data))
        except EventError as error:
            batch.quarantined.append(quarantine_row(record, contract, str(error), arrived))
    return batch


def quarantine_row(record: Message, contract: Contract | None, reason: str, at: float) -> SqlRow:
    """A quarantine row: the raw bytes, where they lay, and why."""
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": record.key,
        "headers": headers_to_text(record.headers),
        "value": record.value,
        "reason": reason,
        "at": at,
        "dead_letter": contract.dead_letter if contract else None,
    }


def headers_to_text(headers: Iterable[tuple[str, bytes]]) -> str:
    """Record headers as JSON text; every byte survives (Latin-1)."""
    return json.dumps([[name, value.decode("latin-1")] for name, value in headers])


def headers_from_text(text: str) -> tuple[tuple[str, bytes], ...]:
    """The headers of a JSON text that `headers_to_text` gave."""
    return tuple((name, value.encode("latin-1")) for name, value in json.loads(text))


def _check_contract(event: Event, topic: str, contract: Contract | None) -> Data:
    from tidemill.events import FeedbackEvent, InferenceEvent, LifecycleEvent

    shapes: Mapping[str, type[Data]] = {
        INFERENCE_TOPIC: InferenceEvent,
        LIFECYCLE_TOPIC: LifecycleEvent,
    }
    expected = FeedbackEvent if contract else shapes.get(topic)
    if expected is None:
        raise EventError(f"no Feedback spec names the topic '{topic}'; add one, then replay")
    if not isinstance(event.data, expected):
        raise EventError(
            f"{event.data.TYPE} does not belong on '{topic}'; it takes {expected.TYPE}"
        )
    return event.data


def _common(record: Message, event: Event, arrived: float) -> SqlRow:
    time = to_timestamp(event.time)
    if time > arrived + MAX_CLOCK_SKEW.total_seconds():
        raise EventError(f"its time {event.time.isoformat()} is more than one day in the future")
    return {
        "event_id": event.id,
        "source": event.source,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "time": min(time, arrived),
        "arrived": arrived,
    }


def _feedback(data: FeedbackEvent, contract: Contract, record: Message, row: SqlRow) -> SqlRow:
    if data.kind not in contract.kinds:
        allowed = ", ".join(contract.kinds)
        raise EventError(f"'{contract.name}' does not accept {data.kind}; it accepts {allowed}")
    return {
        "response_id": data.response_id or "",
        "kind": data.kind,
        "value": data.value,
        "rating": _to_rating(data, contract),
        "comment": data.comment,
        "output": None if data.output is None else json.dumps(data.output, ensure_ascii=False),
        "over": data.over,
        "subject": data.subject,
        "consent": data.consent,
        "late": row["time"] < row["arrived"] - contract.late_after.total_seconds(),
        "state": "joined" if data.question else "waiting",
        "deadline": row["arrived"] + contract.join_window.total_seconds(),
        "raw": record.value,
        "headers": record.headers,  # packed only where it has to wait
        "dead_letter": contract.dead_letter,
        "service": contract.service,
        "release": None,
        "inference": None,
        "inference_partition": None,
        "inference_offset": None,
        "reviewer": data.reviewer,
        "verdict": data.verdict,
        "question": json.dumps(data.question, ensure_ascii=False) if data.question else None,
    }


def _to_rating(data: FeedbackEvent, contract: Contract) -> float | None:
    if data.kind in ("thumbs", "outcome"):
        return data.value
    if data.kind != "score":
        return None
    low, high = contract.score_range
    assert data.value is not None
    if not low <= data.value <= high:
        raise EventError(f"a score of {data.value:g} is outside {low:g} to {high:g}")
    return (data.value - low) / (high - low) if high > low else 1.0


def _inference(data: InferenceEvent) -> SqlRow:
    return {**data.__dict__, "input": json.dumps(data.input, ensure_ascii=False)}


def _lifecycle(data: LifecycleEvent) -> SqlRow:
    return {**data.__dict__, "facts": json.dumps(data.facts, ensure_ascii=False)}
