"""The codec of events: what is written is read back; what is broken is told, never raised raw."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.errors import EventError
from tidemill.events import (
    Event,
    FeedbackEvent,
    InferenceEvent,
    LifecycleEvent,
    decode,
    encode,
    hash_subject,
    new_id,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
THUMB = FeedbackEvent(response_id="r1", kind="thumbs", value=1, subject="u1")
EVENTS = [
    Event(THUMB, "/app", "1", AT),
    Event(
        FeedbackEvent(response_id="r", kind="correction", output={"intent": "a"}), "/app", "2", AT
    ),
    Event(
        InferenceEvent(response_id="r", service="s", release="sha256:1", input={"q": 1}),
        "/s",
        "3",
        AT,
    ),
    Event(
        LifecycleEvent(what="release-made", project="p", name="n", facts={"n": 1.5}), "/t", "4", AT
    ),
]


def headers(**changes: str | None) -> list[tuple[str, bytes]]:
    given = {
        "ce_specversion": "1.0",
        "ce_id": "1",
        "ce_source": "/app",
        "ce_type": FeedbackEvent.TYPE,
        "ce_time": "2026-03-01T12:00:00Z",
    }
    merged = given | {f"ce_{name}": value for name, value in changes.items()}  # type: ignore[dict-item]
    return [(name, value.encode()) for name, value in merged.items() if value is not None]


def data(**changes: Any) -> bytes:
    return json.dumps({"response_id": "r", "kind": "thumbs", "value": 1, **changes}).encode()


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e.data).__name__)
def test_an_event_written_in_binary_mode_is_read_back(event: Event) -> None:
    record = encode(event)

    assert decode(record["headers"], record["value"]) == event


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e.data).__name__)
def test_an_event_in_structured_mode_is_read(event: Event) -> None:
    whole = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.data.TYPE,
        "time": event.time.isoformat(),
        "data": event.data.model_dump(exclude_none=True),
    }

    assert (
        decode([("content-type", b"application/cloudevents+json")], json.dumps(whole).encode())
        == event
    )


def test_structured_mode_takes_base64_data_as_well() -> None:
    import base64

    whole = {k[3:]: v.decode() for k, v in headers()} | {
        "data_base64": base64.b64encode(data()).decode()
    }

    assert decode([], json.dumps(whole).encode()).data.response_id == "r"  # type: ignore[union-attr]


def test_the_partition_key_is_the_subject() -> None:
    assert encode(EVENTS[0])["key"] == b"u1"
    assert encode(EVENTS[3])["key"] is None


@pytest.mark.parametrize(
    ("given", "value", "reason"),
    [
        (headers(id=None), data(), "the attribute `id` is missing, empty or over 200 characters"),
        (headers(specversion="0.3"), data(), "CloudEvents 0.3 is not read; write 1.0"),
        (
            headers(type="tidemill.feedbak.v1"),
            data(),
            "unknown type 'tidemill.feedbak.v1'; did you mean 'tidemill.feedback.v1'?",
        ),
        (
            headers(time="2026-03-01T12:00:00"),
            data(),
            "`time` is '2026-03-01T12:00:00', which has no zone; add Z or an offset",
        ),
        (headers(time="noon"), data(), "`time` is 'noon', which is no RFC 3339 time"),
        (headers(), data(value=2), "a thumb's value is 0 or 1, not 2"),
        (headers(), data(kind="score", value=None), "score needs `value`"),
        (headers(), data(kind="outcome", value=3), "an outcome's value is between 0 and 1, not 3"),
        (headers(), data(coment="x"), "coment: no such field; did you mean 'comment'?"),
        (
            headers(),
            data(comment="a\0b"),
            "a text holds U+0000, or a number is not finite; no database keeps those",
        ),
        ([], b"[1]", "not a CloudEvent: the value is no JSON object"),
        ([], b"{}", "not a CloudEvent: no `ce_` headers, and no `data` in the value"),
        ([], b'{"data_base64": "?"}', "`data_base64` is not base64: Only base64 data is allowed"),
        ([("ce_id", b"\xff")], data(), "a header is not UTF-8: invalid start byte"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    given: list[tuple[str, bytes]], value: bytes, reason: str
) -> None:
    with pytest.raises(EventError) as raised:
        decode(given, value)

    assert str(raised.value) == reason


@given(
    st.lists(st.tuples(st.sampled_from(["ce_id", "ce_type", "ce_time", "x"]), st.binary())),
    st.binary(),
)
def test_no_bytes_whatever_raise_anything_but_an_event_error(
    given: list[tuple[str, bytes]], value: bytes
) -> None:
    for known in (given, [*headers(), *given]):
        with suppress(EventError):
            decode(known, value)


def test_a_hashed_subject_needs_the_key_and_ids_sort_by_time() -> None:
    assert hash_subject("ann", b"a") == hash_subject("ann", b"a") != hash_subject("ann", b"b")
    assert len(new_id()) == 32
