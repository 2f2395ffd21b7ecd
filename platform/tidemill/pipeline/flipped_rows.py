"""Finds the rows that two versions of an evaluation answer with another result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tidemill.catalog import METRICS
from tidemill.engine.evaluation_change import AnswerFlip, Flips
from tidemill.engine.search import answer_changes
from tidemill.pipeline.answers import EvaluatedRow, align_baseline
from tidemill.pipeline.failures import answer_text, reference_text, row_question
from tidemill.spec.dataset import Privacy
from tidemill.spec.evaluation import Evaluation

SHOWN = 10
"""Flipped rows that a report names, each way."""
_JUDGES_ROWS = ("proportion", "rows")
_HIDDEN = "(personal data)"


def flipped_rows(
    spec: Evaluation,
    after: Sequence[EvaluatedRow],
    before: Sequence[EvaluatedRow],
    privacy: Privacy,
    key: bytes | None,
) -> Flips:
    """The rows that one version answers better by the first metric that judges rows, largest change
    first; `before` has an answer to each row of `after`, and `key` is that of `pii: hash`."""
    metric = next((m for m in spec.metrics if METRICS.load(m).KIND in _JUDGES_ROWS), "accuracy")
    former = align_baseline(after, {row.id: row for row in before})
    scored = [[row.metric_row for row in rows] for rows in (former, after)]
    apart = answer_changes(metric, *scored)
    worse, better = (
        tuple(_flip(former[at], after[at], privacy, key) for at in places[:SHOWN])
        for places in (apart.worse, apart.better)
    )
    return Flips(metric, worse, better, len(apart.worse), len(apart.better))


def _flip(
    before: EvaluatedRow, after: EvaluatedRow, privacy: Privacy, key: bytes | None
) -> AnswerFlip:
    old, new = (_redact(row, privacy, key) for row in (before, after))
    if old is None or new is None:
        return AnswerFlip(after.id, *[_HIDDEN] * 4)
    texts = (row_question(new), reference_text(new), answer_text(old), answer_text(new))
    return AnswerFlip(after.id, *texts)


def _redact(record: EvaluatedRow, privacy: Privacy, key: bytes | None) -> EvaluatedRow | None:
    """The row as the dataset's rules let it be shown; None where they drop rows with personal data.
    Its columns were cleaned when the dataset was built, the model's words were not."""
    from tidemill.data.privacy import redact, redact_row

    if privacy.pii == "keep":
        return record
    hashing = key if privacy.pii == "hash" else None
    row, in_row = redact_row(record.row, privacy.kinds, key=hashing)
    words = (record.output, record.answer.text, record.answer.label or "")
    cleaned = [redact(text, privacy.kinds, key=hashing) for text in words]
    if privacy.pii == "drop" and (in_row or any(counts for _, counts in cleaned)):
        return None
    (output, _), (text, _), (label, _) = cleaned
    answer = replace(record.answer, text=text, label=label or None)
    return replace(record, row=row, output=output, answer=answer)
