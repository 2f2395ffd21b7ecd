"""What the platform said of each candidate, against the truth on the held-out questions.

A printed interval speaks of questions like its test rows, so its truth is the candidate's accuracy
on held-out questions, weighted to the labels of those rows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.proofs.outcome.project import SERVICE, Desk
from tests.proofs.outcome.questions import Questions
from tidemill.catalog import METRICS
from tidemill.data import read_split
from tidemill.home import Home
from tidemill.pipeline.answers import answer_rows
from tidemill.ports import Materialisation

EVALUATION, SERVED, ROWS = "quality", "small", "rows"
TOLERATED = 0.01
"""A candidate that loses less than this on all held-out questions is a good one."""


@dataclass(frozen=True)
class Printed:
    """One interval that people read, and what it should cover."""

    what: str
    value: float
    low: float
    high: float
    truth: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        covers = self.low - 1e-9 <= self.truth <= self.high + 1e-9
        return {**vars(self), "truth": round(self.truth, 4), "covers": covers}


@dataclass
class Truth:
    """The held-out questions, and how each artefact answers them."""

    desk: Desk
    questions: Questions
    scores: dict[str, list[float]] = field(default_factory=dict)
    """Artefact to one score a question, 1 where the answer is right."""

    @cached_property
    def inside(self) -> list[tuple[str, str]]:
        """Text and label of every held-out question that has a label."""
        return [(one.text, one.label) for one in self.questions.held_out if one.label is not None]

    def candidates(self, since: int) -> tuple[list[dict[str, Any]], int]:
        """Every candidate that was evaluated after the materialisation `since`, oldest first, and
        the newest materialisation."""
        home = self.desk.home()
        history = list(home.ledger.materialisations.history(SERVICE))
        new = [m for m in reversed(history) if m.id > since and m.name == EVALUATION]
        return [self._candidate(home, one) for one in new], max(m.id for m in history)

    def _candidate(self, home: Home, evaluated: Materialisation) -> dict[str, Any]:
        report = json.loads((home.store.get(evaluated.artefact).path / "report.json").read_text())
        live = report["inputs"].get(f"live:{SERVICE}")
        accuracy = self._accuracy(home, evaluated.inputs[SERVED], None)
        gain = accuracy - self._accuracy(home, live, None) if live else None
        fate, reason = self._fate(home, evaluated)
        good = gain is None or gain >= -TOLERATED
        return {
            "accuracy": round(accuracy, 4),
            "gain": None if gain is None else round(gain, 4),
            "fate": fate,
            "reason": reason,
            "judged_right": None if fate == "under way" else good == (fate == "went live"),
            "printed": [one.to_dict() for one in self._printed(home, evaluated, report)],
            **self._labels_used(home, evaluated.inputs[ROWS]),
        }

    def _printed(
        self, home: Home, evaluated: Materialisation, report: Mapping[str, Any]
    ) -> list[Printed]:
        tested = read_split(home.store.get(evaluated.inputs[ROWS]).path, "test")
        labels = Counter(str(row["label"]) for row in tested)
        truth = self._accuracy(home, evaluated.inputs[SERVED], labels)
        live = report["inputs"].get(f"live:{SERVICE}")
        truths = {"measures": ("accuracy", truth)}
        if live:
            truths["gains"] = ("gain", truth - self._accuracy(home, live, labels))
        return [
            Printed(what, one["value"], one["low"], one["high"], right)
            for kind, (what, right) in truths.items()
            for one in report[kind] or []
            if one["metric"] == "accuracy" and not one["slice"]
        ]

    def _fate(self, home: Home, evaluated: Materialisation) -> tuple[str, str]:
        """What became of a candidate, and why."""
        failed = [
            check.message for check in evaluated.checks if check.blocking and not check.passed
        ]
        if failed:
            return "stopped before the canary", "; ".join(failed)
        for rollout in home.ledger.rollouts.newest(SERVICE, limit=100):
            release = home.ledger.materialisations.release(rollout.release)
            if release is None or release.evaluation.digest != evaluated.artefact:
                continue
            if rollout.state in ("live", "retired", "watched"):
                return "went live", rollout.reason
            return ("rolled back" if rollout.finished_at else "under way"), rollout.reason
        return "under way", "no rollout yet"

    def _accuracy(self, home: Home, artefact: str, labels: Mapping[str, int] | None) -> float:
        """Share of right answers; with `labels`, as if they came as often as that."""
        scores = self._scores(home, artefact)
        held = Counter(label for _, label in self.inside)
        weights = [
            1.0 if labels is None else labels.get(label, 0) / held[label]
            for _, label in self.inside
        ]
        total = sum(weights)
        return sum(w * s for w, s in zip(weights, scores, strict=True)) / total if total else 0.0

    def _scores(self, home: Home, artefact: str) -> list[float]:
        if artefact not in self.scores:
            rows = [
                {"id": str(place), "text": text, "label": label}
                for place, (text, label) in enumerate(self.inside)
            ]
            answers = answer_rows(
                home.store.get(artefact).path,
                rows,
                None,
                resolve=lambda digest: home.store.get(digest).path,
            )
            accuracy = METRICS.load("accuracy")
            self.scores[artefact] = accuracy.score([one.metric_row for one in answers])
        return self.scores[artefact]

    def _labels_used(self, home: Home, dataset: str) -> dict[str, int]:
        """Rows from people in what it was trained on, and how many have the right label."""
        path = home.store.get(dataset).path
        truth = {one.text.strip().lower(): one.label for one in self.questions.pool}
        rows = [
            row
            for split in ("train", "validation")
            for row in read_split(path, split)
            if str(row.get("source", "")).startswith("feedback")
        ]
        right = sum(truth.get(str(row["text"]).strip().lower()) == row["label"] for row in rows)
        return {"labels_from_people": len(rows), "of_them_right": right}
