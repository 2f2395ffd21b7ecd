"""What a change does to an evaluation: its metrics, its gates, and the rows that flipped."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from tidemill.engine.measurement import Measure, finite_record

DONE, WORSE, ERROR = 0, 2, 1
"""Exit codes: nothing is shown to be worse; a gate fails or a metric fell; an error."""
GateState = Literal["passed", "failed", "open"]
"""`open`: it fails on a sample, and chance explains that: more rows would tell."""


@dataclass(frozen=True)
class MetricChange:
    """A metric before and after a change on the same rows, over all of them or one slice."""

    after: Measure
    before: Measure | None
    gain: Measure | None
    """How much better it is after, paired by row; more is better whatever the metric."""
    is_quality: bool
    """False for speed and size: they say nothing about what was answered."""

    @property
    def is_worse(self) -> bool:
        """True where the whole interval of the gain lies below zero, over all rows."""
        if self.gain is None or not self.is_quality or self.after.slice is not None:
            return False
        return self.gain.high < 0


@dataclass(frozen=True)
class GateChange:
    """A gate before and after a change; None on the side that does not have it."""

    name: str
    before: GateState | None
    after: GateState | None
    message: str
    """What was compared, after the change where the gate is still there."""


@dataclass(frozen=True)
class AnswerFlip:
    """A row that one of the two versions answers better; texts are cut and freed of what the
    dataset's privacy rules redact."""

    row: str
    """The row's id."""
    question: str
    reference: str
    before: str
    after: str


@dataclass(frozen=True)
class Flips:
    """The rows that changed sides, by one metric."""

    metric: str
    worse: tuple[AnswerFlip, ...] = ()
    better: tuple[AnswerFlip, ...] = ()
    worse_count: int = 0
    """All of them; `worse` has the first."""
    better_count: int = 0


@dataclass(frozen=True)
class VersionComparison:
    """Two versions of an evaluation, by their answers to the same rows."""

    rows: int
    """Rows that were answered."""
    total_rows: int
    """Rows that a run would ask."""
    metrics: tuple[MetricChange, ...]
    gates: tuple[GateChange, ...]
    flips: Flips | None
    """None where there is no former version to compare with."""
    confidence: float = 0.95
    notes: tuple[str, ...] = ()

    @property
    def is_sample(self) -> bool:
        """True where not all rows were answered."""
        return self.rows < self.total_rows

    @property
    def is_worse(self) -> bool:
        """True where a gate of the new version fails, or a metric of quality surely fell."""
        fails = any(gate.after == "failed" for gate in self.gates)
        return fails or any(metric.is_worse for metric in self.metrics)


@dataclass(frozen=True)
class EvaluationChange:
    """An evaluation that differs and was run on both versions."""

    project: str
    name: str
    causes: tuple[str, ...]
    """The specs that differ."""
    comparison: VersionComparison
    new_answers: int
    """Answers that a model gave now; the others were given before."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SkippedEvaluation:
    """An evaluation that differs and was not run."""

    project: str
    name: str
    causes: tuple[str, ...]
    reason: str
    build_seconds: float | None = None
    """Seconds that building what it lacks will probably take; None where that is not known."""
    command: str = ""
    """The command that builds it."""
    is_error: bool = False


@dataclass(frozen=True)
class EvaluationReport:
    """Every evaluation that a change touches."""

    base_ref: str
    base_commit: str
    compared: tuple[EvaluationChange, ...] = ()
    skipped: tuple[SkippedEvaluation, ...] = ()
    seconds: float = 0.0
    budget: float = 0.0
    """Seconds that the answers could take."""

    @property
    def exit_code(self) -> int:
        """An error comes first, then a change for the worse."""
        if any(item.is_error for item in self.skipped):
            return ERROR
        return WORSE if any(item.comparison.is_worse for item in self.compared) else DONE

    def to_dict(self) -> dict[str, object]:
        """The JSON form; numbers that are not finite are null."""
        values = {**asdict(self), "compared": [_comparison(item) for item in self.compared]}
        return finite_record(values)


def _comparison(change: EvaluationChange) -> dict[str, object]:
    comparison = change.comparison
    verdict = {"is_sample": comparison.is_sample, "is_worse": comparison.is_worse}
    return {**asdict(change), "comparison": {**asdict(comparison), **verdict}}
