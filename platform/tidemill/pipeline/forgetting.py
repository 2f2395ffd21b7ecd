"""Groups the test rows of an evaluation by label, by slice and by the former test set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from tidemill.catalog import METRICS
from tidemill.engine.estimate import subjects
from tidemill.engine.forgetting import (
    ForgettingVerdict,
    GroupKind,
    PairedRow,
    RowGroup,
    judge_forgetting,
)
from tidemill.metrics import Scored
from tidemill.pipeline import answers as answering
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.baseline import Baseline
from tidemill.pipeline.slice_members import SliceMembers
from tidemill.spec.evaluation import Evaluation

FORMER, KNOWN = "the former test set", "the rows with known labels"
_LABELS = "accuracy"


def compare_groups(
    spec: Evaluation,
    answers: Sequence[EvaluatedRow],
    other: Baseline,
    slices: Sequence[SliceMembers],
) -> ForgettingVerdict:
    """Each group of the rows that both releases answered.

    A label is known where the baseline was tested on it; an item of a catalogue is none.
    Rows are scored by the first metric that judges rows, those of a label by whether it is right.
    """
    paired = [answer for answer in answers if answer.id in other.answers]
    theirs = answering.align_baseline(paired, other.answers)
    metric = next((name for name in spec.metrics if _judges_rows(name)), _LABELS)
    general = _compare_rows(metric, paired, theirs)
    labelled = general if metric == _LABELS else _compare_rows(_LABELS, paired, theirs)
    groups = _groups(slices, paired, other)
    judged = [
        RowGroup(kind, name, used, tuple(scores[index] for index in places))
        for kind, name, places in groups
        for used, scores in [(_LABELS, labelled) if kind == "label" else (metric, general)]
    ]
    margin, confidence = spec.forgetting.margin, spec.confidence
    return judge_forgetting(judged, margin=margin, confidence=confidence)


def _groups(
    slices: Sequence[SliceMembers], paired: Sequence[EvaluatedRow], other: Baseline
) -> Iterator[tuple[GroupKind, str, list[int]]]:
    """Kind, name and row numbers of each group; the same rows are not judged twice as a whole."""
    former = [index for index, row in enumerate(paired) if row.id in other.recorded]
    yield "all", FORMER, former
    known_labels = {
        answer.reference.label for answer in other.recorded.values() if not answer.answer.ranking
    } - {None}
    by_label: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(paired):
        if row.reference.label in known_labels:
            by_label[str(row.reference.label)].append(index)
    labelled = sorted(index for places in by_label.values() for index in places)
    if labelled and labelled != former:
        yield "all", KNOWN, labelled
    for label, places in sorted(by_label.items()):
        yield "label", label, places
    for part in slices:
        yield "slice", part.name, [i for i, row in enumerate(paired) if row.id in part.ids]


def _judges_rows(metric: str) -> bool:
    return METRICS.load(metric).KIND in ("proportion", "rows")


def _compare_rows(
    metric: str, paired: Sequence[EvaluatedRow], theirs: Sequence[EvaluatedRow]
) -> list[PairedRow]:
    module = METRICS.load(metric)
    sign = 1 if module.BETTER == "higher" else -1
    before, after = (_scores(module.score, rows, sign) for rows in (theirs, paired))
    clusters = subjects([row.row for row in paired]) or [None] * len(paired)
    return [
        PairedRow(row.id, old, new, subject)
        for row, old, new, subject in zip(paired, before, after, clusters, strict=True)
    ]


def _scores(
    score: Callable[[Sequence[Scored]], list[float]], rows: Sequence[EvaluatedRow], sign: int
) -> list[float]:
    return [sign * value for value in score([row.metric_row for row in rows])]
