"""Takes feedback out of everything that is learnt or judged, and puts it back.

A withdrawal marks exactly the rows that its selection matches when it is made: what the same person
says later is not part of it. Datasets, triggers and rollouts read no marked row. The events stay in
the ledger, so a withdrawal can be undone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, func, insert, not_, or_, select, update

from tidemill.adapters.ledger.event_tables import (
    feedback,
    from_timestamp,
    to_timestamp,
    withdrawals,
)
from tidemill.adapters.ledger.offset_ranges import is_within
from tidemill.errors import AmbiguousName, TidemillError
from tidemill.records import (
    FeedbackExample,
    FeedbackSelection,
    SelectedFeedback,
    Withdrawal,
)

SHORTEST_PREFIX = 8
"""Characters of a subject that name it; `feedback tail` shows as many."""
_TIMES = ("since", "until")
_SHOWN = [
    feedback.c[name]
    for name in ("time", "kind", "subject", "reviewer", "output", "comment", "value")
]


class WithdrawalLedger:
    """Withdrawals in SQL."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def find_subject(self, names: Sequence[str]) -> tuple[str, ...]:
        """The names that feedback has of a person; of a name nobody has, the one subject that
        begins with it. Raises AmbiguousName where several do."""
        query = select(feedback.c.subject).where(feedback.c.subject.is_not(None)).distinct()
        known = or_(feedback.c.subject.in_(names), feedback.c.reviewer.in_(names))
        begins = feedback.c.subject.startswith(names[0], autoescape=True)
        with self.engine.connect() as connection:
            if connection.scalar(select(feedback.c.seq).where(known).limit(1)) is not None:
                return tuple(names)
            if len(names[0]) < SHORTEST_PREFIX:
                return tuple(names)
            matches = connection.scalars(query.where(begins).limit(5)).all()
        if len(matches) > 1:
            raise AmbiguousName("subject", names[0], list(map(str, matches)))
        return tuple(map(str, matches)) or tuple(names)

    def select(self, selection: FeedbackSelection, examples: int = 5) -> SelectedFeedback:
        """What a withdrawal of this selection would take out now."""
        matches = _conditions(selection)
        present = (*matches, feedback.c.withdrawal.is_(None))
        people = func.count(feedback.c.subject.distinct())
        span = select(people, func.min(feedback.c.time), func.max(feedback.c.time)).where(*present)
        kinds = select(feedback.c.kind, func.count()).where(*present).group_by(feedback.c.kind)
        out = select(func.count()).where(*matches, feedback.c.withdrawal.is_not(None))
        newest = select(*_SHOWN).where(*present).order_by(feedback.c.time.desc()).limit(examples)
        with self.engine.connect() as connection:
            counts: dict[str, int] = dict(connection.execute(kinds).all())
            subjects, start, end = connection.execute(span).one()
            before = connection.scalar(out) or 0
            rows = [_example(row) for row in connection.execute(newest)]
        first, last = (None if at is None else from_timestamp(at) for at in (start, end))
        return SelectedFeedback(sum(counts.values()), counts, subjects, first, last, before, rows)

    def withdraw(
        self, selection: FeedbackSelection, reason: str, principal: str, now: datetime
    ) -> Withdrawal | None:
        """Take the selected rows out; None where no row was left to take out."""
        about = {
            "selection": json.dumps(asdict(selection), default=str),
            "reason": reason,
            "rows": 0,
        }
        new = insert(withdrawals).values(
            **about, principal=principal, withdrawn_at=to_timestamp(now)
        )
        with self.engine.begin() as connection:
            (number,) = connection.execute(new).inserted_primary_key or (0,)
            present = (*_conditions(selection), feedback.c.withdrawal.is_(None))
            mark = update(feedback).where(*present).values(withdrawal=number)
            count = connection.execute(mark).rowcount
            if not count:
                connection.rollback()
                return None
            named = withdrawals.c.id == number
            connection.execute(update(withdrawals).where(named).values(rows=count))
        return self.get(int(number))

    def undo(self, number: int, now: datetime) -> Withdrawal:
        """Put the rows of a withdrawal back; a second time changes nothing. Raises TidemillError
        for a number that no withdrawal has."""
        self.get(number)
        named = (withdrawals.c.id == number, withdrawals.c.undone_at.is_(None))
        with self.engine.begin() as connection:
            undone = update(withdrawals).where(*named).values(undone_at=to_timestamp(now))
            connection.execute(undone)
            back = update(feedback).where(feedback.c.withdrawal == number)
            connection.execute(back.values(withdrawal=None))
        return self.get(number)

    def get(self, number: int) -> Withdrawal:
        """One withdrawal; raises TidemillError where it does not exist."""
        match = [withdrawal for withdrawal in self.newest() if withdrawal.id == number]
        if not match:
            raise TidemillError(
                f"there is no withdrawal {number}; `tidemill feedback withdraw --list` has them"
            )
        return match[0]

    def newest(self) -> list[Withdrawal]:
        """All withdrawals, newest first."""
        with self.engine.connect() as connection:
            rows = connection.execute(select(withdrawals).order_by(withdrawals.c.id.desc())).all()
        return [
            Withdrawal(
                row.id,
                _to_selection(row.selection),
                row.reason,
                row.principal,
                row.rows,
                from_timestamp(row.withdrawn_at),
                None if row.undone_at is None else from_timestamp(row.undone_at),
            )
            for row in rows
        ]


