"""What went wrong in an evaluation: the worst rows, and the groups they fall into."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tidemill.catalog import METRICS
from tidemill.metrics import measure
from tidemill.pipeline.answers import Answered

WORST = 100
SHOWN = 20
_CUT = 300
_HIDDEN = {"id", "subject", "group", "source", "weight", "time", "region"}
_SCORED = ("proportion", "rows")


def failures(answers: Sequence[Answered], metrics: Sequence[str]) -> list[dict[str, Any]]:
    """Rows that lost points, worst first, at most 100; ties by id, so that the order is stable."""
    judges = [name for name in metrics if METRICS.load(name).KIND in _SCORED] or ["exact_match"]
    points = {one.id: [measure(name, [one.scored]) for name in judges] for one in answers}
    wrong = [one for one in answers if points[one.id][0] < 1]
    wrong.sort(key=lambda one: (points[one.id], -_sureness(one), one.id))
    return [_shown(one) | dict(zip(judges, points[one.id], strict=True)) for one in wrong[:WORST]]


def clusters(answers: Sequence[Answered], failed: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Groups of failures, largest first: by (wanted, given) label, or by words without labels."""
    if not failed:
        return []
    if any(one.reference.label for one in answers):
        return _confusions(answers)
    return _by_words(failed)


def asked(one: Answered) -> str:
    """The row's input as people read it: its columns but the answer and the bookkeeping."""
    answer = {one.reference.text, one.reference.label}
    parts = {k: v for k, v in one.row.items() if k not in _HIDDEN and v and v not in answer}
    if len(parts) == 1:
        return _cut(str(next(iter(parts.values()))))
    return _cut("; ".join(f"{key}: {value}" for key, value in parts.items()))


def _shown(one: Answered) -> dict[str, Any]:
    labelled = one.reference.label is not None
    return {
        "id": one.id,
        "asked": asked(one),
        "wanted": _cut(_text(one.reference.label, one.reference.text)),
        "given": _cut(_text(one.answer.label, one.answer.text) if labelled else one.output),
        "valid": one.answer.valid,
        "cut_off": one.finish == "length",
    }


def _text(label: str | None, text: str) -> str:
    return text if label is None or label == text else f"{label} | {text}"


def _confusions(answers: Sequence[Answered]) -> list[dict[str, Any]]:
    pairs = Counter(
        (one.reference.label or "", one.answer.label or "(none)")
        for one in answers
        if one.reference.label != one.answer.label
    )
    whole = Counter(one.reference.label or "" for one in answers)
    return [
        {
            "wanted": wanted,
            "given": given,
            "rows": rows,
            "share_of_label": rows / whole[wanted],
            "examples": [
                asked(one)
                for one in answers
                if (one.reference.label, one.answer.label or "(none)") == (wanted, given)
            ][:3],
        }
        for (wanted, given), rows in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    ]


def _by_words(failed: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """k-means on TF-IDF of what was asked; a group is named by its strongest words."""
    texts = [row["asked"] for row in failed]
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
    found = KMeans(n_clusters=k, n_init=4, random_state=0).fit(matrix)
    groups = []
    for number, centre in enumerate(found.cluster_centers_):
        members = [row for row, label in zip(failed, found.labels_, strict=True) if label == number]
        top = [str(names[i]) for i in centre.argsort()[::-1][:4] if centre[i] > 0]
        examples = [row["asked"] for row in members[:3]]
        groups.append({"words": ", ".join(top), "rows": len(members), "examples": examples})
    return sorted(groups, key=lambda group: -group["rows"])


def _sureness(one: Answered) -> float:
    return max(one.scores.values(), default=0.0)


def _cut(text: str) -> str:
    return text if len(text) <= _CUT else f"{text[: _CUT - 1]}…"
