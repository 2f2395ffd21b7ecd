"""Leases: the exclusive right to one piece of work for a time, also when its owner is killed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from time import monotonic, sleep

from sqlalchemy import Column, DateTime, Engine, String, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from tidemill.adapters.ledger.base import metadata, utc

ALIVE = "alive:"
"""What the name of an owner's own lease begins with."""

leases = Table(
    "leases",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("acquired_at", DateTime(timezone=True)),
)


@dataclass(frozen=True)
class Lease:
    """A lease that has not expired."""

    name: str
    owner: str
    acquired_at: datetime | None
    """Since when this owner has it; None for one that an older version acquired."""


class LeaseLedger:
    """One owner at a time for each name; a lease that is not renewed expires."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def acquire(self, name: str, owner: str, length: timedelta, now: datetime) -> bool:
        """Take or renew the lease; False while another owner holds it."""
        values = {"owner": owner, "expires_at": now + length}
        own, expired = leases.c.owner == owner, leases.c.expires_at < now
        with self.engine.begin() as connection:
            named = update(leases).where(leases.c.name == name)
            if connection.execute(named.where(own).values(**values)).rowcount:
                return True
            values = {**values, "acquired_at": now}
            if connection.execute(named.where(expired).values(**values)).rowcount:
                return True
            if connection.scalar(select(leases.c.owner).where(leases.c.name == name)):
                return False
        try:
            with self.engine.begin() as connection:
                connection.execute(insert(leases).values(name=name, **values))
        except IntegrityError:
            return False
        return True

    def holder(self, name: str, now: datetime) -> str | None:
        """The owner of a lease that has not expired; None for a free one."""
        query = select(leases.c.owner).where(leases.c.name == name, leases.c.expires_at >= now)
        with self.engine.connect() as connection:
            return connection.scalar(query)

    def has_lease(self, owner: str, now: datetime) -> bool:
        """True while this owner has a lease that has not expired."""
        query = select(leases.c.name).where(leases.c.owner == owner, leases.c.expires_at >= now)
        with self.engine.connect() as connection:
            return connection.scalar(query.limit(1)) is not None

    def release_lease(self, name: str, owner: str) -> None:
        """Free a lease before it expires; somebody else's stays."""
        with self.engine.begin() as connection:
            connection.execute(delete(leases).where(leases.c.name == name, leases.c.owner == owner))

    def with_prefix(self, prefix: str, now: datetime) -> list[Lease]:
        """The leases that have not expired and whose name has the prefix, by name."""
        columns = (leases.c.name, leases.c.owner, leases.c.acquired_at)
        query = select(*columns).where(
            leases.c.name.startswith(prefix, autoescape=True), leases.c.expires_at >= now
        )
        with self.engine.connect() as connection:
            rows = connection.execute(query.order_by(leases.c.name)).all()
        return [Lease(name, owner, utc(since) if since else None) for name, owner, since in rows]

    @contextmanager
    def hold(
        self,
        name: str,
        owner: str,
        *,
        length: timedelta = timedelta(seconds=30),
        wait: timedelta = timedelta(0),
    ) -> Iterator[bool]:
        """Hold the lease while the block runs and renew it from a thread.

        Waits at most `wait` for another owner, and yields whether the lease was acquired. A killed
        owner stops renewing, and the lease expires.
        """
        deadline = monotonic() + wait.total_seconds()
        while not self.acquire(name, owner, length, datetime.now(UTC)):
            if monotonic() >= deadline:
                yield False
                return
            sleep(min(0.5, max(0.0, deadline - monotonic())))
        with self._renewing([name], owner, length):
            yield True

    @contextmanager
    def show_alive(
        self, owner: str, *, length: timedelta = timedelta(seconds=60)
    ) -> Iterator[None]:
        """Hold a lease of the owner's own while the block runs, and let it run out afterwards.

        Between two pieces of work, and while it waits for a lease, an owner has no other one; so
        it is still seen to live, for `length` after the block.
        """
        name, now = f"{ALIVE}{owner}", datetime.now(UTC)
        with self.engine.begin() as connection:
            old = leases.c.name.startswith(ALIVE, autoescape=True) & (leases.c.expires_at < now)
            connection.execute(delete(leases).where(old))
        self.acquire(name, owner, length, now)
        with self._renewing([name], owner, length, release=False):
            yield

    @contextmanager
    def hold_all(
        self, names: Sequence[str], owner: str, *, length: timedelta = timedelta(seconds=30)
    ) -> Iterator[str | None]:
        """Hold all these leases while the block runs, or none.

        Yields None, or the name of one that another owner has.
        """
        acquired: list[str] = []
        for name in names:
            if not self.acquire(name, owner, length, datetime.now(UTC)):
                for lease in acquired:
                    self.release_lease(lease, owner)
                yield name
                return
            acquired.append(name)
        with self._renewing(acquired, owner, length):
            yield None

    @contextmanager
    def _renewing(
        self, names: Sequence[str], owner: str, length: timedelta, *, release: bool = True
    ) -> Iterator[None]:
        """Renew leases from a thread while the block runs, then free them or let them run out."""
        done = Event()

        def renew() -> None:
            while not done.wait(length.total_seconds() / 3):
                for name in names:
                    self.acquire(name, owner, length, datetime.now(UTC))

        thread = Thread(target=renew, daemon=True, name=f"leases {names[:1]}")
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            for name in names if release else ():
                self.release_lease(name, owner)
