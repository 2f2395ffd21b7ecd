"""Failures of an evaluation: the worst rows, and groups of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from tidemill.catalog import METRICS
from tidemill.metrics import measure
from tidemill.pipeline.answers import EvaluatedRow

WORST = 100
SHOWN = 20
_CUT = 300
_HIDDEN = {"id", "subject", "group", "source", "weight", "time", "region"}
_SCORED = ("proportion", "rows")


@dataclass(frozen=True)
class FailedRow:
    """A test row whose answer lost points, as `failures.json` has it."""

    id: str
    asked: str
    wanted: str
    given: str
    valid: bool
    """False where the answer lacks the form that the prompt asks for."""
    cut_off: bool
    """True where the answer reached its largest number of tokens."""
    scores: Mapping[str, float]
    """The row's value of each metric that judges rows."""

    def to_dict(self) -> dict[str, object]:
        """The JSON form: the scores stand beside the other fields."""
        own = {key: value for key, value in vars(self).items() if key != "scores"}
        return own | dict(self.scores)


@dataclass(frozen=True)
class Confusion:
    """Failed rows that have one label and were given one other label."""

    wanted: str
    given: str
    rows: int
    share_of_label: float
    examples: list[str]


@dataclass(frozen=True)
class WordGroup:
    """Failed rows that ask in similar words."""

    words: str
    rows: int
    examples: list[str]


FailureGroup = Confusion | WordGroup


@dataclass(frozen=True)
class Failures:
    """The content of `failures.json`."""

    rows: Sequence[FailedRow]
    groups: Sequence[FailureGroup]

    def to_dict(self) -> dict[str, list[dict[str, object]]]:
        """The JSON form."""
        return {
            "failures": [row.to_dict() for row in self.rows],
            "clusters": [asdict(group) for group in self.groups],
        }


def find_failures(answers: Sequence[EvaluatedRow], metrics: Sequence[str]) -> Failures:
    """The worst rows of an evaluation, and groups of them."""
    failed = worst_rows(answers, metrics)
    return Failures(failed, failure_groups(answers, failed))


def worst_rows(answers: Sequence[EvaluatedRow], metrics: Sequence[str]) -> list[FailedRow]:
    """Rows that lost points, worst first, at most 100; ties by id, so that the order is stable."""
    judges = [name for name in metrics if METRICS.load(name).KIND in _SCORED] or ["exact_match"]
    points = {
        answer.id: [measure(name, [answer.metric_row]) for name in judges] for answer in answers
    }
    wrong = [answer for answer in answers if points[answer.id][0] < 1]
    wrong.sort(key=lambda one: (points[one.id], -_sureness(one), one.id))
    return [
        _failed_row(answer, dict(zip(judges, points[answer.id], strict=True)))
        for answer in wrong[:WORST]
    ]


def failure_groups(
    answers: Sequence[EvaluatedRow], failed: Sequence[FailedRow]
) -> Sequence[FailureGroup]:
    """Groups of failures, largest first: by (wanted, given) label, or by words without labels; of
    recommendations none, since one other item is as good a guess as the next."""
    if not failed or any(answer.answer.ranking for answer in answers):
        return []
    if any(answer.reference.label for answer in answers):
        return _confusions(answers)
    return _by_words(failed)


def row_question(record: EvaluatedRow) -> str:
    """The row's input as people read it: its columns but the answer and the bookkeeping."""
    answer = {record.reference.text, record.reference.label}
    parts = {
        name: ", ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in record.row.items()
        if name not in _HIDDEN and value and str(value) not in answer
    }
    if len(parts) == 1:
        return _truncate(str(next(iter(parts.values()))))
    return _truncate("; ".join(f"{key}: {value}" for key, value in parts.items()))


def reference_text(record: EvaluatedRow) -> str:
    """The right answer as people read it, with its label in front where there is one."""
    return _truncate(_text(record.reference.label, record.reference.text))


def answer_text(record: EvaluatedRow) -> str:
    """The model's answer as people read it; its output as it stands where rows have no label."""
    labelled = record.reference.label is not None
    text = _text(record.answer.label, record.answer.text) if labelled else record.output
    return _truncate(text)


def _failed_row(answer: EvaluatedRow, scores: Mapping[str, float]) -> FailedRow:
    return FailedRow(
        id=answer.id,
        asked=row_question(answer),
        wanted=reference_text(answer),
        given=answer_text(answer),
        valid=answer.answer.valid,
        cut_off=answer.finish == "length",
        scores=scores,
    )


def _text(label: str | None, text: str) -> str:
    return text if label is None or label == text else f"{label} | {text}"


def _confusions(answers: Sequence[EvaluatedRow]) -> list[Confusion]:
    pairs = Counter(
        (answer.reference.label or "", answer.answer.label or "(none)")
        for answer in answers
        if answer.reference.label != answer.answer.label
    )
    label_totals = Counter(answer.reference.label or "" for answer in answers)
    return [
        Confusion(
            wanted=reference,
            given=predicted,
            rows=rows,
            share_of_label=rows / label_totals[reference],
            examples=[
                row_question(answer)
                for answer in answers
                if (answer.reference.label, answer.answer.label or "(none)")
                == (reference, predicted)
            ][:3],
        )
        for (reference, predicted), rows in sorted(
            pairs.items(), key=lambda item: (-item[1], item[0])
        )
    ]


def _by_words(failed: Sequence[FailedRow]) -> list[WordGroup]:
    """k-means on TF-IDF of what was asked; a group is named by its strongest words."""
    texts = [row.asked for row in failed]
    if len(texts) < 6 or not any(re.search(r"\w\w", text) for text in texts):
        return []
    try:
        from sklearn.cluster import KMeans
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError:
        return []
    words = TfidfVectorizer(sublinear_tf=True, max_features=4096)
    matrix = words.fit_transform(texts)
    names = words.get_feature_names_out()
    k = min(8, max(2, len(texts) // 5))
    groups_fit = KMeans(n_clusters=k, n_init=4, random_state=0).fit(matrix)
    groups = []
    for number, centre in enumerate(groups_fit.cluster_centers_):
        members = [
            row for row, label in zip(failed, groups_fit.labels_, strict=True) if label == number
        ]
        top = [str(names[i]) for i in centre.argsort()[::-1][:4] if centre[i] > 0]
        examples = [row.asked for row in members[:3]]
        groups.append(WordGroup(", ".join(top), len(members), examples))
    return sorted(groups, key=lambda group: -group.rows)


def _sureness(answer: EvaluatedRow) -> float:
    return max(answer.scores.values(), default=0.0)


def _truncate(text: str) -> str:
    return text if len(text) <= _CUT else f"{text[: _CUT - 1]}…"
