"""The trigger decisions and the newest evaluation of each trigger, with their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Index,
    Integer,
    Row,
    Select,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from tidemill.adapters.ledger.base import has_prefix, metadata, utc
from tidemill.engine.trigger import TriggerVerdict
from tidemill.errors import UnknownName
from tidemill.records import SYNC_TRIGGER, DecisionStatus, TriggerDecision, TriggerEvaluation

trigger_decisions = Table(
    "trigger_decisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("project", String(80), nullable=False),
    Column("trigger", String(80), nullable=False),
    Column("decided_at", DateTime(timezone=True), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("numbers", JSON, nullable=False),
    Column("offsets", JSON, nullable=False),
    Column("assets", JSON, nullable=False),
    Column("run_id", String(64), nullable=False),
    Column("answered_by", String(200), nullable=False),
    Column("message", Text, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Index("trigger_decisions_by_trigger", "project", "trigger", "id"),
    Index("trigger_decisions_by_state", "state", "id"),
)
Index(
    "trigger_decisions_by_key_prefix",
    trigger_decisions.c.key,
    postgresql_ops={"key": "varchar_pattern_ops"},
).ddl_if(dialect="postgresql")
"""SQLite searches the index of the unique keys for a prefix; PostgreSQL needs one of this kind."""

trigger_evaluations = Table(
    "trigger_evaluations",
    metadata,
    Column("project", String(80), primary_key=True),
    Column("trigger", String(80), primary_key=True),
    Column("first_at", DateTime(timezone=True), nullable=False),
    Column("evaluated_at", DateTime(timezone=True), nullable=False),
    Column("fires", Boolean, nullable=False),
    Column("blocked_by", String(16)),
    Column("reason", Text, nullable=False),
    Column("numbers", JSON, nullable=False),
    Column("held_since", DateTime(timezone=True)),
)


class TriggerDecisionLedger:
    """The `TriggerDecisionStore` in SQL: firings from decision to finished run."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def record_evaluation(
        self, project: str, trigger: str, verdict: TriggerVerdict, now: datetime
    ) -> None:
        """Store the newest evaluation, so that a person can ask why the trigger did not fire."""
        table = trigger_evaluations
        key = {"project": project, "trigger": trigger}
        values = {
            "evaluated_at": now,
            "fires": verdict.fires,
            "blocked_by": verdict.blocked_by,
            "reason": verdict.reason,
            "numbers": dict(verdict.numbers),
            "held_since": None if verdict.fires else verdict.held_since,
        }
        same = update(table).filter_by(**key).values(**values)
        with self.engine.begin() as connection:
            if connection.execute(same).rowcount:
                return
        with suppress(IntegrityError), self.engine.begin() as connection:
            # An error means that another process evaluated the trigger at the same moment.
            connection.execute(insert(table).values(**key, first_at=now, **values))

    def last_evaluation(self, project: str, trigger: str) -> TriggerEvaluation | None:
        """The newest evaluation of a trigger; None before the first."""
        query = select(trigger_evaluations).filter_by(project=project, trigger=trigger)
        with self.engine.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        held_since = utc(row.held_since) if row.held_since else None
        verdict = TriggerVerdict(row.fires, row.reason, row.blocked_by, held_since, row.numbers)
        return TriggerEvaluation(utc(row.first_at), utc(row.evaluated_at), verdict)

    def add(
        self,
        project: str,
        trigger: str,
        verdict: TriggerVerdict,
        offsets: Mapping[str, int],
        assets: Sequence[str],
        now: datetime,
    ) -> TriggerDecision | None:
        """Store a firing, or the question to a person whether to fire; None where another process
        stored one at the same moment."""
        state: DecisionStatus = "queued" if verdict.fires else "needs_approval"
        values = {"reason": verdict.reason, "numbers": dict(verdict.numbers)}
        try:
            with self.engine.begin() as connection:
                key = f"{project}/{trigger}/{_next_number(connection, project, trigger)}"
                row = _row(key, project, trigger, state, assets, now)
                connection.execute(
                    insert(trigger_decisions).values(**row, **values, offsets=dict(offsets))
                )
        except IntegrityError:
            return None
        return self.get(key)

    def request_run(
        self, key: str, project: str, reason: str, assets: Sequence[str], now: datetime
    ) -> TriggerDecision:
        """Queue a run that Git sync asks for, under a key of its own; the same key again is the
        same run."""
        row = _row(key, project, SYNC_TRIGGER, "queued", assets, now)
        query = insert(trigger_decisions).values(**row, reason=reason, numbers={}, offsets={})
        with suppress(IntegrityError), self.engine.begin() as connection:
            connection.execute(query)
        return self.get(key)

    def sync_requests(self, prefix: str) -> list[TriggerDecision]:
        """Runs that Git sync asked for under keys with this prefix, oldest first."""
        keys = has_prefix(self.engine, trigger_decisions.c.key, prefix)
        query = select(trigger_decisions).where(trigger_decisions.c.trigger == SYNC_TRIGGER, keys)
        return self._read(query.order_by(trigger_decisions.c.id))

    def withdraw_requests(self, except_prefix: str, message: str, now: datetime) -> None:
        """Refuse the runs that Git sync asked for and that are still queued, except those whose
        keys have the prefix."""
        table = trigger_decisions
        queued = (table.c.trigger == SYNC_TRIGGER, table.c.state == "queued")
        others = ~table.c.key.startswith(except_prefix, autoescape=True)
        values = {"state": "refused", "message": message, "updated_at": now}
        with self.engine.begin() as connection:
            connection.execute(update(table).where(*queued, others).values(**values))

    def get(self, key: str) -> TriggerDecision:
        """One decision; raises `UnknownName` with the nearest key."""
        decisions = self._read(select(trigger_decisions).where(trigger_decisions.c.key == key))
        if not decisions:
            with self.engine.connect() as connection:
                keys = list(connection.scalars(select(trigger_decisions.c.key)))
            raise UnknownName("decision", key, keys)
        return decisions[0]

    def queued_decisions(self) -> list[TriggerDecision]:
        """Decisions whose run is still to be launched, also after a crash; oldest first."""
        return self._in_state("queued")

    def running_decisions(self) -> list[TriggerDecision]:
        """Decisions whose run was launched and has not ended as far as the ledger knows."""
        return self._in_state("started")

    def needing_approval(self) -> list[TriggerDecision]:
        """Decisions that a person has to approve, oldest first."""
        return self._in_state("needs_approval")

    def history(self, project: str, trigger: str, *, limit: int = 100) -> list[TriggerDecision]:
        """The last decisions of one trigger, newest first."""
        query = select(trigger_decisions).filter_by(project=project, trigger=trigger)
        return self._read(query.order_by(trigger_decisions.c.id.desc()).limit(limit))

    def mark_started(self, key: str, run_id: str, now: datetime) -> None:
        """A run was launched for it."""
        self._set_state(key, "started", now, run_id=run_id)

    def mark_finished(self, key: str, now: datetime, *, ok: bool, message: str = "") -> None:
        """Its run ended."""
        self._set_state(key, "finished" if ok else "failed", now, message=message)

    def requeue(self, key: str, now: datetime) -> None:
        """Its run vanished: queue it again, with the same frozen offsets."""
        self._set_state(key, "queued", now, run_id="")

    def resolve_approval(self, key: str, by: str, now: datetime, *, approved: bool) -> None:
        """A person approved or refused; only what needs approval changes."""
        state: DecisionStatus = "queued" if approved else "refused"
        values = {"answered_by": by, "decided_at": now}
        self._set_state(key, state, now, only_from="needs_approval", **values)

    def _in_state(self, state: DecisionStatus) -> list[TriggerDecision]:
        query = select(trigger_decisions).where(trigger_decisions.c.state == state)
        return self._read(query.order_by(trigger_decisions.c.id))

    def _read(self, query: Select[Any]) -> list[TriggerDecision]:
        with self.engine.connect() as connection:
            return [_decision_from_row(row) for row in connection.execute(query)]

    def _set_state(
        self,
        key: str,
        state: DecisionStatus,
        now: datetime,
        only_from: DecisionStatus | None = None,
        **values: Any,
    ) -> None:
        query = update(trigger_decisions).where(trigger_decisions.c.key == key)
        if only_from is not None:
            query = query.where(trigger_decisions.c.state == only_from)
        with self.engine.begin() as connection:
            changed = connection.execute(query.values(state=state, updated_at=now, **values))
        if not changed.rowcount:
            self.get(key)  # raises where there is none


def _next_number(connection: Connection, project: str, trigger: str) -> int:
    """The number that ends the key of a trigger's next decision; keys are `project/trigger/n`."""
    query = select(trigger_decisions.c.key).filter_by(project=project, trigger=trigger)
    newest = connection.scalar(query.order_by(trigger_decisions.c.id.desc()).limit(1))
    return int(newest.rpartition("/")[2]) + 1 if newest else 1


def _row(
    key: str,
    project: str,
    trigger: str,
    state: DecisionStatus,
    assets: Sequence[str],
    now: datetime,
) -> dict[str, object]:
    return {
        "key": key,
        "project": project,
        "trigger": trigger,
        "decided_at": now,
        "state": state,
        "assets": list(assets),
        "run_id": "",
        "answered_by": "",
        "message": "",
        "updated_at": now,
    }


def _decision_from_row(row: Row[Any]) -> TriggerDecision:
    values = dict(row._mapping)
    for name in ("id", "updated_at"):
        values.pop(name)
    assets, decided_at = tuple(values["assets"]), utc(values["decided_at"])
    return TriggerDecision(**{**values, "assets": assets, "decided_at": decided_at})
