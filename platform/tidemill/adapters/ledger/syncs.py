"""The commits that Git sync followed, with the outcome of each, and the last poll of the remote."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Engine,
    Integer,
    Row,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from tidemill.adapters.ledger.base import metadata, utc
from tidemill.ports import Commit
from tidemill.records import RemotePoll, SyncRecord, SyncStatus

syncs = Table(
    "syncs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("commit", String(80), nullable=False, index=True),
    Column("branch", String(250), nullable=False),
    Column("author", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("refusal", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("signer", Text, nullable=False),
    Column("plan", JSON, nullable=False),
    Column("arrived_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)

remote_polls = Table(
    "remote_polls",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("remote", Text, nullable=False),
    Column("branch", String(250), nullable=False),
    Column("error", Text, nullable=False),
    Column("polled_at", DateTime(timezone=True), nullable=False),
)
_FOLLOWED = "followed"
"""Name of the one row of remote_polls."""


class SyncLedger:
    """Commits from pending to applied or refused, and the last poll of the remote."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def record_arrival(self, commit: Commit, branch: str, now: datetime) -> SyncRecord:
        """The commit at the tip: the newest arrival where it is that commit, else a new one, which
        supersedes those that are not finished."""
        newest = self.newest()
        if newest and (newest.commit, newest.branch) == (commit.sha, branch):
            return newest
        with self.engine.begin() as connection:
            unfinished = update(syncs).where(syncs.c.state.in_(["pending", "applying"]))
            reason = f"superseded by {commit.sha[:10]} before it was applied"
            connection.execute(unfinished.values(state="superseded", reason=reason, updated_at=now))
            connection.execute(
                insert(syncs).values(
                    commit=commit.sha,
                    branch=branch,
                    author=commit.author,
                    subject=commit.subject,
                    state="pending",
                    refusal="",
                    reason="",
                    signer="",
                    plan=[],
                    arrived_at=now,
                    updated_at=now,
                )
            )
        arrival = self.newest()
        assert arrival is not None
        return arrival

    def set_state(
        self, key: int, state: SyncStatus, now: datetime, reason: str = "", **columns: Any
    ) -> SyncRecord:
        """Change the state of one arrival; `columns` may hold `refusal`, `signer` and `plan`."""
        values = {"state": state, "reason": reason, "updated_at": now, **columns}
        with self.engine.begin() as connection:
            connection.execute(update(syncs).where(syncs.c.id == key).values(**values))
        return self._newest(syncs.c.id == key)[0]

    def newest(self) -> SyncRecord | None:
        """The newest arrival; None before the first."""
        return next(iter(self._newest(limit=1)), None)

    def applied_commits(self, limit: int = 1) -> list[SyncRecord]:
        """The commits that took effect, newest first."""
        return self._newest(syncs.c.state == "applied", limit=limit)

    def history(self, limit: int = 20) -> list[SyncRecord]:
        """Arrivals, newest first."""
        return self._newest(limit=limit)

    def record_poll(self, remote: str, branch: str, error: str, now: datetime) -> None:
        """Store the last poll of the remote; `error` is empty where it answered."""
        values = {"remote": remote, "branch": branch, "error": error, "polled_at": now}
        same = update(remote_polls).where(remote_polls.c.name == _FOLLOWED).values(**values)
        with self.engine.begin() as connection:
            if connection.execute(same).rowcount:
                return
        with suppress(IntegrityError), self.engine.begin() as connection:
            # An error means that another process polled at the same moment.
            connection.execute(insert(remote_polls).values(name=_FOLLOWED, **values))

    def last_poll(self) -> RemotePoll | None:
        """The last poll of the remote; None before the first."""
        query = select(remote_polls).where(remote_polls.c.name == _FOLLOWED)
        with self.engine.connect() as connection:
            row = connection.execute(query).first()
        return RemotePoll(row.remote, row.branch, row.error, utc(row.polled_at)) if row else None

    def _newest(self, *where: Any, limit: int = 1) -> list[SyncRecord]:
        query = select(syncs).where(*where).order_by(syncs.c.id.desc()).limit(limit)
        with self.engine.connect() as connection:
            return [_from_row(row) for row in connection.execute(query)]


def _from_row(row: Row[Any]) -> SyncRecord:
    values = dict(row._mapping)
    times = {name: utc(values[name]) for name in ("arrived_at", "updated_at")}
    return SyncRecord(**{**values, **times})
