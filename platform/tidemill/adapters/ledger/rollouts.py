"""The rollouts table and the decisions of each rollout, with the numbers they were made on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    Engine,
    Float,
    Index,
    Integer,
    Row,
    Select,
    String,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)

from tidemill.adapters.ledger.base import metadata, utc
from tidemill.engine.rejected_candidate import REJECTED_STATES
from tidemill.engine.rollout_state import RolloutState
from tidemill.errors import UnknownName
from tidemill.records import (
    OPEN_STATES,
    RolloutCommand,
    RolloutDecisionRecord,
    RolloutRecord,
    RolloutSpec,
    RolloutUpdate,
    SentCommand,
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("service", String(80), nullable=False),
    Column("release", String(80), nullable=False),
    Column("previous_release", String(80)),
    Column("release_folder", String(1024), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("percent", Float, nullable=False),
    Column("state_json", JSON),
    Column("reason", Text, nullable=False),
    Column("awaits_person", Integer, nullable=False),
    Column("command", JSON),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("step_started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    # Each query of a tick has its index, so that its cost does not grow with the history.
    Index("rollouts_by_service", "service", "id"),
    Index("rollouts_by_service_state", "service", "state", "finished_at"),
    Index("rollouts_by_state", "state", "id"),
    Index("rollouts_by_release", "release", "id"),
)

rollout_decisions = Table(
    "rollout_decisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("rollout", Integer, nullable=False),
    Column("decided_at", DateTime(timezone=True), nullable=False),
    Column("decision", String(16), nullable=False),
    Column("percent", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("numbers", JSON, nullable=False),
    Column("repeats", Integer, nullable=False),
    Index("rollout_decisions_by_rollout", "rollout", "id"),
)
_REPEATABLE = ("hold", "ask")
"""Decisions that repeat at every analysis until something changes."""


class RolloutLedger:
    """The `RolloutStore` in SQL: at most one rollout is live for each service."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def request(
        self,
        service: str,
        release: str,
        folder: str,
        spec: Mapping[str, object],
        now: datetime | None = None,
    ) -> int:
        """Ask for a release to be rolled out; the same release again is the same rollout.

        Of several open rollouts of a service the controller continues the newest and supersedes
        the others. Gives the rollout's id.
        """
        with self.engine.begin() as connection:
            existing = connection.scalar(
                select(rollouts.c.id).where(
                    rollouts.c.service == service,
                    rollouts.c.release == release,
                    rollouts.c.state.in_([*OPEN_STATES, "live"]),
                )
            )
            if existing is not None:
                return int(existing)
            values = {
                "service": service,
                "release": release,
                "previous_release": _live_release(connection, service),
                "release_folder": folder,
                "spec": dict(spec),
                "state": "requested",
                "percent": 0.0,
                "reason": "requested",
                "awaits_person": 0,
                "requested_at": now or datetime.now(UTC),
            }
            key = connection.execute(insert(rollouts).values(**values)).inserted_primary_key
            assert key is not None
            return int(key[0])

    def get(self, key: int) -> RolloutRecord:
        """One rollout by its id; raises UnknownName."""
        records = self._read(select(rollouts).where(rollouts.c.id == key))
        if not records:
            raise UnknownName("rollout", str(key), [])
        return records[0]

    def in_progress(self, service: str | None = None) -> list[RolloutRecord]:
        """Requested and running rollouts (of a service), oldest first."""
        query = select(rollouts).where(rollouts.c.state.in_(OPEN_STATES), *_where_service(service))
        # Sorted here: for ORDER BY id SQLite would walk through all rollouts of the service.
        return sorted(self._read(query), key=lambda record: record.id)

    def newest(self, service: str | None = None, limit: int = 20) -> list[RolloutRecord]:
        """The last `limit` rollouts (of a service), newest first."""
        query = select(rollouts).where(*_where_service(service))
        return self._read(query.order_by(rollouts.c.id.desc()).limit(limit))

    def of_release(self, release: str) -> list[RolloutRecord]:
        """The rollouts of a release, oldest first."""
        query = select(rollouts).where(rollouts.c.release == release)
        return self._read(query.order_by(rollouts.c.id))

    def rejected_rollouts(self) -> dict[str, RolloutRecord]:
        """The newest rollout of each release whose candidate was rolled back or did not start, by
        the release's digest."""
        newest = select(func.max(rollouts.c.id)).group_by(rollouts.c.release)
        states = rollouts.c.state.in_(list(REJECTED_STATES))
        query = select(rollouts).where(states, rollouts.c.id.in_(newest))
        return {record.release: record for record in self._read(query)}

    def services(self) -> list[str]:
        """Names of the services that ever had a rollout, sorted."""
        # One search of the index for each service; DISTINCT would read every rollout there was.
        first = select(func.min(rollouts.c.service).label("service")).cte("first", recursive=True)
        after = select(func.min(rollouts.c.service)).where(rollouts.c.service > first.c.service)
        following = select(after.correlate(first).scalar_subquery()).select_from(first)
        following = following.where(first.c.service.is_not(None))
        names = first.union_all(following)
        query = select(names.c.service).where(names.c.service.is_not(None))
        with self.engine.connect() as connection:
            return list(connection.scalars(query))

    def live_release(self, service: str) -> str | None:
        """Digest of the live release; None before the first."""
        with self.engine.connect() as connection:
            return _live_release(connection, service)

    def live_rollout(self, service: str) -> RolloutRecord | None:
        """The rollout whose release is live; None before the first."""
        live = self._read(select(rollouts).where(*_where_live(service)))
        return max(live, key=lambda record: record.id, default=None)

    def retired_rollouts(self, service: str, limit: int = 20) -> list[RolloutRecord]:
        """Rollouts whose releases were live before, the last `limit`, newest first."""
        query = select(rollouts).where(rollouts.c.service == service, rollouts.c.state == "retired")
        newest_first = (rollouts.c.finished_at.desc(), rollouts.c.id.desc())
        return self._read(query.order_by(*newest_first).limit(limit))

    def decisions(self, key: int) -> list[RolloutDecisionRecord]:
        """Every decision of a rollout with its numbers, oldest first."""
        query = select(rollout_decisions).where(rollout_decisions.c.rollout == key)
        with self.engine.connect() as connection:
            rows = connection.execute(query.order_by(rollout_decisions.c.id)).all()
        values = ({**row._mapping, "decided_at": utc(row.decided_at)} for row in rows)
        return [RolloutDecisionRecord(**value) for value in values]

    def send_command(self, key: int, action: RolloutCommand, by: str) -> None:
        """Store what a person asks for; the controller carries it out at its next tick."""
        command = SentCommand(action, by).to_dict()
        with self.engine.begin() as connection:
            connection.execute(update(rollouts).where(rollouts.c.id == key).values(command=command))

    def record_decision(self, key: int, change: RolloutUpdate, now: datetime) -> None:
        """Write a decision and what it changes, in one transaction.

        Equal `hold` or `ask` decisions in a row are one line with a count and the newest reason.
        """
        with self.engine.begin() as connection:
            changed = update(rollouts).where(rollouts.c.id == key)
            connection.execute(changed.values(**_changed_columns(change, now)))
            _log_decision(connection, key, change, now)
            if change.state == "live":
                _retire_others(connection, key, now)

    def restore_release(self, key: int, change: RolloutUpdate, now: datetime) -> None:
        """Make a retired release live again; the one that was live is rolled back."""
        values = {"reason": change.reason, "finished_at": now}
        with self.engine.begin() as connection:
            service = connection.scalar(select(rollouts.c.service).where(rollouts.c.id == key))
            former = update(rollouts).where(*_where_live(str(service)))
            connection.execute(former.values(state="rolled_back", percent=0.0, **values))
            restored = update(rollouts).where(rollouts.c.id == key)
            values = {**_changed_columns(change, now), **values}
            connection.execute(restored.values(state="live", **{**values, "percent": 100.0}))
            _log_decision(connection, key, change, now)

    def _read(self, query: Select[Any]) -> list[RolloutRecord]:
        with self.engine.connect() as connection:
            return [_from_row(row) for row in connection.execute(query)]


