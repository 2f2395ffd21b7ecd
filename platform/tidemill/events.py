"""The three events, as CloudEvents 1.0 over Kafka: inference, feedback, lifecycle.

An event is written in binary mode (attributes in `ce_*` headers, the data as JSON in the value) and
read in binary and structured mode. `decode` is the gate: what passes it is a valid `Event`, what
does not raises `EventError` with the reason that quarantine shows.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import os
import re
import time as clock
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self, TypedDict

from pydantic import ConfigDict, Field, ValidationError, model_validator

from tidemill.errors import EventError, suggest
from tidemill.ports import INFERENCE_TOPIC as INFERENCE_TOPIC
from tidemill.ports import LIFECYCLE_TOPIC as LIFECYCLE_TOPIC
from tidemill.rows import MutableRow
from tidemill.spec.base import Frozen
from tidemill.spec.feedback import FeedbackKind

Key = Annotated[str, Field(min_length=1, max_length=200)]
"""A name or id; short enough for an index of any database."""
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
_STRICT = ConfigDict(allow_inf_nan=False)
_SUSPECT = re.compile(rb"\\u0000|NaN|Infinity|[0-9][eE]\+?[0-9]{3}")


class InferenceEvent(Frozen):
    """One answer of a service (`tidemill.inference.v1`)."""

    model_config = _STRICT
    TYPE: ClassVar[str] = "tidemill.inference.v1"

    response_id: Key
    """Id of the response; feedback refers to it."""
    service: Key
    """The service that was called."""
    release: Key
    """Digest of the release that answered."""
    commit: str = Field(default="", max_length=200)
    """The release's spec commit."""
    prompt: str = Field(default="", max_length=200)
    """Digest of the prompt artefact."""
    subject: Key | None = None
    """The user, under a keyed hash."""
    conversation: Key | None = None
    """Keeps the turns of one conversation together."""
    input: MutableRow = Field(default_factory=dict)
    """The row the prompt was made from, by column; personal data already redacted."""
    output: str = ""
    """The answer, redacted likewise."""
    label: str | None = Field(default=None, max_length=200)
    """The class or intent in the answer, where the prompt has one."""
    tokens_in: Count = 0
    tokens_out: Count = 0
    latency: float = Field(default=0.0, ge=0)
    """Seconds from request to the last token."""
    cached: bool = False
    """True where the exact-response cache answered."""
    arm: str = Field(default="live", max_length=200)
    """The arm of the experiment: live, candidate, shadow."""
    error: str | None = None
    """Reason why there is no answer."""


ReviewVerdict = Literal["answer", "reject", "reopen"]
"""The right answer; the row is to be left out; no verdict any more, the votes count again."""


class FeedbackEvent(Frozen):
    """A judgement of one answer by a user or a system (`tidemill.feedback.v1`).

    A `review` is about an answer (`response_id`) or about a question that only a file has
    (`question`); all other kinds are about an answer.
    """

    model_config = _STRICT
    TYPE: ClassVar[str] = "tidemill.feedback.v1"

    response_id: Key | None = None
    """The answer it is about; only a review may have `question` in its place."""
    kind: FeedbackKind
    value: float | None = None
    """thumbs: 0 or 1; score: within the stream's range; outcome: 0 (bad) to 1 (good)."""
    comment: str | None = None
    """Free text; may come with any kind."""
    output: str | dict[str, Any] | None = None
    """correction, and review with verdict `answer`: the right output, as text or by column;
    outcome of a recommendation: the item that was taken up."""
    over: Key | None = None
    """preference: the response that this one was preferred to."""
    subject: Key | None = None
    """The user, under a keyed hash."""
    consent: bool = False
    """True where the user agreed to training on it."""
    reviewer: Key | None = None
    """review: the person who decided, for example by e-mail address; never hashed."""
    verdict: ReviewVerdict | None = None
    """review: what was decided; of several reviews of a question the newest counts."""
    question: MutableRow | None = None
    """review: the question by column, where no answer of the service asks it."""

    @model_validator(mode="after")
    def _check_payload(self) -> Self:
        if self.kind == "review":
            return self._check_review()
        if self.response_id is None:
            raise ValueError(f"{self.kind} needs `response_id`")
        if self.reviewer or self.verdict or self.question:
            raise ValueError(f"{self.kind} has no `reviewer`, `verdict` or `question`")
        carries = _CARRIES[self.kind]
        value = getattr(self, carries)
        if value is None or value == "" or value == {}:
            raise ValueError(f"{self.kind} needs `{carries}`")
        if self.kind == "thumbs" and value not in (0, 1):
            raise ValueError(f"a thumb's value is 0 or 1, not {value:g}")
        if self.kind == "outcome" and not 0 <= value <= 1:
            raise ValueError(f"an outcome's value is between 0 and 1, not {value:g}")
        return self

    def _check_review(self) -> Self:
        if self.reviewer is None or self.verdict is None:
            raise ValueError("review needs `reviewer` and `verdict`")
        if (self.response_id is None) == (not self.question):
            raise ValueError("review needs `response_id` or `question`, one of the two")
        if (self.verdict == "answer") == (not self.output):
            raise ValueError("review needs `output` with the verdict 'answer', and with no other")
        return self


_CARRIES = {
    "thumbs": "value",
    "score": "value",
    "outcome": "value",
    "correction": "output",
    "comment": "comment",
    "preference": "over",
}

