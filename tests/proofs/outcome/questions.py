"""Which rows the project starts with, what users ask, and what is held back to judge."""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LABELS, KNOWN, PER_LABEL, HELD_OUT, OUT_OF_SCOPE = 20, 12, 15, 800, 0.1


@dataclass(frozen=True)
class Question:
    """A text, and the label that is right for it; None where no label of the project is."""

    text: str
    label: str | None


@dataclass(frozen=True)
class Questions:
    """One seed's share of a data set."""

    first: Sequence[Question]
    """What the project's file holds."""
    pool: Sequence[Question]
    """What users ask, over all turns, in this order."""
    held_out: Sequence[Question]
    known: frozenset[str]
    """Labels of the first rows."""

    def group(self, question: Question) -> str:
        """`known`, `new` or `out of scope`."""
        if question.label is None:
            return "out of scope"
        return "known" if question.label in self.known else "new"


def read(path: Path) -> list[Question]:
    """The rows of a CSV file; the label is its last column, the text its first."""
    with path.open(newline="", encoding="utf-8") as stream:
        return [Question(row[0], row[-1]) for row in list(csv.reader(stream))[1:] if row]


def deal(folder: Path, seed: int) -> Questions:
    """A seed's questions; nothing of `test.csv` is ever asked by a user or trained on."""
    dice = random.Random(seed)
    train, test = by_label(read(folder / "train.csv")), by_label(read(folder / "test.csv"))
    labels = dice.sample(sorted(train), min(LABELS, len(train)))
    known = labels[: max(2, len(labels) * KNOWN // LABELS)]
    strangers = [label for label in sorted(train) if label not in labels]
    first: list[Question] = []
    pool: list[Question] = []
    for label in labels:
        rows = dice.sample(train[label], len(train[label]))
        start = PER_LABEL if label in known else 0
        first += rows[:start]
        pool += rows[start:]
    outside = [Question(row.text, None) for label in strangers for row in train[label]]
    pool += dice.sample(outside, min(len(outside), int(len(pool) * OUT_OF_SCOPE)))
    dice.shuffle(pool)
    judged = [row for label in labels for row in test.get(label, [])]
    judged = dice.sample(judged, min(len(judged), int(HELD_OUT * (1 - OUT_OF_SCOPE))))
    outside = [Question(row.text, None) for label in strangers for row in test.get(label, [])]
    judged += dice.sample(outside, min(len(outside), int(HELD_OUT * OUT_OF_SCOPE)))
    return Questions(first, pool, judged, frozenset(known))


def by_label(rows: Sequence[Question]) -> dict[str, list[Question]]:
    """The rows of each label, each text once."""
    found: dict[str, dict[str, Question]] = defaultdict(dict)
    for row in rows:
        found[str(row.label)].setdefault(row.text.strip().lower(), row)
    return {label: list(texts.values()) for label, texts in found.items()}


def write(path: Path, rows: Sequence[Question]) -> None:
    """A CSV file as a new user has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        writer.writerows([row.text, row.label] for row in rows)
