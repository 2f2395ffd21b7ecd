"""Comments and corrections of users, for the reflection model that writes instructions.

A reflection model may be somebody else's service. So only comments with consent are read where the
dataset requires it, personal data is redacted as for a dataset, holdout subjects are left out, and
the name of the subject stays in the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Engine, or_, select

from tidemill.adapters.ledger.base import SqlRow
from tidemill.adapters.ledger.event_tables import feedback, inference
from tidemill.adapters.ledger.offset_ranges import Frozen, is_within
from tidemill.data.privacy import is_held_out, redact_row
from tidemill.data.rows import mark_questions, question_of
from tidemill.rows import MutableRow
from tidemill.search import UserComment
from tidemill.spec.dataset import Privacy

MAX_COMMENTS = 200


def feedback_comments(
    engine: Engine,
    topic: str,
    privacy: Privacy,
    inputs: Sequence[str],
    *,
    key: bytes | None = None,
    until: Frozen | None = None,
    limit: int = MAX_COMMENTS,
) -> tuple[UserComment, ...]:
    """The newest joined comments and corrections of a topic, oldest first; those below the frozen
    offsets `until` alone, where they are given."""
    columns = [feedback.c[n] for n in ("kind", "comment", "output", "subject", "consent", "seq")]
    answers = [inference.c.input.label("request"), inference.c.output.label("answer")]
    has_text = or_(
        feedback.c.comment.is_not(None) & (feedback.c.kind != "review"),
        feedback.c.kind == "correction",
    )
    present = (feedback.c.state == "joined", feedback.c.withdrawal.is_(None))
    frozen = () if until is None else (is_within(topic, until),)
    query = (
        select(*columns, *answers)
        .join(inference, feedback.c.inference == inference.c.seq)
        .where(feedback.c.topic == topic, *present, has_text, *frozen)
        .order_by(feedback.c.seq.desc())
        .limit(limit)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    comments = (_to_comment(dict(row), privacy, inputs, key) for row in reversed(rows))
    return tuple(comment for comment in comments if comment is not None)


def _to_comment(
    row: SqlRow, privacy: Privacy, inputs: Sequence[str], key: bytes | None
) -> UserComment | None:
    """The comment of a row, redacted; None where it may not be read or answers no input."""
    if privacy.require_consent and not row["consent"]:
        return None
    if is_held_out(row["subject"], privacy.holdout_subjects, key or b""):
        return None
    request = json.loads(row["request"])
    request = request if isinstance(request, dict) else {inputs[0]: request}
    if not any(request.get(name) for name in inputs):
        return None
    right = json.loads(row["output"]) if row["output"] else ""
    texts: MutableRow = {
        "request": {name: request.get(name, "") for name in inputs},
        "answer": row["answer"] or "",
        "comment": row["comment"] or "",
        "right": right if isinstance(right, str) else json.dumps(right, ensure_ascii=False),
    }
    if privacy.pii != "keep":
        texts, _ = redact_row(texts, privacy.kinds, key=None)
    question = dict(texts["request"])
    mark_questions([question], inputs)
    return UserComment(
        texts["request"],
        question_of(question),
        texts["answer"],
        texts["comment"],
        texts["right"],
    )
