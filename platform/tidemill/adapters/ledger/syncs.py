"""The ledger's memory of commits that were followed: what became of each, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

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

State = Literal["seen", "refused", "applying", "applied", "superseded"]
"""seen → refused, or applying → applied; superseded where a newer commit came before the end."""

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
    Column("at", DateTime(timezone=True), nullable=False),
    Column("updated", DateTime(timezone=True), nullable=False),
)

remotes = Table(
    "remotes",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("remote", Text, nullable=False),
    Column("branch", String(250), nullable=False),
    Column("trouble", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)
_ONE = "followed"


@dataclass(frozen=True)
class Sync:
    """One arrival of a commit at the tip of the followed branch; a commit that comes back after
    another one has a second."""

    id: int
    commit: str
    branch: str
    author: str
    subject: str
    state: State
    refusal: str
    """Which kind of reason refused it; empty where none did."""
    reason: str
    signer: str
    """Who signed it and with which key; empty where nobody looked."""
    plan: Sequence[Mapping[str, Any]]
    """`project`, `name`, `kind`, `state`, `reason` of each asset that is not reused."""
    at: datetime
    updated: datetime


@dataclass(frozen=True)
class Look:
    """The last look at the remote."""

    remote: str
    """Its address, without a password."""
    branch: str
    trouble: str
    """Why it did not answer; empty where it did."""
    at: datetime


class SyncLedger:
    """Commits from seen to applied or refused, and the last look at the remote."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def arrive(self, commit: Commit, branch: str, now: datetime) -> Sync:
        """The commit at the tip: the newest arrival where it is that commit, else a new one, which
        supersedes what had come to no end."""
        newest = self.newest()
        if newest and (newest.commit, newest.branch) == (commit.sha, branch):
            return newest
        with self.engine.begin() as connection:
            unfinished = syncs.c.state.in_(["seen", "applying"])
            reason = f"{commit.sha[:10]} came before it was applied"
            connection.execute(
                update(syncs)
                .where(unfinished)
                .values(state="superseded", reason=reason, updated=now)
            )
            connection.execute(
                insert(syncs).values(
                    commit=commit.sha,
                    branch=branch,
                    author=commit.author,
                    subject=commit.subject,
                    state="seen",
                    refusal="",
                    reason="",
                    signer="",
                    plan=[],
                    at=now,
                    updated=now,
                )
            )
        found = self.newest()
        assert found is not None
        return found

    def move(self, key: int, state: State, now: datetime, reason: str = "", **more: Any) -> Sync:
        """Bring one to another state; `more` may hold `refusal`, `signer` and `plan`."""
        values = {"state": state, "reason": reason, "updated": now, **more}
        with self.engine.begin() as connection:
            connection.execute(update(syncs).where(syncs.c.id == key).values(**values))
        return self._rows(syncs.c.id == key)[0]

    def newest(self) -> Sync | None:
        """The newest arrival."""
        return next(iter(self._rows(limit=1)), None)

    def applied(self, limit: int = 1) -> list[Sync]:
        """The commits that took effect, newest first."""
        return self._rows(syncs.c.state == "applied", limit=limit)

    def history(self, limit: int = 20) -> list[Sync]:
        """Arrivals, newest first."""
        return self._rows(limit=limit)

    def looked(self, remote: str, branch: str, trouble: str, now: datetime) -> None:
        """Remember the last look at the remote."""
        values = {"remote": remote, "branch": branch, "trouble": trouble, "at": now}
        mine = update(remotes).where(remotes.c.name == _ONE).values(**values)
        with self.engine.begin() as connection:
            if connection.execute(mine).rowcount:
                return
        try:
            with self.engine.begin() as connection:
                connection.execute(insert(remotes).values(name=_ONE, **values))
        except IntegrityError:
            return  # another process looked at the same moment

    def look(self) -> Look | None:
        """The last look at the remote; None before the first."""
        with self.engine.connect() as connection:
            row = connection.execute(select(remotes).where(remotes.c.name == _ONE)).first()
        return Look(row.remote, row.branch, row.trouble, utc(row.at)) if row else None

    def _rows(self, *where: Any, limit: int = 1) -> list[Sync]:
        query = select(syncs).where(*where).order_by(syncs.c.id.desc()).limit(limit)
        with self.engine.connect() as connection:
            return [_sync(row) for row in connection.execute(query)]


def _sync(row: Row[Any]) -> Sync:
    values = dict(row._mapping)
    return Sync(**{**values, "at": utc(values["at"]), "updated": utc(values["updated"])})
