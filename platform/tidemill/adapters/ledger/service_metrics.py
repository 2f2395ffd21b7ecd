"""Queries of a service: its answers, their ratings, its health."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, FromClause, and_, func, or_, select

from tidemill.adapters.ledger.base import SqlRow
from tidemill.adapters.ledger.event_tables import feedback, from_timestamp, inference, to_timestamp
from tidemill.answer import Answer
from tidemill.engine.arm_health import WARM_UP, ArmHealth
from tidemill.engine.ratings_needed import RatingRate
from tidemill.engine.service_traffic import RequestRate
from tidemill.engine.shadow_pair import MAX_PAIRS, SHADOW_SUFFIX, ReleaseAnswer, ShadowPair
from tidemill.records import RatingTotals
from tidemill.triggers import AnswerRecord
from tidemill.triggers.subject_weight import rating_cap

MAX_ANSWERS = 50_000
"""Most answers that a condition gets."""


class ServiceMetrics:
    """Answers and ratings of services; nothing here writes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def answers(self, service: str, since: datetime) -> list[AnswerRecord]:
        """Labels and input lengths of the answers that users got of a service, oldest first, the
        newest 50,000; a shadow answers copies of requests, and nobody."""
        columns = (inference.c.time, inference.c.label, func.length(inference.c.input))
        query = select(*columns).where(
            inference.c.service == service,
            inference.c.time >= to_timestamp(since),
            inference.c.error.is_(None),
            inference.c.arm != "shadow",
        )
        newest = query.order_by(inference.c.time.desc()).limit(MAX_ANSWERS)
        with self.engine.connect() as connection:
            rows = connection.execute(newest).all()
        return [
            AnswerRecord(from_timestamp(time), label, length)
            for time, label, length in reversed(rows)
        ]

    def ratings(
        self,
        service: str,
        metric: str,
        since: datetime,
        until: datetime | None = None,
        *,
        share: float = 1.0,
    ) -> list[RatingTotals]:
        """Ratings that arrived in [since, until), per release and subject, cut to the largest
        `share` that one subject may have.

        `metric` is thumbs, score or outcome. Anonymous ratings of a release are one subject, ''.
        """
        subject = func.coalesce(feedback.c.subject, "")
        conditions = [feedback.c.service == service, feedback.c.state == "joined"]
        conditions += [feedback.c.kind == metric, feedback.c.arrived >= to_timestamp(since)]
        if until is not None:
            conditions.append(feedback.c.arrived < to_timestamp(until))
        query = select(feedback.c.release, subject, func.count(), func.avg(feedback.c.rating))
        with self.engine.connect() as connection:
            totals = connection.execute(
                query.where(*conditions)
                .group_by(feedback.c.release, subject)
                .order_by(feedback.c.release, subject)
            ).all()
        by_release: dict[str, list[int]] = defaultdict(list)
        for release, _, count, _ in totals:
            by_release[release].append(count)
        limit = {
            release: max(1, int(rating_cap(counts, share)))
            for release, counts in by_release.items()
        }
        return [
            RatingTotals(release, subject, min(n, limit[release]), min(n, limit[release]) * mean)
            for release, subject, n, mean in totals
        ]

    def rating_rate(
        self, service: str, metric: str, since: datetime, now: datetime
    ) -> RatingRate | None:
        """How many ratings of a kind arrived since a moment, over how long, and their mean; None
        without any. Less than a day counts as a day: a burst is no rate."""
        conditions = [feedback.c.service == service, feedback.c.state == "joined"]
        conditions += [feedback.c.kind == metric, feedback.c.arrived >= to_timestamp(since)]
        query = select(func.count(), func.min(feedback.c.arrived), func.avg(feedback.c.rating))
        with self.engine.connect() as connection:
            count, first, mean = connection.execute(query.where(*conditions)).one()
        if not count:
            return None
        return RatingRate(count, max(1.0, (to_timestamp(now) - first) / 86_400), float(mean or 0.0))

    def request_rate(self, service: str, since: datetime, now: datetime) -> RequestRate | None:
        """How many answers a service gave since a moment, copies for a shadow left out, and how
        long ago the first of them was; None without any."""
        query = select(func.count(), func.min(inference.c.time)).where(
            inference.c.service == service,
            inference.c.time >= to_timestamp(since),
            inference.c.arm != "shadow",
        )
        with self.engine.connect() as connection:
            count, first = connection.execute(query).one()
        return RequestRate(count, (to_timestamp(now) - first) / 86_400) if count else None

    def release_health(
        self, service: str, since: datetime, *, newest: int = 5000
    ) -> dict[str, ArmHealth]:
        """Requests, errors and latencies of each release, from its inference events.

        Latencies are those of the model server, of the `newest` answers that it generated; the
        first ones of a release are its warm-up and not among them.
        """
        recent = and_(inference.c.service == service, inference.c.time >= to_timestamp(since))
        failed = func.count(inference.c.error)
        counts = select(inference.c.release, func.count(), failed).where(recent)
        health = {}
        with self.engine.connect() as connection:
            for release, requests, errors in connection.execute(
                counts.group_by(inference.c.release)
            ).all():
                generated = select(inference.c.seq, inference.c.latency).where(
                    inference.c.service == service,
                    inference.c.release == release,
                    inference.c.error.is_(None),
                    inference.c.cached.is_(False),
                )
                first = generated.order_by(inference.c.time, inference.c.seq).limit(WARM_UP)
                latest = generated.where(recent).order_by(inference.c.time.desc()).limit(newest)
                warm_up = {seq for seq, _ in connection.execute(first)}
                rows = connection.execute(latest)
                seconds = [latency for seq, latency in rows if seq not in warm_up]
                health[release] = ArmHealth.measure(requests, errors, seconds)
        return health

    def shadow_pairs(
        self, service: str, live: str, candidate: str, since: datetime, *, newest: int = MAX_PAIRS
    ) -> list[ShadowPair]:
        """Requests that both releases answered since a moment, the user the live one: the newest
        ones, oldest first. Answers of which nothing was stored are left out."""
        copy, answer = inference.alias("copy"), inference.alias("answer")
        # The copy's side is computed: so each answer is found by the index of its id.
        pair = answer.c.response_id == func.replace(copy.c.response_id, SHADOW_SUFFIX, "")
        query = (
            select(answer.c.response_id, *_answer_columns(answer), *_answer_columns(copy))
            .join_from(copy, answer, pair)
            .where(
                copy.c.service == service,
                copy.c.release == candidate,
                copy.c.arm == "shadow",
                copy.c.time >= to_timestamp(since),
                answer.c.release == live,
                *(side.c.error.is_(None) for side in (copy, answer)),
                *(or_(side.c.label.is_not(None), side.c.output != "") for side in (copy, answer)),
            )
            .order_by(copy.c.time.desc(), copy.c.seq.desc())
        )
        with self.engine.connect() as connection:
            rows = connection.execute(query.limit(newest)).all()
        sides = [(row[0], row[1:6], row[6:]) for row in reversed(rows)]
        return [
            ShadowPair(key, _release_answer(*user), _release_answer(*shadow))
            for key, user, shadow in sides
        ]

    def subject_counts(self, service: str, since: datetime) -> dict[str, int]:
        """How many subjects each release answered since a moment (for the sample-ratio test)."""
        query = select(inference.c.release, func.count(inference.c.subject.distinct())).where(
            inference.c.service == service, inference.c.time >= to_timestamp(since)
        )
        with self.engine.connect() as connection:
            return dict(connection.execute(query.group_by(inference.c.release)).all())

    def inference_record(self, response_id: str) -> SqlRow | None:
        """The inference record of one answer, its input decoded."""
        query = select(inference).where(inference.c.response_id == response_id)
        with self.engine.connect() as connection:
            row = connection.execute(query.order_by(inference.c.seq).limit(1)).mappings().first()
        if row is None:
            return None
        return {**row, "input": json.loads(row["input"]), "time": from_timestamp(row["time"])}


def _answer_columns(table: FromClause) -> tuple[ColumnElement[Any], ...]:
    return tuple(table.c[name] for name in ("output", "label", "latency", "cached", "tokens_out"))


def _release_answer(
    text: str, label: str | None, latency: float, cached: bool, tokens_out: int
) -> ReleaseAnswer:
    return ReleaseAnswer(Answer(text, label), None if cached else latency, tokens_out)
