"""What users said of answers in words: comments and corrections, for those who write instructions.

A reflection model may be somebody else's service. So only remarks with consent are read where the
dataset asks for it, personal data is taken out as for a dataset, subjects that are held out of
training are held out here, and who said it stays in the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, or_, select

from tidemill.adapters.ledger.event_tables import feedback, inference
from tidemill.data.privacy import is_held_out, redact_row
from tidemill.data.rows import mark_questions, question_of
from tidemill.search import UserComment
from tidemill.spec.dataset import Privacy

MOST = 200


def remarks(
    engine: Engine,
    topic: str,
    privacy: Privacy,
    inputs: Sequence[str],
    *,
    key: bytes | None = None,
    limit: int = MOST,
) -> tuple[UserComment, ...]:
    """The newest joined comments and corrections of a topic, oldest first."""
    columns = [feedback.c[n] for n in ("kind", "comment", "output", "subject", "consent", "seq")]
    answers = [inference.c.input.label("asked"), inference.c.output.label("answer")]
    said = or_(feedback.c.comment.is_not(None), feedback.c.kind == "correction")
    query = (
        select(*columns, *answers)
        .join(inference, feedback.c.inference == inference.c.seq)
        .where(feedback.c.topic == topic, feedback.c.state == "joined", said)
        .order_by(feedback.c.seq.desc())
        .limit(limit)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    found = (_remark(dict(row), privacy, inputs, key) for row in reversed(rows))
    return tuple(remark for remark in found if remark is not None)


def _remark(
    row: Mapping[str, Any], privacy: Privacy, inputs: Sequence[str], key: bytes | None
) -> UserComment | None:
    if privacy.require_consent and not row["consent"]:
        return None
    if is_held_out(row["subject"], privacy.holdout_subjects, key or b""):
        return None
    asked = json.loads(row["asked"])
    asked = asked if isinstance(asked, dict) else {inputs[0]: asked}
    if not any(asked.get(name) for name in inputs):
        return None
    wanted = json.loads(row["output"]) if row["output"] else ""
    said: dict[str, Any] = {
        "asked": {name: asked.get(name, "") for name in inputs},
        "answer": row["answer"] or "",
        "comment": row["comment"] or "",
        "wanted": wanted if isinstance(wanted, str) else json.dumps(wanted, ensure_ascii=False),
    }
    if privacy.pii != "keep":
        said, _ = redact_row(said, privacy.kinds, key=None)
    question = dict(said["asked"])
    mark_questions([question], inputs)
    return UserComment(
        said["asked"], question_of(question), said["answer"], said["comment"], said["wanted"]
    )
