"""The ingest process: from Kafka into the ledger, nothing lost, nothing counted twice.

    python -m tidemill.control.ingest [--specs DIR]

It reads from the ledger's offsets, checks each event against its Feedback spec, and writes rows and
the next offset in one transaction. Killed at any moment, it goes on where the ledger stands.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event

from tidemill import entry_points
from tidemill.adapters.clock import SystemClock
from tidemill.adapters.kafka import open_bus
from tidemill.errors import Overtaken, ServiceError, StorageError
from tidemill.events import INFERENCE_TOPIC, LIFECYCLE_TOPIC
from tidemill.ports import Bus, Clock, EventStore, Message
from tidemill.records import IngestResult, ReadPosition
from tidemill.settings import Settings
from tidemill.spec.feedback import Feedback

BATCH = 5000
WAIT = 0.5
CHECK_EVERY = 5.0
"""Seconds between two looks at topics, specs, expired feedback and dead letters."""
BEAT_EVERY = 2.0
SLOWEST = 10.0
"""Longest pause between two attempts while the broker or the database is away."""
log = logging.getLogger("tidemill.ingest")
Contracts = Mapping[str, Feedback]


class Ingest:
    """The loop; `step` is one turn of it."""

    def __init__(
        self,
        bus: Bus,
        ledger: EventStore,
        contracts: Callable[[], Contracts],
        clock: Clock,
        *,
        heartbeat: Path | None = None,
    ) -> None:
        self.bus, self.ledger, self.clock = bus, ledger, clock
        self.taken = IngestResult()
        self._read_contracts, self._contracts = contracts, contracts()
        self._heartbeat, self._beaten = heartbeat, 0.0
        self._positions: dict[tuple[str, int], ReadPosition] = {}
        self._next: dict[tuple[str, int], int] = {}
        self._checked = 0.0
        self._trouble = ""
        self._reader = ThreadPoolExecutor(1, "read-ahead")
        self._ahead: Future[list[Message]] | None = None

    def step(self, wait: float = WAIT) -> IngestResult:
        """Read one batch and take it in; raises what stands in the way, with nothing written."""
        records = self._records(wait)
        if not records:
            return IngestResult()
        following = self._next | {(r.topic, r.partition): r.offset + 1 for r in records}
        self._read_ahead(records, following, wait)
        try:
            result = self.ledger.ingest(
                records, self._positions.values(), self._contracts, self.clock.now()
            )
        except BaseException:
            self.forget()  # nothing was written: start from the ledger's offsets again
            raise
        self._next = following
        self.taken += result
        return result

    def forget(self) -> None:
        """Drop what was read ahead; the next step begins at the ledger's offsets."""
        ahead, self._ahead, self._checked = self._ahead, None, 0.0
        if ahead is not None:
            ahead.exception()  # the bus is one thread's at a time: wait, whatever comes

    def _records(self, wait: float) -> list[Message]:
        if self._ahead is not None:
            ahead, self._ahead = self._ahead, None
            return ahead.result()
        self._look_around()
        return self.bus.read(self._next, limit=BATCH, timeout=wait)

    def _read_ahead(
        self, records: Sequence[Message], at: Mapping[tuple[str, int], int], wait: float
    ) -> None:
        """In a backlog the next batch is read while the database writes this one."""
        due = time.monotonic() - self._checked >= CHECK_EVERY
        if len(records) >= BATCH // 2 and not due:
            self._ahead = self._reader.submit(self.bus.read, at, limit=BATCH, timeout=wait)

    def run(self, stop: Event) -> None:
        """Turn until told to stop; waits out a broker or a database that is away."""
        pause = 0.0
        while not stop.wait(pause):
            try:
                self.step()
                pause = self._fine()
            except Overtaken as error:
                log.warning("%s; another ingest process uses this ledger", error)
                pause = 1.0
            except (ServiceError, StorageError) as error:
                pause = self._wait_out(str(error), pause)
            self._beat()
        self.forget()
        self._beat(last=True)

    def _look_around(self) -> None:
        if time.monotonic() - self._checked < CHECK_EVERY:
            return
        now = self.clock.now()
        self._contracts = self._read_contracts()
        positions: list[ReadPosition] = []
        for topic in (INFERENCE_TOPIC, LIFECYCLE_TOPIC, *self._contracts):
            positions += self.ledger.positions(topic, self.bus.partitions(topic), now)
        self._positions = {(p.topic, p.partition): p for p in positions}
        self._next = {partition: p.next_offset for partition, p in self._positions.items()}
        for position in positions:
            _tell(position)
        if expired := self.ledger.expire_unjoined(now):
            log.warning(
                "%d feedback events had no inference event in time and were quarantined", expired
            )
        self._copy_dead_letters()
        self._checked = time.monotonic()

    def _copy_dead_letters(self) -> None:
        while letters := self.ledger.uncopied_dead_letters():
            self.bus.publish([message for _, message in letters])
            self.ledger.mark_copied([number for number, _ in letters])

    def _fine(self) -> float:
        if self._trouble:
            log.info("going on")
        self._trouble = ""
        return 0.0

    def _wait_out(self, trouble: str, pause: float) -> float:
        if trouble != self._trouble:
            log.warning("%s; waiting", trouble)
        self._trouble = trouble
        return min(SLOWEST, max(0.5, pause * 2))

    def _beat(self, *, last: bool = False) -> None:
        if self._heartbeat is None or (time.monotonic() - self._beaten < BEAT_EVERY and not last):
            return
        self._beaten = time.monotonic()
        beat = Heartbeat(
            pid=os.getpid(),
            time=self.clock.now().isoformat(),
            state="stopped" if last else ("waiting" if self._trouble else "running"),
            trouble=self._trouble,
            taken=self.taken,
            topics=tuple(sorted({topic for topic, _ in self._positions})),
        )
        with suppress(OSError):  # a full disk is told by the ledger, in words
            self._heartbeat.parent.mkdir(parents=True, exist_ok=True)
            new = self._heartbeat.with_suffix(".new")
            new.write_text(json.dumps(asdict(beat)), encoding="utf-8")
            new.replace(self._heartbeat)


