"""Sends queued notifications, beside the rollouts and never in their way.

The process that decides only queues a message in the ledger; a thread of the controller sends it.
A message that was being sent when its sender was killed is sent again: once too often, not never.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from threading import Event, Thread

from sqlalchemy.exc import DBAPIError
from tenacity import (
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_attempt,
    stop_any,
    stop_when_event_set,
    wait_exponential,
)
from tenacity.wait import wait_base

from tidemill.adapters.apprise_destination import open_destinations
from tidemill.adapters.ledger import Ledger, lease_owner
from tidemill.adapters.ledger.notifications import NotificationLedger
from tidemill.errors import ServiceError, TidemillError
from tidemill.ports import Clock, Destination
from tidemill.records import NotificationRecord
from tidemill.settings import NotifySettings

ATTEMPTS = 6
"""Attempts at a destination for one message, over about half a minute."""
EXPIRY = timedelta(days=1)
"""A message that nobody sent for so long is news no more."""
INTERVAL = 2.0
"""Seconds between two looks at the queue."""
LEASE = "notifications"
log = logging.getLogger("tidemill.notify")


class NotificationSender:
    """Sends what is queued to every destination, and stores what came of it."""

    def __init__(
        self,
        ledger: NotificationLedger,
        destinations: Sequence[Destination],
        clock: Clock,
        stopping: Event | None = None,
        wait: wait_base = wait_exponential(max=30),  # noqa: B008 - a frozen schedule
    ) -> None:
        self.ledger, self.destinations, self.clock = ledger, destinations, clock
        self._stopping, self._wait = stopping or Event(), wait
        self._down: set[str] = set()

    def send_queued(self) -> None:
        """Send what waits, oldest first; ends early where it is told to stop."""
        for record in self.ledger.queued():
            if self._stopping.is_set():
                return
            if self.clock.now() - record.created_at > EXPIRY:
                error = record.error or "nobody sent it within a day; does `tidemill up` run?"
                self.ledger.record_delivery(
                    record.id, "expired", record.delivered, self.clock.now(), error
                )
            else:
                self._deliver(record)

    def _deliver(self, record: NotificationRecord) -> None:
        """Send one message to each destination that lacks it."""
        delivered, errors = list(record.delivered), []
        for destination in self.destinations:
            if destination.name in delivered:
                continue
            error = self._send(destination, record)
            if error:
                errors.append(error)
            else:
                delivered.append(destination.name)
        if errors and self._stopping.is_set():  # the next start goes on with the others
            self.ledger.record_delivery(record.id, "queued", delivered, self.clock.now(), errors[0])
            return
        state, text = "failed" if errors else "sent", "; ".join(errors)
        self.ledger.record_delivery(record.id, state, delivered, self.clock.now(), text)
        if errors:
            log.warning("'%s' is not delivered: %s", record.notification.subject, text)

    def _send(self, destination: Destination, record: NotificationRecord) -> str:
        """The error of the last attempt; empty where the destination has the message.

        A destination that used up the attempts of a message before gets one attempt for each
        further message, so that it does not hold up the others.
        """
        attempts = 1 if destination.name in self._down else ATTEMPTS
        retrying = Retrying(
            retry=retry_if_exception_type(ServiceError),
            stop=stop_any(stop_after_attempt(attempts), stop_when_event_set(self._stopping)),
            sleep=sleep_using_event(self._stopping),
            wait=self._wait,
            reraise=True,
        )
        try:
            retrying(destination.send, record.notification)
        except ServiceError as error:
            self._down.add(destination.name)
            return str(error)
        self._down.discard(destination.name)
        return ""


class SenderThread:
    """Sends from a thread of its own until it is closed; one home has one sender at a time."""

    def __init__(self, ledger: Ledger, settings: NotifySettings, clock: Clock) -> None:
        self._ledger, self._settings, self._clock = ledger, settings, clock
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="notifications", daemon=True)

    def start(self) -> None:
        """Begin to send; without a destination nothing happens."""
        if self._settings.urls:
            self._thread.start()

    def close(self) -> None:
        """Stop; what is not sent yet stays queued."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        try:
            destinations = open_destinations(self._settings)
        except TidemillError as error:
            log.warning("no notification is sent: %s", error)
            return
        sender = NotificationSender(
            self._ledger.notifications, destinations, self._clock, self._stopping
        )
        owner = lease_owner.current_owner()
        while not self._stopping.wait(INTERVAL):
            try:
                if self._ledger.notifications.count_queued():
                    lease_owner.free_dead_lease(self._ledger.leases, LEASE, self._clock.now())
                    with self._ledger.leases.hold(LEASE, owner) as acquired:
                        if acquired:
                            sender.send_queued()
            except DBAPIError as error:
                log.info("notifications wait for the ledger: %s", error.orig)
