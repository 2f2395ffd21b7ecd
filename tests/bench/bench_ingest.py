"""How fast ingest is, with everything on, and that its memory stays flat."""

from __future__ import annotations

import gc
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from tidemill.adapters.clock import SystemClock
from tidemill.adapters.kafka.bus import KafkaBus
from tidemill.adapters.kafka.embedded_broker import EmbeddedBroker
from tidemill.adapters.ledger import Ledger
from tidemill.adapters.local.processes import free_port
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.control.ingest import Ingest
from tidemill.events import INFERENCE_TOPIC, Event, FeedbackEvent, InferenceEvent, encode
from tidemill.ports import Message
from tidemill.spec.feedback import Feedback as Contract

TOPIC = "bench.feedback"
EVENTS, ANSWERS = 100_000, 10_000
MILLION, PART = 1_000_000, 50_000
TRIES = 3
"""The fastest of these counts: what else runs on the machine only ever slows it down."""
STREAM = Contract(
    apiVersion="tidemill/v1", kind="Feedback", name="bench", topic=TOPIC, service="bench"
)


def run() -> list[dict[str, object]]:
    """Feedback per second from the real broker into SQLite; memory over a million events."""
    logging.getLogger("tidemill.ingest").setLevel(logging.ERROR)  # the emptied bus is on purpose
    with tempfile.TemporaryDirectory() as folder:
        rate = max(speed(Path(folder) / str(number)) for number in range(TRIES))
        growth = memory(Path(folder))
    return [
        {
            "name": "ingest, broker to SQLite, checked and deduplicated",
            "value": rate,
            "unit": "events/s",
            "limit": ">= 10000",
            "ok": rate >= 10_000,
        },
        {
            "name": "ingest, growth of memory over a million events",
            "value": growth,
            "unit": "MiB",
            "limit": "<= 32",
            "ok": growth <= 32,
        },
    ]


def speed(folder: Path) -> float:
    """Wall-clock rate over 100,000 events, a tenth of them duplicates, every answer known."""
    with EmbeddedBroker(free_port()) as broker:
        sender, reader = KafkaBus(broker.address), KafkaBus(broker.address)
        ledger = Ledger.open(f"sqlite:///{folder / 'speed.db'}")
        ingest = Ingest(reader, ledger.events, lambda: {TOPIC: STREAM}, SystemClock())
        sender.publish(list(answers(ANSWERS)))
        while ingest.taken.records < ANSWERS:
            ingest.step()
        for start in range(0, EVENTS, 5000):
            sender.publish([thumb(number - number % 10 // 9) for number in span(start, 5000)])
        begun = time.perf_counter()
        while ingest.taken.records < EVENTS + ANSWERS:
            ingest.step()
        seconds = time.perf_counter() - begun
        assert ledger.events.event_counts()["joined"] == EVENTS - EVENTS // 10
        ingest.forget()
        sender.close()
        reader.close()
        ledger.engine.dispose()
    return EVENTS / seconds


def memory(folder: Path) -> float:
    """MiB that the process grew by from the first 100,000 to the millionth event.

    The events go through the in-memory bus, which is emptied after each part: the real broker
    keeps a million events in the memory of this machine too, and takes minutes to be filled.
    """
    process, bus = psutil.Process(os.getpid()), MemoryBus()
    ledger = Ledger.open(f"sqlite:///{folder / 'memory.db'}")
    ingest = Ingest(bus, ledger.events, lambda: {TOPIC: STREAM}, SystemClock())
    bus.publish(list(answers(ANSWERS)))
    early = 0.0
    for start in range(0, MILLION, PART):
        bus.publish([thumb(number) for number in span(start, PART)])
        wanted = ingest.taken.records + PART + (ANSWERS if start == 0 else 0)
        while ingest.taken.records < wanted:
            ingest.step(0.1)
        bus.lose_all()
        ingest._checked = 0.0  # look at once, rather than in a few seconds, where the bus stands
        if start + PART == 100_000:
            early = settled(process)
    grown = settled(process) - early
    assert ledger.events.event_counts()["joined"] == MILLION
    ledger.engine.dispose()
    return grown


def settled(process: psutil.Process) -> float:
    """Resident MiB after a collection."""
    gc.collect()
    return float(process.memory_info().rss) / 2**20


def answers(count: int) -> Iterator[Message]:
    """Inference events of responses r0, r1, …"""
    for number in range(count):
        data = InferenceEvent(
            response_id=f"r{number}",
            service="bench",
            release="sha256:0",
            subject=f"u{number % 97}",
            input={"request": "where is my order"},
            output="order_status | It is on its way.",
        )
        yield Message(INFERENCE_TOPIC, **encode(Event(data, "/bench", f"i{number}")))


def thumb(number: int) -> Message:
    """A thumb; its event id is its number."""
    data = FeedbackEvent(
        response_id=f"r{number % ANSWERS}",
        kind="thumbs",
        value=number % 2,
        subject=f"u{number % 97}",
    )
    event = Event(data, "/bench", f"{number:032x}", datetime.now(UTC))
    return Message(TOPIC, **encode(event))


def span(start: int, length: int) -> Any:
    """The numbers of one part."""
    return range(start, start + length)


if __name__ == "__main__":
    for row in run():
        print(row)
