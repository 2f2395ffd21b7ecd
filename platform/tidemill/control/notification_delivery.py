"""Delivers notifications beside the rollouts and never in their way.

The process that decides only queues a message in the ledger; a thread of the controller sends it.
A message that was being sent when its sender was killed is sent again: once too often, not never.
"""

from __future__ import annotations

import logging
from threading import Event, Thread

from sqlalchemy.exc import DBAPIError

from tidemill.adapters.apprise_destination import open_destinations
from tidemill.adapters.ledger import Ledger, lease_owner
from tidemill.control.notification_sender import NotificationSender
from tidemill.errors import TidemillError
from tidemill.ports import Clock
from tidemill.settings import NotifySettings

INTERVAL = 2.0
"""Seconds between two looks at the queue."""
LEASE = "notifications"
log = logging.getLogger("tidemill.notify")


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