@dataclass(frozen=True)
class Heartbeat:
    """What ingest writes at every beat, and what `status` reads."""

    pid: int = 0
    time: str = ""
    """Of the beat, ISO 8601."""
    state: str = "never ran"
    """running, waiting or stopped."""
    trouble: str = ""
    """What it waits for; empty where nothing is wrong."""
    taken: IngestResult = field(default_factory=IngestResult)
    """Counts since it started."""
    topics: tuple[str, ...] = ()


class SpecContracts:
    """The Feedback specs by topic, read again when a file of the folder changes."""

    def __init__(self, specs: Path) -> None:
        self._specs = specs
        self._signature: object = None
        self._found: dict[str, Feedback] = {}

    def __call__(self) -> Contracts:
        """The contracts now; specs that are broken leave the former ones in force."""
        signature = sorted((str(p), p.stat().st_mtime_ns) for p in self._specs.rglob("*.yaml"))
        if signature != self._signature:
            self._signature = signature
            self._reload()
        return self._found

    def _reload(self) -> None:
        from tidemill.spec.load import read

        if not self._specs.is_dir():
            log.warning("there is no folder %s; set TIDEMILL_SPECS", self._specs)
            return
        streams: dict[str, Feedback] = {}
        reading = read(self._specs)
        for problem in reading.problems:
            log.warning("%s", problem)
        if reading.problems and self._found:
            return
        for project in reading.workspace.projects.values():
            for loaded in project.specs.values():
                if isinstance(loaded.spec, Feedback):
                    first = streams.setdefault(loaded.spec.topic, loaded.spec)
                    if first is not loaded.spec:
                        log.warning("%s: topic '%s' has a spec already", loaded.path, first.topic)
        self._found = streams
        log.info("streams: %s", ", ".join(sorted(streams)) or "none; no Feedback spec yet")


def heartbeat(home: Path) -> Path:
    """Where ingest says that it is alive."""
    return home / "run" / "ingest.json"


def read_heartbeat(home: Path) -> Heartbeat | None:
    """What ingest said last; None where it never ran."""
    try:
        beat = json.loads(heartbeat(home).read_text(encoding="utf-8"))
        taken, topics = IngestResult(**beat.pop("taken", {})), tuple(beat.pop("topics", ()))
        return Heartbeat(**beat, taken=taken, topics=topics)
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _tell(position: ReadPosition) -> None:
    partition = f"{position.topic}/{position.partition}"
    if position.topic_recreated:
        log.warning(
            "%s begins anew: the broker has forgotten it (an embedded broker keeps events in "
            "memory only); the %d events read before are in the ledger, unread ones are lost",
            partition,
            position.base_offset,
        )
    if position.lost_records:
        log.warning(
            "%s: the broker deleted %d events before they were read",
            partition,
            position.lost_records,
        )


def serve(settings: Settings, stop: Event) -> None:
    """Ingest for a home until told to stop."""
    from tidemill.adapters.ledger import Ledger

    bus = open_bus(settings)
    log.info("reading from %s into the ledger", settings.brokers)
    ingest = Ingest(
        bus,
        Ledger.open(settings.ledger_url).events,
        SpecContracts(settings.specs),
        SystemClock(),
        heartbeat=heartbeat(settings.home),
    )
    try:
        ingest.run(stop)
    finally:
        bus.close()
    log.info("stopped after %d events", ingest.taken.records)


def main(arguments: list[str] | None = None) -> None:
    """The entry point of the process."""
    parser = argparse.ArgumentParser(prog=entry_points.INGEST, description=__doc__)
    parser.add_argument("--specs", type=Path, help="folder of the projects")
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s"
    )
    stop = Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    with entry_points.exit_with_message():
        serve(Settings.read(specs=options.specs), stop)


if __name__ == "__main__":
    main()
