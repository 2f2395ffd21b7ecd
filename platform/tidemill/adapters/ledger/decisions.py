"""The ledger's memory of triggers: each decision with its numbers, and the runs that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Engine,
    Index,
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
from tidemill.engine.trigger import TriggerVerdict
from tidemill.errors import UnknownName

State = Literal["asked", "decided", "started", "finished", "failed", "refused"]
"""asked (a person has to approve) → decided → started → finished or failed."""

SYNC = "@sync"
"""Stands where a trigger's name is, for runs that a commit asked for; no spec can be called so."""

decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("project", String(80), nullable=False),
    Column("trigger", String(80), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("numbers", JSON, nullable=False),
    Column("offsets", JSON, nullable=False),
    Column("targets", JSON, nullable=False),
    Column("run", String(64), nullable=False),
    Column("by", String(200), nullable=False),
    Column("message", Text, nullable=False),
    Column("updated", DateTime(timezone=True), nullable=False),
    Index("decisions_by_trigger", "project", "trigger", "id"),
)

looks = Table(
    "looks",
    metadata,
    Column("project", String(80), primary_key=True),
    Column("trigger", String(80), primary_key=True),
    Column("start", DateTime(timezone=True), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("fire", Boolean, nullable=False),
    Column("blocked_by", String(16)),
    Column("reason", Text, nullable=False),
    Column("numbers", JSON, nullable=False),
    Column("held_since", DateTime(timezone=True)),
)


@dataclass(frozen=True)
class Decided:
    """A firing on its way to a run, with what it was taken on."""

    key: str
    """Unique; the Dagster run key, so that one decision never starts two runs."""
    project: str
    trigger: str
    at: datetime
    state: State
    reason: str
    numbers: Mapping[str, Any]
    offsets: Mapping[str, int]
    """Frozen: `topic/partition` → first offset that does not belong."""
    targets: tuple[str, ...]
    """Assets to make."""
    run: str = ""
    by: str = ""
    """Who approved or refused."""
    message: str = ""


@dataclass(frozen=True)
class Look:
    """The last time a trigger was looked at."""

    start: datetime
    """The first look ever; schedules count from here."""
    at: datetime
    decision: TriggerVerdict


class DecisionLedger:
    """Firings from decision to finished run, and the last look at each trigger."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def note(self, project: str, trigger: str, decision: TriggerVerdict, now: datetime) -> None:
        """Remember the newest look, so that a person can ask why it did not fire."""
        mine = (looks.c.project == project, looks.c.trigger == trigger)
        values = {
            "at": now,
            "fire": decision.fires,
            "blocked_by": decision.blocked_by,
            "reason": decision.reason,
            "numbers": dict(decision.numbers),
            "held_since": None if decision.fires else decision.held_since,
        }
        with self.engine.begin() as connection:
            if connection.execute(update(looks).where(*mine).values(**values)).rowcount:
                return
        key = {"project": project, "trigger": trigger, "start": now}
        try:
            with self.engine.begin() as connection:
                connection.execute(insert(looks).values(**key, **values))
        except IntegrityError:
            return  # another process looked at the same moment

    def look(self, project: str, trigger: str) -> Look | None:
        """The newest look."""
        query = select(looks).where(looks.c.project == project, looks.c.trigger == trigger)
        with self.engine.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        held = utc(row.held_since) if row.held_since else None
        decision = TriggerVerdict(row.fire, row.reason, row.blocked_by, held, row.numbers)
        return Look(utc(row.start), utc(row.at), decision)

    def add(
        self,
        project: str,
        trigger: str,
        decision: TriggerVerdict,
        offsets: Mapping[str, int],
        targets: Sequence[str],
        now: datetime,
    ) -> Decided | None:
        """Keep a firing, or the question whether to fire; None where another process just did."""
        state: State = "decided" if decision.fires else "asked"
        earlier = select(decisions.c.id).where(
            decisions.c.project == project, decisions.c.trigger == trigger
        )
        try:
            with self.engine.begin() as connection:
                count = len(connection.execute(earlier).all())
                key = f"{project}/{trigger}/{count + 1}"
                connection.execute(
                    insert(decisions).values(
                        key=key,
                        project=project,
                        trigger=trigger,
                        at=now,
                        state=state,
                        reason=decision.reason,
                        numbers=dict(decision.numbers),
                        offsets=dict(offsets),
                        targets=list(targets),
                        run="",
                        by="",
                        message="",
                        updated=now,
                    )
                )
        except IntegrityError:
            return None
        return self.get(key)

    def ask_for(
        self, key: str, project: str, reason: str, targets: Sequence[str], now: datetime
    ) -> Decided:
        """A run that `tidemill sync` asks for under a key of its own; the same key again is the
        same run."""
        values = {
            "key": key,
            "project": project,
            "trigger": SYNC,
            "at": now,
            "state": "decided",
            "reason": reason,
            "numbers": {},
            "offsets": {},
            "targets": list(targets),
            "run": "",
            "by": "",
            "message": "",
            "updated": now,
        }
        with suppress(IntegrityError), self.engine.begin() as connection:
            connection.execute(insert(decisions).values(**values))
        return self.get(key)

    def synced(self, prefix: str) -> list[Decided]:
        """What sync asked for under keys that begin so, oldest first."""
        mine = (decisions.c.trigger == SYNC, decisions.c.key.startswith(prefix, autoescape=True))
        query = select(decisions).where(*mine).order_by(decisions.c.id)
        with self.engine.connect() as connection:
            return [_decided(row) for row in connection.execute(query)]

    def withdraw(self, but: str, message: str, now: datetime) -> None:
        """Take back what sync asked for and nothing started, except under keys that begin so."""
        mine = (decisions.c.trigger == SYNC, decisions.c.state == "decided")
        others = ~decisions.c.key.startswith(but, autoescape=True)
        values = {"state": "refused", "message": message, "updated": now}
        with self.engine.begin() as connection:
            connection.execute(update(decisions).where(*mine, others).values(**values))

    def get(self, key: str) -> Decided:
        """One decision; raises `UnknownName` with the nearest key."""
        with self.engine.connect() as connection:
            row = connection.execute(select(decisions).where(decisions.c.key == key)).first()
            if row is None:
                keys = list(connection.scalars(select(decisions.c.key)))
                raise UnknownName("decision", key, keys)
        return _decided(row)

    def pending(self) -> list[Decided]:
        """Decided, and no run started yet: what to launch, also after a crash; oldest first."""
        return self._in_state("decided")

    def running(self) -> list[Decided]:
        """Started, and not finished as far as the ledger knows."""
        return self._in_state("started")

    def asked(self) -> list[Decided]:
        """Waiting for a person."""
        return self._in_state("asked")

    def history(self, project: str, trigger: str, *, limit: int = 100) -> list[Decided]:
        """Decisions of one trigger, newest first."""
        mine = (decisions.c.project == project, decisions.c.trigger == trigger)
        query = select(decisions).where(*mine).order_by(decisions.c.id.desc()).limit(limit)
        with self.engine.connect() as connection:
            return [_decided(row) for row in connection.execute(query)]

    def started(self, key: str, run: str, now: datetime) -> None:
        """A run was launched for it."""
        self._move(key, "started", now, run=run)

    def finished(self, key: str, now: datetime, *, ok: bool, message: str = "") -> None:
        """Its run ended."""
        self._move(key, "finished" if ok else "failed", now, message=message)

    def relaunch(self, key: str, now: datetime) -> None:
        """Its run vanished: back to decided, with the same frozen offsets."""
        self._move(key, "decided", now, run="")

    def answer(self, key: str, by: str, now: datetime, *, yes: bool) -> None:
        """A person approved or refused; only what was asked can be answered."""
        only = decisions.c.state == "asked"
        self._move(key, "decided" if yes else "refused", now, only=only, by=by, at=now)

    def _in_state(self, state: State) -> list[Decided]:
        query = select(decisions).where(decisions.c.state == state).order_by(decisions.c.id)
        with self.engine.connect() as connection:
            return [_decided(row) for row in connection.execute(query)]

    def _move(self, key: str, state: State, now: datetime, only: Any = True, **more: Any) -> None:
        where = decisions.c.key == key
        if only is not True:
            where = where & only
        values = {"state": state, "updated": now, **more}
        with self.engine.begin() as connection:
            moved = connection.execute(update(decisions).where(where).values(**values)).rowcount
        if not moved:
            self.get(key)  # raises where there is none


def _decided(row: Row[Any]) -> Decided:
    values = row._mapping
    return Decided(
        key=values["key"],
        project=values["project"],
        trigger=values["trigger"],
        at=utc(values["at"]),
        state=cast(State, values["state"]),
        reason=values["reason"],
        numbers=values["numbers"],
        offsets=values["offsets"],
        targets=tuple(values["targets"]),
        run=values["run"],
        by=values["by"],
        message=values["message"],
    )
