"""Sends queued notifications to every destination, and stores what came of each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from threading import Event

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

from tidemill.adapters.ledger.notifications import NotificationLedger
from tidemill.errors import ServiceError
from tidemill.ports import Clock, Destination
from tidemill.records import NotificationRecord, NotificationStatus

ATTEMPTS = 6
"""Attempts at a destination for one message, over about half a minute."""
EXPIRY = timedelta(days=1)
"""A message that nobody sent for so long is news no more."""
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
        for record in self.ledger.next_queued():
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
        state: NotificationStatus = "failed" if errors else "sent"
        text = "; ".join(errors)
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
