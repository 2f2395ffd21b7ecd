"""The ingest process: it survives being killed, a broker that is away, and specs that change."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import pytest
from tests.adapters.streams import NOW, TOPIC, answer, contract, free_port, thumb
from tests.proofs.ingest_kill import prove

from tidemill.adapters.clock import SetClock
from tidemill.adapters.kafka.bus import KafkaBus
from tidemill.adapters.kafka.embedded_broker import EmbeddedBroker
from tidemill.adapters.ledger import Ledger
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.control.ingest import Ingest, SpecContracts, read_heartbeat
from tidemill.spec.feedback import Feedback

SPEC = f"""apiVersion: tidemill/v1
kind: Feedback
name: chat-feedback
topic: {TOPIC}
service: chat
"""


def make(bus: MemoryBus, ledger: Ledger, **changes: object) -> Ingest:
    known = {TOPIC: contract(**changes)}
    return Ingest(bus, ledger.events, lambda: known, SetClock(NOW))


@pytest.mark.slow
def test_killed_again_and_again_it_counts_every_event_once(tmp_path: Path) -> None:
    found = prove(tmp_path, events=4000, kills=3, seconds=90)

    assert found["ok"], json.dumps(found, indent=1)
    assert found["kills"] == 3


def test_the_next_ingest_goes_on_where_the_ledger_stands() -> None:
    bus, ledger = MemoryBus(), Ledger.open("sqlite://")
    bus.publish([answer(1), thumb(1)])
    first = make(bus, ledger)
    first.step(0.1)
    bus.publish([thumb(1), answer(2), thumb(2)])
    second = make(bus, ledger)
    second.step(0.1)

    assert first.taken.records == 2
    assert second.taken.records == 3
    assert (second.taken.inserted, second.taken.duplicates) == (2, 1)


def test_quarantined_events_are_copied_to_the_dead_letter_topic() -> None:
    bus, ledger = MemoryBus(), Ledger.open("sqlite://")
    bus.publish([thumb(1, kind="outcome", value=0.1)])
    ingest = make(bus, ledger, dead_letter="chat.dead")
    ingest.step(0.1)
    ingest._checked = 0.0
    ingest.step(0.0)
    (letter,) = bus.read({("chat.dead", 0): 0}, limit=10, timeout=0)

    assert letter.value == thumb(1, kind="outcome", value=0.1).value
    assert dict(letter.headers)["tidemill-reason"].startswith(
        b"'chat-feedback' does not accept outcome"
    )


def test_a_broker_that_is_away_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port, stop = free_port(), Flag()
    bus = KafkaBus(f"127.0.0.1:{port}", timeout=0.3)
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    ingest = Ingest(
        bus, ledger.events, lambda: {TOPIC: contract()}, SetClock(NOW), heartbeat=tmp_path / "beat"
    )
    thread = Thread(target=ingest.run, args=[stop], daemon=True)
    thread.start()
    await_(lambda: "no Kafka broker answers" in caplog.text)
    with EmbeddedBroker(port) as broker:
        sender = KafkaBus(broker.address)
        sender.publish([answer(1), thumb(1)])
        await_(lambda: ledger.events.event_counts()["joined"] == 1)
        stop.set()
        thread.join(10)
        sender.close()
        bus.close()

    assert json.loads((tmp_path / "beat").read_text())["state"] == "stopped"
    assert not thread.is_alive()


def test_a_stream_added_to_the_specs_is_read_without_a_restart(tmp_path: Path) -> None:
    contracts = SpecContracts(tmp_path / "specs")
    before = dict(contracts())
    project = tmp_path / "specs" / "shop"
    project.mkdir(parents=True)
    (project / "feedback.yaml").write_text(SPEC)
    after = dict(contracts())
    (project / "feedback.yaml").write_text(SPEC.replace("service:", "servise:"))

    assert before == {}
    assert isinstance(after[TOPIC], Feedback)
    assert dict(contracts()) == after


def test_the_process_stops_cleanly_when_told_to(tmp_path: Path) -> None:
    with EmbeddedBroker(free_port()) as broker:
        settings = {
            "TIDEMILL_SPECS": str(tmp_path / "specs"),
            "TIDEMILL_BOOTSTRAP_SERVERS": broker.address,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "tidemill.control.ingest"],
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            text=True,
        )
        await_(lambda: read_heartbeat(tmp_path / ".tidemill") is not None)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=20)
    beat = read_heartbeat(tmp_path / ".tidemill")

    assert process.returncode == 0
    assert beat
    assert beat.state == "stopped"
    assert "set TIDEMILL_SPECS" in said
    assert "stopped after 0 events" in said


def await_(condition: object, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.05)
