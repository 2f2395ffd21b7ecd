"""Conditions on frozen offsets: which feedback lies below them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_

from tidemill.adapters.ledger.event_tables import feedback
from tidemill.ports import INFERENCE_TOPIC

Frozen = Mapping[str, int]
"""`topic/partition` → the first of the ledger's offsets that does not belong."""


def is_within(topic: str, frozen: Frozen) -> ColumnElement[bool]:
    """Joined feedback whose own offset lies below the frozen ones, and its answer's as well; a
    review with its own question has no answer."""
    partition, offset = feedback.c.inference_partition, feedback.c.inference_offset
    return and_(
        feedback.c.topic == topic,
        feedback.c.state == "joined",
        _is_below(frozen, topic, feedback.c.partition, feedback.c.offset),
        or_(
            feedback.c.question.is_not(None), _is_below(frozen, INFERENCE_TOPIC, partition, offset)
        ),
    )


def _is_below(
    frozen: Frozen, topic: str, partition: ColumnElement[Any], offset: ColumnElement[Any]
) -> ColumnElement[bool]:
    ends = {k.rpartition("/")[2]: end for k, end in frozen.items() if k.rpartition("/")[0] == topic}
    return or_(false(), *(and_(partition == int(p), offset < end) for p, end in ends.items()))
