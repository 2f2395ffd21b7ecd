"""The notifications table: what people are to be told, and whether it reached them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Engine,
    Index,
    Integer,
    Row,
    Select,
    String,
    Table,
    Text,
    func,
    select,
    update,
)

from tidemill.adapters.ledger.base import insert_if_missing, metadata, utc
from tidemill.engine.notification import Notification
from tidemill.records import NotificationRecord, NotificationStatus

notifications = Table(
    "notifications",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("topic", String(32), nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("delivered", JSON, nullable=False),
    Column("error", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Index("notifications_by_state", "state", "id"),
)
_PARTS = ("topic", "subject", "body", "command")


class NotificationLedger:
    """The outbox: an event is queued once, also where it is told again after a restart."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def add(self, key: str, notification: Notification, now: datetime) -> bool:
        """Queue a message under its event's id; False where that event was queued before."""
        values = {name: getattr(notification, name) for name in _PARTS}
        values |= {"key": key, "state": "queued", "delivered": [], "error": ""}
        with self.engine.begin() as connection:
            query = insert_if_missing(connection, notifications)
            added = connection.execute(query.values(**values, created_at=now, updated_at=now))
        return bool(added.rowcount)

    def next_queued(self, limit: int = 100) -> list[NotificationRecord]:
        """Messages that nobody has sent yet, oldest first."""
        query = select(notifications).where(notifications.c.state == "queued")
        return self._read(query.order_by(notifications.c.id).limit(limit))

    def undelivered(self, since: datetime, limit: int = 5) -> list[NotificationRecord]:
        """Messages that did not reach every destination since a moment, newest first."""
        lost = notifications.c.state.in_(["failed", "expired"])
        query = select(notifications).where(lost, notifications.c.updated_at >= since)
        return self._read(query.order_by(notifications.c.id.desc()).limit(limit))

    def count_queued(self) -> int:
        """How many messages wait to be sent."""
        query = select(func.count()).where(notifications.c.state == "queued")
        with self.engine.connect() as connection:
            return connection.scalar(query) or 0

    def record_delivery(
        self,
        key: int,
        state: NotificationStatus,
        delivered: Sequence[str],
        now: datetime,
        error: str = "",
    ) -> None:
        """Store what came of sending a message."""
        values = {"state": state, "delivered": list(delivered), "error": error, "updated_at": now}
        query = update(notifications).where(notifications.c.id == key)
        with self.engine.begin() as connection:
            connection.execute(query.values(**values))

    def _read(self, query: Select[Any]) -> list[NotificationRecord]:
        with self.engine.connect() as connection:
            return [_from_row(row) for row in connection.execute(query)]


def _from_row(row: Row[Any]) -> NotificationRecord:
    return NotificationRecord(
        row.id,
        row.key,
        Notification(row.topic, row.subject, row.body, row.command),
        row.state,
        utc(row.created_at),
        tuple(row.delivered),
        row.error,
    )
