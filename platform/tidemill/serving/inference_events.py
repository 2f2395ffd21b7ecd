"""Inference events of a model server: written beside the answers, never in their way."""

from __future__ import annotations

import logging
from collections.abc import Callable
from queue import Empty, Full, Queue
from threading import Event as Flag
from threading import Thread
from typing import Any

from tidemill.errors import TidemillError
from tidemill.events import INFERENCE_TOPIC, Event, InferenceEvent, encode, hash_subject
from tidemill.pipeline.release_folder import EventPrivacy, ServedRelease
from tidemill.ports import Bus, Message
from tidemill.serving.predictor import InferenceResponse, Predictor
from tidemill.serving.recommendations import COUNT

QUEUE_SIZE = 10_000
"""Events that may wait for the broker; more are dropped and counted."""
BATCH = 500
_LABEL_SIZE = 200
log = logging.getLogger(__name__)


class InferenceEventPublisher:
    """A thread that turns answers into events and writes them in batches."""

    def __init__(
        self, release: ServedRelease, connect: Callable[[], Bus], key: bytes | None
    ) -> None:
        self.release, self.connect, self.key = release, connect, key
        self.dropped = 0
        self._queue: Queue[tuple[InferenceResponse, dict[str, object]]] = Queue(QUEUE_SIZE)
        self._closing = Flag()
        self._bus: Bus | None = None
        self._thread = Thread(target=self._run, name="inference-events", daemon=True)
        self._thread.start()

    def publish(self, response: InferenceResponse, row: dict[str, object]) -> None:
        """Take an answer; with no room left it is dropped, the answer goes out all the same."""
        try:
            self._queue.put_nowait((response, row))
        except Full:
            self._drop(1, "the queue is full")

    def close(self, timeout: float = 5.0) -> None:
        """Write what waits, then end."""
        self._closing.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not (self._closing.is_set() and self._queue.empty()):
            batch = self._batch()
            if batch:
                self._write(batch)
        if self._bus is not None:
            self._bus.close()

    def _batch(self) -> list[tuple[InferenceResponse, dict[str, object]]]:
        batch: list[tuple[InferenceResponse, dict[str, object]]] = []
        try:
            batch.append(self._queue.get(timeout=0.2))
            while len(batch) < BATCH:
                batch.append(self._queue.get_nowait())
        except Empty:
            pass
        return batch

    def _write(self, batch: list[tuple[InferenceResponse, dict[str, object]]]) -> None:
        topic = self.release.topic or INFERENCE_TOPIC
        try:
            messages = [Message(topic, **encode(self.event(*entry))) for entry in batch]
            if self._bus is None:
                self._bus = self.connect()
            self._bus.publish(messages)
        except TidemillError as error:
            self._drop(len(batch), str(error))
        except Exception as error:  # noqa: BLE001 - an answer never fails for its event
            self._drop(len(batch), repr(error))

    def _drop(self, count: int, reason: str) -> None:
        before, self.dropped = self.dropped, self.dropped + count
        if before == 0 or before // 1000 != self.dropped // 1000:
            log.warning("%d inference events dropped so far: %s", self.dropped, reason)

    def event(self, response: InferenceResponse, row: dict[str, object]) -> Event:
        """The inference event of an answer, without personal data."""
        release, clean = self.release, Redactor(self.release.privacy, self.key)
        subject = response.request.subject
        data = InferenceEvent(
            response_id=response.response_id,
            service=release.service,
            release=release.digest,
            commit=release.spec_commit,
            prompt=release.prompt.digest if release.prompt else "",
            subject=hash_subject(subject, self.key or b"") if subject else None,
            conversation=(response.request.conversation or "")[:_LABEL_SIZE] or None,
            input=clean.values(row),
            output=clean.text(response.answer.text),
            label=response.answer.label[:_LABEL_SIZE] if response.answer.label else None,
            tokens_in=response.tokens_in,
            tokens_out=response.tokens_out,
            latency=response.seconds,
            cached=response.cached,
            arm=response.request.arm[:_LABEL_SIZE],
        )
        return Event(data, source=f"/services/{release.service}")


class Redactor:
    """Takes personal data out of what is written, by the release's privacy rules."""

    def __init__(self, privacy: EventPrivacy, key: bytes | None) -> None:
        self.privacy, self.key = privacy, key if privacy.pii == "hash" else None

    def text(self, text: str) -> str:
        """One text; under `drop` one that holds personal data is not written at all."""
        if self.privacy.pii == "keep" or not text:
            return text
        from tidemill.data.privacy import redact

        clean, counts = redact(text, self.privacy.kinds, key=self.key)
        return "" if counts and self.privacy.pii == "drop" else clean

    def values(self, row: dict[str, object]) -> dict[str, object]:
        """Every text of a row, nested ones too."""
        return {key: self._any(value) for key, value in row.items()}

    def _any(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return self.values(value)
        if isinstance(value, list | tuple):
            return [self._any(item) for item in value]
        return value


def request_row(answerer: Predictor, response: InferenceResponse) -> dict[str, object]:
    """The request as a row: the prompt's input columns, else the conversation."""
    row = answerer.row(response.request)
    if row is not None:
        hidden = COUNT if answerer.is_recommender else None
        return {name: value for name, value in row.items() if name != hidden}
    return {"messages": [dict(message) for message in response.request.messages]}