LifecycleKind = Literal[
    "dataset-built",
    "checks-failed",
    "trigger-decided",
    "training-started",
    "training-finished",
    "prompt-searched",
    "run-failed",
    "run-finished",
    "release-made",
    "step-advanced",
    "decision-needed",
    "rollout-stalled",
    "rolled-back",
    "commit-applied",
    "commit-refused",
]


class LifecycleEvent(Frozen):
    """Something the platform did (`tidemill.lifecycle.v1`)."""

    model_config = _STRICT
    TYPE: ClassVar[str] = "tidemill.lifecycle.v1"

    what: LifecycleKind
    project: Key
    name: Key
    """The spec it happened to."""
    digest: str = Field(default="", max_length=200)
    """Digest of the artefact or release."""
    run: str = Field(default="", max_length=200)
    """The Dagster run."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """The numbers behind it."""


Data = InferenceEvent | FeedbackEvent | LifecycleEvent
_TYPES: Mapping[str, type[Data]] = {
    t.TYPE: t for t in (InferenceEvent, FeedbackEvent, LifecycleEvent)
}


@dataclass(frozen=True, slots=True)
class Event:
    """Data and the CloudEvents attributes around it; source and id together are unique."""

    data: Data
    source: str
    """The writer, as a URI reference: `/gateway/support-chat`."""
    id: str = field(default_factory=lambda: new_id())
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


class KafkaRecord(TypedDict):
    """An event as the parts of a Kafka record; `Message(topic, **binary(event))` makes one."""

    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes


def new_id() -> str:
    """32 hex digits that sort by time: new ids stay close together in an index."""
    return f"{clock.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


def hash_subject(user: str, key: bytes) -> str:
    """A user id under the keyed hash: the same person, without the name (HMAC-SHA256)."""
    return hmac.new(key, user.encode(), hashlib.sha256).hexdigest()[:32]


def encode(event: Event) -> KafkaRecord:
    """The event in binary content mode; the partition key is the subject."""
    subject = getattr(event.data, "subject", None)
    headers = {
        "ce_specversion": "1.0",
        "ce_id": event.id,
        "ce_source": event.source,
        "ce_type": event.data.TYPE,
        "ce_time": event.time.isoformat(),
        "content-type": "application/json",
    }
    return KafkaRecord(
        key=subject.encode() if subject else None,
        headers=tuple((name, text.encode()) for name, text in headers.items()),
        value=event.data.model_dump_json(exclude_none=True).encode(),
    )


def decode(headers: Iterable[tuple[str, bytes]], value: bytes) -> Event:
    """The event in a Kafka record of either mode; raises `EventError` with the reason."""
    values = dict(headers)
    try:
        if "ce_id" in values or "ce_specversion" in values:
            headed = {k[3:]: v.decode() for k, v in values.items() if k.startswith("ce_")}
            return _event(headed, value)
        return _event(*_decode_structured(value))
    except UnicodeDecodeError as error:
        raise EventError(f"a header is not UTF-8: {error.reason}") from None
    except ValidationError as error:
        raise EventError(_reason(error)) from None


def _decode_structured(value: bytes) -> tuple[Mapping[str, object], bytes]:
    try:
        envelope = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise EventError(f"neither `ce_` headers nor JSON: {error}") from None
    if not isinstance(envelope, dict):
        raise EventError("not a CloudEvent: the value is no JSON object")
    if "data_base64" in envelope:
        try:
            return envelope, base64.b64decode(str(envelope["data_base64"]), validate=True)
        except ValueError as error:
            raise EventError(f"`data_base64` is not base64: {error}") from None
    if "data" not in envelope:
        raise EventError("not a CloudEvent: no `ce_` headers, and no `data` in the value")
    return envelope, json.dumps(envelope["data"]).encode()


def _event(attributes: Mapping[str, object], value: bytes) -> Event:
    texts: dict[str, str] = {}
    for name in ("specversion", "id", "source", "type", "time"):
        text = attributes.get(name)
        if not isinstance(text, str) or not 0 < len(text) <= 200 or "\0" in text:
            raise EventError(f"the attribute `{name}` is missing, empty or over 200 characters")
        texts[name] = text
    if texts["specversion"] != "1.0":
        raise EventError(f"CloudEvents {texts['specversion']} is not read; write 1.0")
    shape = _TYPES.get(texts["type"])
    if shape is None:
        near = suggest(texts["type"], [*_TYPES])
        raise EventError(f"unknown type '{texts['type']}'; {near}")
    data: Data = shape.model_validate_json(value)
    if _SUSPECT.search(value) and _is_unstorable(data.__dict__):
        raise EventError("a text holds U+0000, or a number is not finite; no database keeps those")
    return Event(data, texts["source"], texts["id"], _time(texts["time"]))


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise EventError(f"`time` is '{text}', which is no RFC 3339 time") from None
    if time.tzinfo is None:
        raise EventError(f"`time` is '{text}', which has no zone; add Z or an offset")
    return time.astimezone(UTC)


def _is_unstorable(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_is_unstorable(k) or _is_unstorable(v) for k, v in value.items())
    if isinstance(value, list):
        return any(map(_is_unstorable, value))
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, str) and "\0" in value


def _reason(error: ValidationError) -> str:
    """Every problem of the data in one line, unknown fields with the nearest known one."""
    shape = next((t for t in _TYPES.values() if t.__name__ == error.title), FeedbackEvent)
    parts = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        field = ".".join(map(str, problem["loc"]))
        if problem["type"] == "extra_forbidden":
            parts.append(f"{field}: no such field; {suggest(field, [*shape.model_fields])}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            parts.append(f"{field}: {message}" if field else message)
    return "; ".join(parts)
