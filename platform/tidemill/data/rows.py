"""Rows in preparation: a dict of columns, with our own under `__` names."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidemill.rows import DatasetRow, MutableRow

PREFIX = "__"
Dropped = list[tuple[MutableRow, str]]

SPLIT, ORIGIN, SOURCE = "__split", "__origin", "__source"
"""Columns of ours: the split its source fixes, `file:line`, the source's name."""

FEEDBACK, CONSENT, QUESTION = "__feedback", "__consent", "__question"
"""More of ours: whether it is feedback, whether its user agreed, what it asks (normalised)."""

EVENT, PLACE, ANSWER = "__event", "__place", "__answer"
"""Of a row that was feedback: the event's id, its topic/partition/offset, and its answer."""

VOTE, UNVERIFIED = "__vote", "__unverified"
"""Of a feedback row: whether it is a `label`, a thumb `up` or `down`, or a `review`; and True where
nobody but one person vouches for its label."""

VOUCHED, VOUCHED_AT = "__vouched", "__vouched_at"
"""Of a row whose label people verified: by a `review` or by `consensus`, and when that was said."""

VERDICT, REVIEWER = "__verdict", "__reviewer"
"""Of a row that is a review: `answer`, `reject` or `reopen`, and who decided."""

METADATA_COLUMNS = ("id", "subject", "group", "region", "time", "source", "weight", "consent")
"""Columns about a row rather than of it."""

OUTPUTS = ("label", "completion", "chosen", "rejected")
"""Columns that by their name are answers, not questions."""


@dataclass
class Quarantine:
    """Rows that were left out, each with its reason."""

    rows: Dropped = field(default_factory=list)

    def add(self, dropped: Iterable[tuple[MutableRow, str]]) -> None:
        """Add rows."""
        self.rows.extend(dropped)

    def counts(self) -> dict[str, int]:
        """Rows of each kind of reason (the text before the first colon), most first."""
        totals: dict[str, int] = {}
        for _, reason in self.rows:
            kind = reason.split(":")[0]
            totals[kind] = totals.get(kind, 0) + 1
        return dict(sorted(totals.items(), key=lambda item: (-item[1], item[0])))


def is_review(row: DatasetRow) -> bool:
    """True for the verdict of a reviewer: it judges rows and is not one of them."""
    return row.get(VOTE) == "review"


def columns_of(row: DatasetRow) -> MutableRow:
    """A row without our own columns."""
    return {name: value for name, value in row.items() if not name.startswith(PREFIX)}


def content_of(row: DatasetRow) -> str:
    """A row's own columns as one canonical string."""
    content = {
        k: v for k, v in row.items() if not k.startswith(PREFIX) and k not in ("id", "weight")
    }
    return json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)


def assign_ids(rows: Sequence[MutableRow]) -> None:
    """`id`: 16 hex digits of the content; repeated content gets a different one each."""
    counts: dict[str, int] = {}
    for row in rows:
        text = content_of(row)
        count = counts[text] = counts.get(text, 0) + 1
        marked = text if count == 1 else f"{text}#{count}"
        row["id"] = hashlib.sha256(marked.encode()).hexdigest()[:16]


def hash_fraction(*parts: str) -> float:
    """A number in [0, 1) that only depends on the parts."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


_SPACES = re.compile(r"\s+")


def normalise_text(text: str) -> str:
    """Text without differences of case, width, and white space."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip().casefold()


def mark_questions(rows: Iterable[MutableRow], columns: Sequence[str] = ()) -> None:
    """Write down what each row asks: the named columns, or what looks like the question."""
    for row in rows:
        row.pop(QUESTION, None)
        texts = [_text(row.get(name)) for name in columns]
        row[QUESTION] = normalise_text("\n".join(texts)) if columns else question_of(row)


def question_of(row: DatasetRow, key: str | None = None) -> str:
    """The question of a row, normalised: rows with the same question belong to the same split."""
    if key is None and QUESTION in row:
        return str(row[QUESTION])
    name = key or next((name for name in ("text", "prompt") if name in row), None)
    if name:
        return normalise_text(_text(row.get(name)))
    if isinstance(row.get("messages"), (list, tuple)):
        turns = [m for m in row["messages"] if isinstance(m, Mapping)]
        return normalise_text("\n".join(_text(m.get("content")) for m in turns if _asks(m)))
    return normalise_text(
        "\n".join(_text(value) for name, value in sorted(row.items()) if _input(name))
    )


def _asks(message: Mapping[str, object]) -> bool:
    return message.get("role") != "assistant"


def _input(name: str) -> bool:
    return not name.startswith(PREFIX) and name not in METADATA_COLUMNS and name not in OUTPUTS


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
