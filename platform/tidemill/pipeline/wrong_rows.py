"""The test rows that a release got wrong."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.catalog import METRICS
from tidemill.metrics import measure
from tidemill.pipeline.answers import EvaluatedRow

_DEFAULT = "exact_match"


def wrong_rows(answers: Sequence[EvaluatedRow], metrics: Sequence[str]) -> list[EvaluatedRow]:
    """Answers with another label than their reference; of free texts those that the first metric
    which judges rows puts below the middle of its range."""
    if any(answer.reference.label for answer in answers):
        return [a for a in answers if a.answer.label != a.reference.label]
    metric = next((name for name in metrics if _judges_texts(name)), _DEFAULT)
    middle = sum(METRICS.load(metric).RANGE) / 2
    return [answer for answer in answers if measure(metric, [answer.metric_row]) < middle]


def _judges_texts(name: str) -> bool:
    if name not in METRICS.names():
        return False  # a metric of an older version
    metric = METRICS.load(name)
    judges = metric.KIND in ("rows", "proportion") and metric.BETTER == "higher"
    return judges and metric.NEEDS_REFERENCE and metric.RANGE[1] is not None
