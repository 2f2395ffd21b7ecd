"""What the ledger knows of a service: its answers, their ratings, its health."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, and_, func, select

from tidemill.adapters.ledger.event_tables import feedback, inference, moment, stamp
from tidemill.engine.ratings_needed import Pace
from tidemill.ports import ArmHealth
from tidemill.triggers import AnswerRecord
from tidemill.triggers.subject_weight import rating_cap

ANSWERS = 50_000
"""Most answers a condition gets to see."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Ratings:
    """What one subject's ratings of one release add up to; ratings lie in 0..1."""

    release: str
    subject: str
    ratings: int
    total: float


class ServiceQueries:
    """Reading of answers and ratings; nothing here writes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def answers(self, service: str, since: datetime) -> list[AnswerRecord]:
        """Labels and input lengths of a service's answers, oldest first, the newest 50,000."""
        columns = (inference.c.time, inference.c.label, func.length(inference.c.input))
        query = select(*columns).where(
            inference.c.service == service,
            inference.c.time >= stamp(since),
            inference.c.error.is_(None),
        )
        newest = query.order_by(inference.c.time.desc()).limit(ANSWERS)
        with self.engine.connect() as connection:
            rows = connection.execute(newest).all()
        return [AnswerRecord(moment(time), label, length) for time, label, length in reversed(rows)]

    def ratings(
        self,
        service: str,
        metric: str,
        since: datetime,
        until: datetime | None = None,
        *,
        share: float = 1.0,
    ) -> list[Ratings]:
        """Ratings that arrived in [since, until), per release and subject, nobody beyond its share.

        `metric` is thumbs, score or outcome. Anonymous ratings of a release are one subject, ''.
        """
        who = func.coalesce(feedback.c.subject, "")
        wanted = [feedback.c.service == service, feedback.c.state == "joined"]
        wanted += [feedback.c.kind == metric, feedback.c.arrived >= stamp(since)]
        if until is not None:
            wanted.append(feedback.c.arrived < stamp(until))
        query = select(feedback.c.release, who, func.count(), func.avg(feedback.c.rating))
        with self.engine.connect() as connection:
            found = connection.execute(
                query.where(*wanted)
                .group_by(feedback.c.release, who)
                .order_by(feedback.c.release, who)
            ).all()
        by_release: dict[str, list[int]] = defaultdict(list)
        for release, _, count, _ in found:
            by_release[release].append(count)
        most = {
            release: max(1, int(rating_cap(counts, share)))
            for release, counts in by_release.items()
        }
        return [
            Ratings(release, subject, min(n, most[release]), min(n, most[release]) * mean)
            for release, subject, n, mean in found
        ]

    def pace(self, service: str, metric: str, since: datetime, now: datetime) -> Pace | None:
        """How many ratings of a kind arrived since a moment, over how long, and their mean; None
        without any. Less than a day counts as a day: a burst is no rate."""
        wanted = [feedback.c.service == service, feedback.c.state == "joined"]
        wanted += [feedback.c.kind == metric, feedback.c.arrived >= stamp(since)]
        query = select(func.count(), func.min(feedback.c.arrived), func.avg(feedback.c.rating))
        with self.engine.connect() as connection:
            count, first, mean = connection.execute(query.where(*wanted)).one()
        if not count:
            return None
        return Pace(count, max(1.0, (stamp(now) - first) / 86_400), float(mean or 0.0))

    def health(self, service: str, since: datetime, *, newest: int = 5000) -> dict[str, ArmHealth]:
        """Requests, errors and latencies of each release, from its inference events."""
        wanted = and_(inference.c.service == service, inference.c.time >= stamp(since))
        failed = func.count(inference.c.error)
        counts = select(inference.c.release, func.count(), failed).where(wanted)
        found = {}
        with self.engine.connect() as connection:
            for release, requests, errors in connection.execute(
                counts.group_by(inference.c.release)
            ).all():
                mine = and_(wanted, inference.c.release == release, inference.c.error.is_(None))
                latest = select(inference.c.latency).where(mine).order_by(inference.c.time.desc())
                seconds = sorted(connection.scalars(latest.limit(newest)))
                found[release] = ArmHealth(
                    requests, errors, _quantile(seconds, 0.5), _quantile(seconds, 0.95)
                )
        return found

    def subjects(self, service: str, since: datetime) -> dict[str, int]:
        """How many subjects each release answered since a moment (for the sample-ratio test)."""
        query = select(inference.c.release, func.count(inference.c.subject.distinct())).where(
            inference.c.service == service, inference.c.time >= stamp(since)
        )
        with self.engine.connect() as connection:
            return dict(connection.execute(query.group_by(inference.c.release)).all())

    def response(self, response_id: str) -> Row | None:
        """The inference record of one answer, its input decoded."""
        query = select(inference).where(inference.c.response_id == response_id)
        with self.engine.connect() as connection:
            row = connection.execute(query.order_by(inference.c.seq).limit(1)).mappings().first()
        if row is None:
            return None
        return {**row, "input": json.loads(row["input"]), "time": moment(row["time"])}


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
