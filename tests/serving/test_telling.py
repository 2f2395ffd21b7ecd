"""Inference events: written beside the answers, without personal data, never in their way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.serving.echo import open_echo

from tidemill.adapters.memory.bus import MemoryBus
from tidemill.errors import BrokerDown
from tidemill.events import INFERENCE_TOPIC, InferenceEvent, decode, hash_subject
from tidemill.pipeline.release_folder import EventPrivacy, ServedRelease
from tidemill.serving import inference_events
from tidemill.serving.inference_events import InferenceEventPublisher, request_row
from tidemill.serving.model_server import load
from tidemill.serving.predictor import InferenceRequest

Make = Callable[..., tuple[ServedRelease, Path]]
KEY = b"key"


def told(
    release: ServedRelease, said: str, *, stream: bool = False, **named: Any
) -> InferenceEvent:
    bus = MemoryBus()
    answerer = load(release, open_model=open_echo)
    teller = InferenceEventPublisher(release, lambda: bus, KEY)
    answerer.publish = lambda given: teller.publish(given, request_row(answerer, given))
    ask = InferenceRequest(({"role": "user", "content": said},), **named)
    if stream:
        list(answerer.stream(ask))
    else:
        answerer.predict(ask)
    teller.close()
    (message,) = bus.read({(release.topic or INFERENCE_TOPIC, 0): 0}, limit=10, timeout=1)
    data = decode(message.headers, message.value).data
    assert isinstance(data, InferenceEvent)
    return data


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_becomes_an_event_that_ingest_reads(release: Make, stream: bool) -> None:
    made, _ = release()

    event = told(
        made, "where is it", stream=stream, subject="ann", conversation="c1", arm="candidate"
    )

    assert (event.service, event.release, event.commit) == (made.service, made.digest, "c0ffee")
    assert event.output == "it is where"
    assert event.subject == hash_subject("ann", KEY)
    assert (event.conversation, event.arm) == ("c1", "candidate")
    assert (event.tokens_in, event.tokens_out) == (3, 3)
    assert event.latency > 0


@pytest.mark.parametrize(
    ("pii", "seen"), [("redact", "[email]"), ("keep", "me@example.org"), ("drop", '""')]
)
def test_personal_data_does_not_reach_the_broker(release: Make, pii: str, seen: str) -> None:
    made, _ = release()
    ruled = ServedRelease(**{**vars(made), "privacy": EventPrivacy(pii, ("email",))})  # type: ignore[arg-type]

    event = told(ruled, "write to me@example.org")

    assert ("me@example.org" in event.model_dump_json()) == (pii == "keep")
    assert seen in json.dumps(event.input)


def test_a_broker_that_is_down_costs_the_event_and_nothing_else(release: Make) -> None:
    def refuse() -> MemoryBus:
        raise BrokerDown("planted")

    made, _ = release()
    answerer = load(made, open_model=open_echo)
    teller = InferenceEventPublisher(made, refuse, KEY)
    answerer.publish = lambda given: teller.publish(given, request_row(answerer, given))

    given = answerer.predict(InferenceRequest(({"role": "user", "content": "hi"},)))
    teller.close()

    assert given.answer.text == "hi"
    assert teller.dropped == 1


def test_a_full_queue_drops_counts_and_does_not_wait(
    release: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference_events, "QUEUE_SIZE", 1)

    def never() -> MemoryBus:
        time.sleep(0.5)
        raise BrokerDown("planted")

    made, _ = release()
    answerer = load(made, open_model=open_echo)
    teller = InferenceEventPublisher(made, never, KEY)
    given = answerer.predict(InferenceRequest(({"role": "user", "content": "hi"},)))
    started = time.perf_counter()
    for _ in range(50):
        teller.publish(given, {})
    took = time.perf_counter() - started
    teller.close()

    assert took < 0.2
    assert teller.dropped >= 48
