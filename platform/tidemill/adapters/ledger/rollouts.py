"""The ledger's memory of rollouts: where each one stands, and every decision with its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    Engine,
    Float,
    Integer,
    Row,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)

from tidemill.adapters.ledger.base import metadata, utc
from tidemill.errors import UnknownName

State = Literal[
    "requested", "running", "live", "retired", "rolled_back", "superseded", "failed", "ended"
]
OPEN: tuple[State, ...] = ("requested", "running")
Command = Literal["promote", "pause", "rollback"]

rollouts = Table(
    "rollouts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("service", String(80), nullable=False, index=True),
    Column("release", String(80), nullable=False),
    Column("previous", String(80)),
    Column("folder", String(1024), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("percent", Float, nullable=False),
    Column("walk", JSON),
    Column("reason", Text, nullable=False),
    Column("waits", Integer, nullable=False),
    Column("command", JSON),
    Column("requested", DateTime(timezone=True), nullable=False),
    Column("step_started", DateTime(timezone=True)),
    Column("finished", DateTime(timezone=True)),
)

rollout_steps = Table(
    "rollout_steps",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("rollout", Integer, nullable=False, index=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("decision", String(16), nullable=False),
    Column("percent", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("numbers", JSON, nullable=False),
    Column("looks", Integer, nullable=False),
)


@dataclass(frozen=True)
class Walking:
    """One rollout as the ledger has it."""

    id: int
    service: str
    release: str
    previous: str | None
    """The release that was live when this one was asked for."""
    folder: str
    """The release folder of the candidate."""
    spec: Mapping[str, Any]
    """The Rollout spec, as `model_dump(mode="json", by_alias=True)` gives it."""
    state: State
    percent: float
    walk: Mapping[str, Any] | None
    """`engine.walk.RolloutState.record()`; None before the first look."""
    reason: str
    """Why it stands where it stands."""
    waits: bool
    """True where a person has to say something."""
    command: Mapping[str, Any] | None
    """What a person wants: `do` and `by`; None when it was done."""
    requested: datetime
    step_started: datetime | None = None
    finished: datetime | None = None


@dataclass(frozen=True)
class Change:
    """What a decision changes in a rollout; None leaves a thing as it is."""

    decision: str
    reason: str
    state: State | None = None
    percent: float | None = None
    walk: Mapping[str, Any] | None = None
    waits: bool = False
    numbers: Mapping[str, Any] = field(default_factory=dict)
    command_done: bool = False


class RolloutLedger:
    """Rollouts by service; at most one is live for each, and the controller leaves one open."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def request(
        self,
        service: str,
        release: str,
        folder: str,
        spec: Mapping[str, Any],
        now: datetime | None = None,
    ) -> int:
        """Ask for a release to be rolled out; the same release again is the same rollout.

        Of several open rollouts of a service the controller goes on with the newest and calls the
        others superseded. Gives the rollout's id.
        """
        at = now or datetime.now(UTC)
        with self.engine.begin() as connection:
            known = connection.scalar(
                select(rollouts.c.id).where(
                    rollouts.c.service == service,
                    rollouts.c.release == release,
                    rollouts.c.state.in_([*OPEN, "live"]),
                )
            )
            if known is not None:
                return int(known)
            values = {
                "service": service,
                "release": release,
                "previous": _live(connection, service),
                "folder": folder,
                "spec": dict(spec),
                "state": "requested",
                "percent": 0.0,
                "reason": "asked for",
                "waits": 0,
                "requested": at,
            }
            key = connection.execute(insert(rollouts).values(**values)).inserted_primary_key
            assert key is not None
            return int(key[0])

    def get(self, key: int) -> Walking:
        """One rollout by its id."""
        found = self._all(rollouts.c.id == key)
        if not found:
            raise UnknownName("rollout", str(key), [])
        return found[0]

    def open(self, service: str | None = None) -> list[Walking]:
        """Rollouts that are under way, oldest first."""
        return self._all(rollouts.c.state.in_(OPEN), *_of(service))

    def newest(self, service: str | None = None, limit: int = 20) -> list[Walking]:
        """The last rollouts, newest first."""
        return self._all(*_of(service))[::-1][:limit]

    def of(self, release: str) -> list[Walking]:
        """The rollouts of a release, oldest first."""
        return self._all(rollouts.c.release == release)

    def services(self) -> list[str]:
        """Services that ever had a rollout."""
        with self.engine.connect() as connection:
            query = select(rollouts.c.service).distinct().order_by(rollouts.c.service)
            return list(connection.scalars(query))

    def live(self, service: str) -> str | None:
        """Digest of the live release; None before the first."""
        with self.engine.connect() as connection:
            return _live(connection, service)

    def serving(self, service: str) -> Walking | None:
        """The rollout whose release is live."""
        found = self._all(rollouts.c.service == service, rollouts.c.state == "live")
        return found[-1] if found else None

    def retired(self, service: str) -> list[Walking]:
        """Releases that were live before, newest first."""
        found = self._all(rollouts.c.service == service, rollouts.c.state == "retired")
        return sorted(found, key=lambda walking: walking.finished or walking.requested)[::-1]

    def steps(self, key: int) -> list[dict[str, Any]]:
        """Every decision of a rollout, oldest first, with the numbers it was taken on."""
        query = select(rollout_steps).where(rollout_steps.c.rollout == key)
        with self.engine.connect() as connection:
            rows = connection.execute(query.order_by(rollout_steps.c.id)).all()
        return [{**row._mapping, "at": utc(row.at)} for row in rows]

    def command(self, key: int, do: Command, by: str) -> None:
        """Leave what a person wants; the controller does it at its next tick."""
        with self.engine.begin() as connection:
            connection.execute(
                update(rollouts).where(rollouts.c.id == key).values(command={"do": do, "by": by})
            )

    def decided(self, key: int, change: Change, now: datetime) -> None:
        """Write a decision and what follows from it, in one transaction.

        Looks in a row that hold, or that ask, are one line with a count and the newest reason.
        """
        with self.engine.begin() as connection:
            connection.execute(
                update(rollouts).where(rollouts.c.id == key).values(**_changed(change, now))
            )
            _log(connection, key, change, now)
            if change.state == "live":
                _retire(connection, key, now)

    def revived(self, key: int, change: Change, now: datetime) -> None:
        """Make a retired release live again; the one that was live is rolled back."""
        with self.engine.begin() as connection:
            service = connection.scalar(select(rollouts.c.service).where(rollouts.c.id == key))
            live = rollouts.c.state == "live"
            connection.execute(
                update(rollouts)
                .where(rollouts.c.service == service, live)
                .values(state="rolled_back", percent=0.0, reason=change.reason, finished=now)
            )
            connection.execute(
                update(rollouts)
                .where(rollouts.c.id == key)
                .values(state="live", percent=100.0, reason=change.reason, finished=now)
            )
            _log(connection, key, change, now)

    def _all(self, *where: Any) -> list[Walking]:
        query = select(rollouts).where(*where).order_by(rollouts.c.id)
        with self.engine.connect() as connection:
            return [_walking(row) for row in connection.execute(query)]