def _where_service(service: str | None) -> tuple[Any, ...]:
    return (rollouts.c.service == service,) if service else ()


def _where_live(service: str) -> tuple[Any, ...]:
    return (rollouts.c.service == service, rollouts.c.state == "live")


def _live_release(connection: Connection, service: str) -> str | None:
    query = select(rollouts.c.id, rollouts.c.release).where(*_where_live(service))
    live = connection.execute(query).all()
    return str(max(live)[1]) if live else None


def _changed_columns(change: RolloutUpdate, now: datetime) -> dict[str, object]:
    values: dict[str, object] = {
        "reason": change.reason,
        "awaits_person": int(change.awaits_person),
    }
    if change.state is not None:
        values["state"] = change.state
        if change.state not in OPEN_STATES:
            values["finished_at"] = now
    if change.percent is not None:
        values["percent"] = change.percent
    if change.rollout_state is not None:
        values["state_json"] = change.rollout_state.record()
        values["step_started_at"] = change.rollout_state.step_started
    if change.command_done:
        values["command"] = None
    return values


def _log_decision(connection: Connection, key: int, change: RolloutUpdate, now: datetime) -> None:
    query = select(rollout_decisions).where(rollout_decisions.c.rollout == key)
    last = connection.execute(query.order_by(rollout_decisions.c.id.desc()).limit(1)).first()
    values = {
        "decided_at": now,
        "decision": change.decision,
        "percent": (last.percent if last else 0.0) if change.percent is None else change.percent,
        "reason": change.reason,
        "numbers": dict(change.numbers),
    }
    if last and change.decision == last.decision and change.decision in _REPEATABLE:
        same = update(rollout_decisions).where(rollout_decisions.c.id == last.id)
        connection.execute(same.values(**values, repeats=last.repeats + 1))
    else:
        connection.execute(insert(rollout_decisions).values(rollout=key, repeats=1, **values))


def _retire_others(connection: Connection, key: int, now: datetime) -> None:
    service = connection.scalar(select(rollouts.c.service).where(rollouts.c.id == key))
    others = update(rollouts).where(*_where_live(str(service)), rollouts.c.id != key)
    connection.execute(others.values(state="retired", percent=0.0, finished_at=now))


def _from_row(row: Row[Any]) -> RolloutRecord:
    values = dict(row._mapping)
    for name in ("requested_at", "step_started_at", "finished_at"):
        values[name] = utc(values[name]) if values[name] else None
    state, command = values.pop("state_json"), values["command"]
    values["awaits_person"] = bool(values["awaits_person"])
    values["spec"] = RolloutSpec(values["spec"])
    values["command"] = SentCommand(command["do"], command["by"]) if command else None
    return RolloutRecord(
        **values,
        rollout_state=RolloutState.read(state) if state is not None else None,
    )