def withdrawn_digest(engine: Engine, topics: Sequence[str], frozen: Mapping[str, int]) -> str:
    """A digest over the withdrawn rows of topics below frozen offsets; empty without any."""
    columns = (feedback.c.source, feedback.c.event_id)
    marked = feedback.c.withdrawal.is_not(None)
    rows: list[str] = []
    with engine.connect() as connection:
        for topic in dict.fromkeys(topics):
            query = select(*columns).where(feedback.c.topic == topic, marked)
            query = query.where(is_within(topic, frozen))
            rows += [json.dumps(list(row)) for row in connection.execute(query)]
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()[:16] if rows else ""


def count_withdrawn(engine: Engine, topics: Sequence[str]) -> int:
    """Rows of topics that are withdrawn now."""
    marked = (feedback.c.topic.in_(topics), feedback.c.withdrawal.is_not(None))
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).where(*marked)) or 0


def _example(row: Any) -> FeedbackExample:
    output = None if row.output is None else json.loads(row.output)
    said = next((one for one in (output, row.comment, row.value) if one is not None), "")
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    return FeedbackExample(
        from_timestamp(row.time), row.kind, row.reviewer or row.subject or "", text
    )


def _to_selection(text: str) -> FeedbackSelection:
    values = json.loads(text)
    since, until = (values[name] and datetime.fromisoformat(values[name]) for name in _TIMES)
    subjects = tuple(values["subjects"])
    return FeedbackSelection(values["topic"], subjects, values["response_id"], since, until)


def _conditions(selection: FeedbackSelection) -> list[ColumnElement[bool]]:
    """A review belongs only where its reviewer is named."""
    matches: list[ColumnElement[bool]] = []
    if selection.subjects:
        said = feedback.c.subject.in_(selection.subjects) & not_(feedback.c.kind == "review")
        matches.append(or_(said, feedback.c.reviewer.in_(selection.subjects)))
    else:
        matches.append(feedback.c.kind != "review")
    if selection.topic is not None:
        matches.append(feedback.c.topic == selection.topic)
    if selection.response_id is not None:
        matches.append(feedback.c.response_id == selection.response_id)
    if selection.since is not None:
        matches.append(feedback.c.time >= to_timestamp(selection.since))
    if selection.until is not None:
        matches.append(feedback.c.time < to_timestamp(selection.until))
    return matches
