"""Trivial baselines: does a model beat answers that cost next to nothing, on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, isnan, nan
from typing import Any, Literal

from tidemill.catalog import METRICS
from tidemill.engine.check_names import TRIVIAL_BASELINES
from tidemill.engine.estimate import Clusters, estimate, gain
from tidemill.engine.gate import DASH, GateResult, number
from tidemill.engine.measurement import Measure, finite_record
from tidemill.engine.statistics import Interval
from tidemill.metrics import Scored

State = Literal["beats", "unclear", "loses", "unmeasured"]
_SPEED = ("quantile", "speed", "size")


@dataclass(frozen=True)
class BaselineScore:
    """One baseline on one metric, and how much better the model is on the same rows."""

    baseline: str
    """The name of its technique, such as `nearest-neighbour`, or `live`."""
    title: str
    note: str
    """What it was made with, such as the encoder."""
    measure: Measure
    gain: Measure
    """Model minus baseline, paired; more is better whatever the metric."""
    trivial: bool = True
    """False for a release."""

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> BaselineScore:
        """From `report.json`; raises KeyError where that is damaged."""
        return cls(
            raw["baseline"],
            raw["title"],
            raw["note"],
            _read_measure(raw["measure"]),
            _read_measure(raw["gain"]),
            bool(raw["trivial"]),
        )

    def to_dict(self) -> dict[str, object]:
        """The JSON form of `report.json`; numbers that are not finite are null."""
        own = {"baseline": self.baseline, "title": self.title, "note": self.note}
        measures = {
            "measure": finite_record(self.measure.to_dict()),
            "gain": finite_record(self.gain.to_dict()),
        }
        return {**own, **measures, "trivial": self.trivial}


@dataclass(frozen=True)
class BaselineTable:
    """Every baseline on every metric of quality, and which could not be made."""

    metric: str = ""
    """The first metric of quality: what the verdict is about; empty without one."""
    model: float = nan
    """The model's value of it."""
    scores: tuple[BaselineScore, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    """Title of a baseline → why it is not in the table."""

    @property
    def best(self) -> BaselineScore | None:
        """The trivial baseline with the best value of the metric; the first of equals."""
        rated = [
            score
            for score in self.scores
            if score.trivial and score.measure.metric == self.metric
            if not isnan(score.measure.value)
        ]
        if not rated:
            return None
        sign = 1 if METRICS.load(self.metric).BETTER == "higher" else -1
        return max(rated, key=lambda score: sign * score.measure.value)

    @property
    def state(self) -> State:
        """Whether the interval of the difference to the best lies above zero, or holds it with the
        model ahead (`unclear`)."""
        best = self.best
        if best is None or isnan(best.gain.value):
            return "unmeasured"
        if best.gain.low > 0:
            return "beats"
        return "unclear" if best.gain.value > 0 else "loses"

    @property
    def message(self) -> str:
        """`does not beat the nearest-neighbour baseline: accuracy 0.76 vs 0.92 (…)`."""
        best = self.best
        if best is None:
            return "no trivial baseline could be compared: there are no training rows for one"
        verb = {"beats": "beats", "unclear": "is not shown to beat"}.get(self.state)
        values = f"{number(self.model)} vs {number(best.measure.value)}"
        low, high = number(best.gain.low), number(best.gain.high)
        bounds = f"{low} to {high}" if best.gain.low < 0 else f"{low}{DASH}{high}"
        return (
            f"{verb or 'does not beat'} the {best.baseline} baseline: {self.metric} {values} "
            f"(difference {number(best.gain.value)}, {bounds})"
        )

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> BaselineTable:
        """From `report.json`; an empty one for a report of an earlier version."""
        model = raw.get("model")
        return cls(
            raw.get("metric") or "",
            nan if model is None else model,
            tuple(map(BaselineScore.from_dict, raw.get("scores") or ())),
            raw.get("absent") or {},
        )

    def to_dict(self) -> dict[str, object]:
        """The JSON form of `report.json`."""
        return {
            "metric": self.metric,
            "model": self.model if isfinite(self.model) else None,
            "state": self.state,
            "message": self.message,
            "scores": [score.to_dict() for score in self.scores],
            "absent": dict(self.absent),
        }

    def result(self, *, required: bool) -> GateResult:
        """As a gate: the paired difference to the best baseline has to lie above zero. Without a
        baseline there is no evidence, which only a required gate minds."""
        best = self.best
        if best is None:
            return GateResult(TRIVIAL_BASELINES, not required, self.message, self.metric)
        numbers = (best.gain.value, best.gain.low, 0.0, best.gain.low, best.gain.rows)
        passed = self.state == "beats"
        return GateResult(TRIVIAL_BASELINES, passed, self.message, self.metric, None, *numbers)


def quality_metrics(names: Sequence[str]) -> tuple[str, ...]:
    """The metrics that look at what was answered, not at how fast or how large."""
    return tuple(name for name in names if METRICS.load(name).KIND not in _SPEED)


def compare_answers(
    metric: str,
    model: Sequence[Scored],
    baseline: Sequence[Scored],
    *,
    confidence: float,
    seed: int,
    clusters: Clusters = None,
) -> tuple[Measure, Measure]:
    """The baseline's value, and how much better the model is; the same rows in the same order."""
    value = estimate(metric, baseline, confidence=confidence, seed=seed, clusters=clusters)
    better = gain(metric, model, baseline, confidence=confidence, seed=seed, clusters=clusters)
    return _measure(metric, value), _measure(metric, better)


def _read_measure(raw: Mapping[str, Any]) -> Measure:
    """A measure; numbers that were not finite are nan."""
    bounds = {name: nan for name in ("value", "low", "high") if raw.get(name) is None}
    return Measure.from_dict({**raw, **bounds})


def _measure(metric: str, interval: Interval) -> Measure:
    return Measure(metric, interval.value, interval.low, interval.high, interval.rows)
