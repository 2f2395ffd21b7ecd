"""Lifecycle events: what the platform did, on Kafka where a broker answers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any

from tidemill.adapters.kafka import connect
from tidemill.errors import TidemillError
from tidemill.events import LIFECYCLE_TOPIC, Event, LifecycleEvent, LifecycleKind, encode
from tidemill.home import Home
from tidemill.ports import Bus, Message

log = logging.getLogger("tidemill.lifecycle")
PATIENCE = 2.0
"""Seconds to wait for a broker: the work itself must not wait for the news of it."""


class LifecyclePublisher:
    """Writes lifecycle events over one connection that is opened at the first event and kept.

    A broker that is down costs the event, never the decision: the ledger knows it anyway. Threads
    may share one.
    """

    def __init__(self, open_bus: Callable[[], Bus]) -> None:
        self._open_bus = open_bus
        self._bus: Bus | None = None
        self._lock = Lock()

    def publish(self, event: LifecycleEvent, source: str) -> None:
        """Write one event; `source` is the CloudEvents attribute. Failures are logged."""
        message = Message(LIFECYCLE_TOPIC, **encode(Event(event, source=source)))
        try:
            with self._lock:
                self._bus = self._bus or self._open_bus()
                self._bus.publish([message])
        except TidemillError as error:
            kind, name = event.what, f"{event.project}/{event.name}"
            log.info("the event '%s' of %s is not on Kafka: %s", kind, name, error)

    def close(self) -> None:
        """Disconnect; the next event connects anew."""
        with self._lock:
            if self._bus is not None:
                self._bus.close()
            self._bus = None


@cache
def lifecycle_publisher(brokers: str) -> LifecyclePublisher:
    """This process's publisher to these brokers (`host:port[,host:port]`)."""
    return LifecyclePublisher(lambda: connect(brokers, timeout=PATIENCE))


def announce(home: Home, what: LifecycleKind, project: str, name: str, **facts: Any) -> None:
    """Publish what happened to a spec of a project; `facts` are the numbers behind it."""
    event = LifecycleEvent(what=what, project=project, name=name, facts=facts)
    lifecycle_publisher(home.settings.brokers).publish(event, f"/assets/{project}")
