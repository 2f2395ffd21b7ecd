"""A destination of notifications in memory: nothing leaves the process."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidemill.engine.notification import Notification
from tidemill.errors import ServiceError


@dataclass
class MemoryDestination:
    """Keeps what it is sent; refuses it while `error` has a text."""

    name: str = "memory"
    sent: list[Notification] = field(default_factory=list)
    error: str = ""

    def send(self, notification: Notification) -> None:
        """Keep one message; raises ServiceError with `error`."""
        if self.error:
            raise ServiceError(f"{self.name}: {self.error}")
        self.sent.append(notification)
