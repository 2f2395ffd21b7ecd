"""Send feedback from an application, in three lines.

    from tidemill.client import Tidemill

    with Tidemill("localhost:9092", "support-chat.feedback") as tidemill:
        tidemill.thumbs(response_id, up=False, subject=user_id)

`response_id` comes with each answer (header `x-tidemill-response-id`). The user id leaves the
process only as a hash keyed with TIDEMILL_SUBJECT_KEY, which the gateway has to share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Required, Self, TypedDict

from pydantic import ValidationError

from tidemill.adapters.kafka import connect
from tidemill.errors import EventError
from tidemill.events import (
    Event,
    FeedbackEvent,
    ReviewVerdict,
    encode,
    hash_subject,
    new_id,
)
from tidemill.ports import Bus, Message
from tidemill.rows import DatasetRow
from tidemill.settings import SubjectSettings

_ATTRIBUTES = ("response_id", "kind", "subject", "consent", "time", "event_id")


class SendArguments(TypedDict, total=False):
    """The arguments of `Tidemill.send`."""

    response_id: Required[str | None]
    kind: Required[str]
    subject: str | None
    consent: bool
    time: datetime | None
    event_id: str | None
    value: float
    """Of thumbs, score and outcome."""
    output: str | Mapping[str, object]
    """Of a correction or a review."""
    comment: str
    over: str
    """Of a preference."""


class Tidemill:
    """Writes to one stream of feedback; every call returns when the broker has the event."""

    def __init__(
        self,
        servers: str,
        topic: str,
        *,
        source: str = "/client",
        subject_key: bytes | str | None = None,
        bus: Bus | None = None,
    ) -> None:
        """`source` names the application; `subject_key` is TIDEMILL_SUBJECT_KEY unless given.

        Without any key a subject is sent as it is: hash user ids yourself then.
        """
        key = subject_key if subject_key is not None else SubjectSettings.read().subject_key
        self._key = key.encode() if isinstance(key, str) else key
        self._topic, self._source = topic, source
        self._bus = bus or connect(servers)

    def thumbs(self, response_id: str, *, up: bool, **about: Any) -> str:
        """Good or bad; returns the event id."""
        return self.send(response_id, "thumbs", value=float(up), **about)

    def score(self, response_id: str, value: float, **about: Any) -> str:
        """A score within the stream's range."""
        return self.send(response_id, "score", value=value, **about)

    def correction(self, response_id: str, output: str | Mapping[str, object], **about: Any) -> str:
        """The right answer, as text or by column; trained on with `consent`."""
        right = output if isinstance(output, str) else dict(output)
        return self.send(response_id, "correction", output=right, **about)

    def comment(self, response_id: str, text: str, **about: Any) -> str:
        """A remark in words."""
        return self.send(response_id, "comment", comment=text, **about)

    def preference(self, response_id: str, over: str, **about: Any) -> str:
        """This response was preferred to another one."""
        return self.send(response_id, "preference", over=over, **about)

    def outcome(self, response_id: str, value: float, **about: Any) -> str:
        """The result in the world: 0 (bad) to 1 (good), such as a solved ticket; of recommendations
        `output` is the item that was clicked or bought."""
        return self.send(response_id, "outcome", value=value, **about)

    def review(
        self,
        verdict: ReviewVerdict,
        *,
        reviewer: str,
        response_id: str | None = None,
        question: DatasetRow | None = None,
        **about: Any,
    ) -> str:
        """What a reviewer decided about an answer, or about a question that only a file has;
        `output` is the right answer where the verdict is `answer`."""
        row = None if question is None else dict(question)
        more = {"reviewer": reviewer, "verdict": verdict, "question": row, **about}
        return self.send(response_id, "review", **more)

    def send(
        self,
        response_id: str | None,
        kind: str,
        *,
        subject: str | None = None,
        consent: bool = False,
        time: datetime | None = None,
        event_id: str | None = None,
        **data: Any,
    ) -> str:
        """Any kind of feedback; the same `event_id` twice counts once. Raises `EventError` for what
        ingest would quarantine, `BrokerDown` where nothing was sent."""
        event = self._event(response_id, kind, subject, consent, time, event_id, data)
        self._bus.publish([Message(self._topic, **encode(event))])
        return event.id

    def send_many(self, feedback: Iterable[SendArguments]) -> int:
        """Many at once, each as the arguments of `send`; far faster. Returns how many."""
        messages = [Message(self._topic, **encode(self._event_of(item))) for item in feedback]
        self._bus.publish(messages)
        return len(messages)

    def close(self) -> None:
        """Disconnect."""
        self._bus.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _event_of(self, item: SendArguments) -> Event:
        return self._event(
            item.get("response_id"),
            item.get("kind"),
            item.get("subject"),
            bool(item.get("consent")),
            item.get("time"),
            item.get("event_id"),
            {name: value for name, value in item.items() if name not in _ATTRIBUTES},
        )

    def _event(
        self,
        response_id: str | None,
        kind: str | None,
        subject: str | None,
        consent: bool,
        time: datetime | None,
        event_id: str | None,
        data: Mapping[str, object],
    ) -> Event:
        pseudonym = hash_subject(subject, self._key) if subject and self._key else subject
        fields = {
            "response_id": response_id,
            "kind": kind,
            "subject": pseudonym,
            "consent": consent,
        }
        try:
            feedback = FeedbackEvent.model_validate({**fields, **data})
        except ValidationError as error:
            reasons = "; ".join(p["msg"].removeprefix("Value error, ") for p in error.errors())
            raise EventError(f"this feedback would be quarantined: {reasons}") from None
        return Event(feedback, self._source, event_id or new_id(), time or datetime.now(UTC))
