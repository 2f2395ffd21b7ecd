"""Ingest is killed with SIGKILL again and again; the ledger still holds each event exactly once.

Over the real broker stream valid feedback, duplicates of it, broken events, and feedback that comes
before the answer it is about. Meanwhile ingest is killed at random moments. In the end the ledger
is compared with what was sent, event by event.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tidemill.adapters.kafka.bus import KafkaBus
from tidemill.adapters.kafka.embedded_broker import EmbeddedBroker
from tidemill.adapters.ledger import Ledger
from tidemill.adapters.local.processes import free_port
from tidemill.events import INFERENCE_TOPIC, Event, FeedbackEvent, InferenceEvent, encode
from tidemill.ports import Message

TOPIC = "proof.feedback"
SPEC = f"""apiVersion: tidemill/v1
kind: Feedback
name: proof-feedback
topic: {TOPIC}
service: proof
join_window: 1h
"""


@dataclass
class Sent:
    """What went over the broker, and what the ledger must therefore hold."""

    messages: list[Message] = field(default_factory=list)
    feedback: set[str] = field(default_factory=set)
    answers: set[str] = field(default_factory=set)
    broken: list[bytes] = field(default_factory=list)
    duplicates: int = 0
    early: int = 0


def compose(events: int, seed: int = 0) -> Sent:
    """`events` messages: one answer to four feedback events, 5 % duplicates, 2 % broken, and a
    third of the feedback before its answer."""
    dice, sent = random.Random(seed), Sent()
    number = 0
    while len(sent.messages) < events:
        number += 1
        answer = _answer(number, sent)
        group = [_feedback(number, n, sent) for n in range(4)]
        early = dice.randrange(4) if dice.random() < 0.5 else 0
        sent.early += early
        row = [*group[:early], answer, *group[early:]]
        if dice.random() < 0.08:
            row.append(_broken(number, sent))
        if dice.random() < 0.3:
            sent.duplicates += 1
            row.append(dice.choice(group))
        sent.messages += row
    return sent


def prove(folder: Path, *, events: int, kills: int, seconds: float) -> dict[str, Any]:
    """Run it in `folder`; the summary's `ok` says whether everything was there exactly once."""
    started = time.monotonic()
    sent = compose(events)
    project = folder / "specs" / "proof"
    project.mkdir(parents=True)
    (project / "feedback.yaml").write_text(SPEC)
    with EmbeddedBroker(free_port()) as broker:
        environment = {
            **os.environ,
            "TIDEMILL_SPECS": str(folder / "specs"),
            "TIDEMILL_BOOTSTRAP_SERVERS": broker.address,
        }
        ledger = Ledger.open(f"sqlite:///{folder / '.tidemill' / 'ledger.db'}")
        done = _stream(sent, broker.address, ledger, environment, kills, started + seconds)
    found = _compare(sent, ledger)
    ledger.engine.dispose()
    return {
        "ok": found["missing"] == found["twice"] == found["unknown"] == 0
        and found["quarantined"] == len(sent.broken)
        and found["waiting"] == 0
        and done >= kills,
        "events": len(sent.messages),
        "duplicates": sent.duplicates,
        "broken": len(sent.broken),
        "early": sent.early,
        "kills": done,
        **found,
        "seconds": round(time.monotonic() - started, 1),
    }


def _stream(
    sent: Sent, servers: str, ledger: Ledger, environment: dict[str, str], kills: int, until: float
) -> int:
    """Publish everything while ingest is killed and started; returns how often it was killed."""
    bus, dice, done = KafkaBus(servers), random.Random(1), 0
    size = len(sent.messages) // (kills + 1) + 1
    process = _start(environment)
    for start in range(0, len(sent.messages), size):
        part = sent.messages[start : start + size]
        bus.publish(part[: len(part) // 2])
        before = _progress(ledger)
        # Killed only once it has begun to take this part in: anywhere within, not before it.
        _await(lambda before=before: _progress(ledger) > before, until)  # type: ignore[misc]
        bus.publish(part[len(part) // 2 :])
        time.sleep(dice.uniform(0, 0.15))
        if done < kills:
            process.kill()
            process.wait()
            done += 1
            process = _start(environment)
    _await(lambda: _finished(sent, ledger), until)
    process.terminate()
    process.wait(20)
    bus.close()
    return done


def _start(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tidemill.control.ingest"]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )


def _progress(ledger: Ledger) -> int:
    return sum(ledger.events.event_counts()["read"].values())


def _finished(sent: Sent, ledger: Ledger) -> bool:
    return _progress(ledger) >= len(sent.messages)


def _compare(sent: Sent, ledger: Ledger) -> dict[str, int]:
    with ledger.engine.connect() as connection:
        rows = chain(
            connection.scalars(text("SELECT event_id FROM feedback")),
            connection.scalars(text("SELECT event_id FROM inference")),
        )
        ids = list(rows)
        held = sorted(bytes(v) for v in connection.scalars(text("SELECT value FROM quarantine")))
        waits = connection.scalar(text("SELECT count(*) FROM feedback WHERE state <> 'joined'"))
    wanted = sent.feedback | sent.answers
    return {
        "in_ledger": len(ids),
        "missing": len(wanted - set(ids)),
        "twice": len(ids) - len(set(ids)),
        "unknown": len(set(ids) - wanted) + (held != sorted(sent.broken)),
        "quarantined": len(held),
        "waiting": waits or 0,
    }


def _answer(number: int, sent: Sent) -> Message:
    data = InferenceEvent(
        response_id=f"r{number}", service="proof", release="sha256:0", output="on its way"
    )
    event = Event(data, "/proof", f"i{number}")
    sent.answers.add(event.id)
    return Message(INFERENCE_TOPIC, **encode(event))


def _feedback(number: int, n: int, sent: Sent) -> Message:
    data = FeedbackEvent(response_id=f"r{number}", kind="thumbs", value=n % 2, subject=f"u{n}")
    event = Event(data, "/proof", f"f{number}-{n}")
    sent.feedback.add(event.id)
    return Message(TOPIC, **encode(event))


def _broken(number: int, sent: Sent) -> Message:
    good = encode(Event(FeedbackEvent(response_id="r", kind="comment", comment="x"), "/proof"))
    faults: list[bytes] = [
        b"\xff\xfe %d" % number,
        b'{"response_id": "r%d", "kind": "applause"}' % number,
        b'{"response_id": "r%d", "kind": "thumbs", "value": 7}' % number,
        b'{"response_id": "\\u0000%d", "kind": "thumbs", "value": 1}' % number,
        b"[" * 2000 + b"%d" % number,
    ]
    value = faults[number % len(faults)]
    sent.broken.append(value)
    return Message(TOPIC, value, None, good["headers"])


def _await(condition: Any, until: float) -> None:
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("the proof ran out of time")
        time.sleep(0.05)


def run() -> Iterator[dict[str, Any]]:
    """The full proof: 100,000 events, 25 kills."""
    with tempfile.TemporaryDirectory() as folder:
        yield prove(Path(folder), events=100_000, kills=25, seconds=420)


if __name__ == "__main__":
    for summary in run():
        print(json.dumps(summary, indent=1))
        sys.exit(0 if summary["ok"] else 1)