def _of(service: str | None) -> tuple[Any, ...]:
    return (rollouts.c.service == service,) if service else ()


def _live(connection: Connection, service: str) -> str | None:
    query = select(rollouts.c.release).where(
        rollouts.c.service == service, rollouts.c.state == "live"
    )
    return connection.scalar(query.order_by(rollouts.c.id.desc()).limit(1))


def _changed(change: Change, now: datetime) -> dict[str, Any]:
    values: dict[str, Any] = {"reason": change.reason, "waits": int(change.waits)}
    if change.state is not None:
        values["state"] = change.state
        if change.state not in OPEN:
            values["finished"] = now
    if change.percent is not None:
        values["percent"] = change.percent
    if change.walk is not None:
        values["walk"] = dict(change.walk)
        values["step_started"] = datetime.fromisoformat(change.walk["step_started"])
    if change.command_done:
        values["command"] = None
    return values


def _log(connection: Connection, key: int, change: Change, now: datetime) -> None:
    query = select(rollout_steps).where(rollout_steps.c.rollout == key)
    last = connection.execute(query.order_by(rollout_steps.c.id.desc()).limit(1)).first()
    values = {
        "at": now,
        "decision": change.decision,
        "percent": (last.percent if last else 0.0) if change.percent is None else change.percent,
        "reason": change.reason,
        "numbers": dict(change.numbers),
    }
    if last and change.decision == last.decision and change.decision in ("hold", "ask"):
        again = update(rollout_steps).where(rollout_steps.c.id == last.id)
        connection.execute(again.values(**values, looks=last.looks + 1))
    else:
        connection.execute(insert(rollout_steps).values(rollout=key, looks=1, **values))


def _retire(connection: Connection, key: int, now: datetime) -> None:
    service = connection.scalar(select(rollouts.c.service).where(rollouts.c.id == key))
    others = (rollouts.c.service == service, rollouts.c.state == "live", rollouts.c.id != key)
    connection.execute(
        update(rollouts).where(*others).values(state="retired", percent=0.0, finished=now)
    )


def _walking(row: Row[Any]) -> Walking:
    values = dict(row._mapping)
    times = {n: values[n] for n in ("requested", "step_started", "finished") if values[n]}
    aware = {name: utc(when) for name, when in times.items()}
    return Walking(**{**values, **aware, "waits": bool(values["waits"])})
