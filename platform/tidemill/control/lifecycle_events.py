"""Lifecycle events: what the platform did, on Kafka where a broker answers, and told to people."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any

from sqlalchemy.exc import DBAPIError

from tidemill.adapters.kafka import connect
from tidemill.adapters.ledger.notifications import NotificationLedger
from tidemill.adapters.local.processes import is_listening
from tidemill.control.notification_messages import notification_of
from tidemill.errors import BrokerDown, TidemillError
from tidemill.events import LIFECYCLE_TOPIC, Event, LifecycleEvent, LifecycleKind, encode, new_id
from tidemill.home import Home
from tidemill.ports import Bus, Message
from tidemill.settings import NotifySettings

log = logging.getLogger("tidemill.lifecycle")
PATIENCE = 2.0
"""Seconds to wait for a broker: the work itself must not wait for the news of it."""
LONGEST_ID = 200
Outbox = Callable[[Event], None]
"""Takes what people are to be told."""


def _tell_nobody(_event: Event) -> None:
    return


class LifecyclePublisher:
    """Writes lifecycle events over one connection that is opened at the first event and kept.

    A broker that is down costs the event, never the decision: the ledger knows it anyway. Threads
    may share one.
    """

    def __init__(self, open_bus: Callable[[], Bus]) -> None:
        self._open_bus = open_bus
        self._bus: Bus | None = None
        self._lock = Lock()

    def publish(
        self, data: LifecycleEvent, source: str, key: str = "", outbox: Outbox = _tell_nobody
    ) -> None:
        """Queue it for people, and write it; `source` is the CloudEvents attribute.

        `key` is the event's id where it may be published again after a restart: people hear of one
        id once, and consumers can drop the second. Failures are logged.
        """
        event = Event(data, source, id=key[:LONGEST_ID] or new_id())
        outbox(event)
        message = Message(LIFECYCLE_TOPIC, **encode(event))
        try:
            with self._lock:
                self._bus = self._bus or self._open_bus()
                self._bus.publish([message])
        except TidemillError as error:
            kind, name = data.what, f"{data.project}/{data.name}"
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
    return LifecyclePublisher(lambda: _connect(brokers))


def _connect(brokers: str) -> Bus:
    """The bus; where nothing listens it raises at once, so that a run without a broker is not held
    up at every event."""
    servers = [server.strip() for server in brokers.split(",")]
    has_ports = all(server.rpartition(":")[2].isdigit() for server in servers)
    if has_ports and not any(map(is_listening, servers)):
        raise BrokerDown(f"no Kafka broker answers at {brokers}")
    return connect(brokers, timeout=PATIENCE)


def notification_outbox(ledger: NotificationLedger, settings: NotifySettings) -> Outbox:
    """Queues the messages that somebody wants; a ledger that refuses costs the message alone."""

    def queue(event: Event) -> None:
        if not isinstance(event.data, LifecycleEvent):
            return
        notification = notification_of(event.data)
        if notification is None or not settings.wants(notification.topic):
            return
        try:
            ledger.add(event.id, notification, event.time)
        except DBAPIError as error:
            log.warning("'%s' is not told to anybody: %s", notification.subject, error.orig)

    return queue


def announce(
    home: Home,
    what: LifecycleKind,
    project: str,
    name: str,
    *,
    key: str = "",
    digest: str = "",
    run: str = "",
    **facts: Any,
) -> None:
    """Publish what happened to a spec of a project; `facts` are the numbers behind it, and `key` is
    the event's id where it may be published twice."""
    data = LifecycleEvent(
        what=what, project=project, name=name, digest=digest, run=run, facts=facts
    )
    outbox = notification_outbox(home.ledger.notifications, home.settings.notify)
    lifecycle_publisher(home.settings.brokers).publish(data, f"/assets/{project}", key, outbox)
