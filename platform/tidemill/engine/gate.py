"""Gates: a model is released only when confidence bounds, not point estimates, say so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import isfinite, isnan

from tidemill.engine.check_names import gate_names
from tidemill.engine.measurement import Measure
from tidemill.engine.paired_proportions import half_width_alike, smallest_margin
from tidemill.spec.evaluation import AtLeast, AtMost, Gate, NoWorseThanBaseline

DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class GateResult:
    """The result of one gate, with the numbers that it compared."""

    name: str
    """Unique within an evaluation; see `tidemill.engine.check_names`."""
    passed: bool
    message: str
    metric: str
    slice: str | None = None
    value: float | None = None
    """The point estimate (for a baseline gate: the gain against the baseline)."""
    bound: float | None = None
    """The confidence bound that was compared."""
    limit: float | None = None
    """The limit that the bound was compared with."""
    margin: float | None = None
    """How far the bound lies on the good side of the limit; negative where the gate failed."""
    rows: int = 0

    def to_dict(self) -> dict[str, object]:
        """The JSON form of `report.json` and of checks: `by` is the margin."""
        values = asdict(self)
        return {**values, "by": values.pop("margin")}


@dataclass(frozen=True)
class GateVerdict:
    """The results of all gates of an evaluation."""

    outcomes: tuple[GateResult, ...] = ()

    @property
    def has_passed(self) -> bool:
        """True where every gate passed (or there is none)."""
        return all(outcome.passed for outcome in self.outcomes)

    @property
    def failures(self) -> tuple[GateResult, ...]:
        """The gates that failed."""
        return tuple(outcome for outcome in self.outcomes if not outcome.passed)

    @property
    def message(self) -> str:
        """One line per failed gate, or that all passed."""
        if self.failures:
            return "\n".join(outcome.message for outcome in self.failures)
        count = len(self.outcomes)
        passed = "its gate passed" if count == 1 else f"all {count} gates passed"
        return passed if count else "there are no gates"


def judge(
    measures: Iterable[Measure],
    gains: Iterable[Measure] | None,
    gates: Iterable[Gate],
    *,
    units: Mapping[str, str] | None = None,
) -> GateVerdict:
    """Compare the bound of each gate with its limit.

    `gains` are paired differences against the baseline on the same rows, turned so that more is
    better whatever the metric; None where there is no baseline yet, and the gates against it pass.
    `units` of metrics (`s`, `bytes`) are used in messages. A gate without rows fails: there is no
    evidence for the model.
    """
    by_slice = {(measure.metric, measure.slice): measure for measure in measures}
    gains_by_slice = (
        None if gains is None else {(measure.metric, measure.slice): measure for measure in gains}
    )
    wording = _Wording(units or {})
    all_gates = tuple(gates)
    return GateVerdict(
        tuple(
            _judge_gate(name, gate, by_slice, gains_by_slice, wording)
            for name, gate in zip(gate_names(all_gates), all_gates, strict=True)
        )
    )


_Table = Mapping[tuple[str, str | None], Measure]


@dataclass(frozen=True)
class _Wording:
    units: Mapping[str, str]

    def number(self, metric: str, value: float, digits: int = 2) -> str:
        return number(value, self.units.get(metric, ""), digits)

    def format_measure(self, measure: Measure, digits: int) -> str:
        suffix = f" on slice '{measure.slice}'" if measure.slice else ""
        value = self.number(measure.metric, measure.value, digits)
        if measure.low == measure.high:
            return f"{measure.metric} {value}{suffix}"
        low, high = (
            self.number(measure.metric, bound, digits) for bound in (measure.low, measure.high)
        )
        return f"{measure.metric} {value} ({low}{DASH}{high}){suffix}"


def number(value: float, unit: str = "", digits: int = 2) -> str:
    """A value for people: bytes as MB, large numbers without decimals."""
    if not isfinite(value):
        return "unknown" if isnan(value) else "unbounded"
    if unit == "bytes":
        return f"{value / 1e6:.{max(1, digits - 1)}f} MB"
    if unit == "s":
        return f"{value:.{digits + 1}f} s"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}f}"
    return f"{text} {unit}" if unit else text


def _judge_gate(
    name: str, gate: Gate, measures: _Table, gains: _Table | None, wording: _Wording
) -> GateResult:
    if isinstance(gate, NoWorseThanBaseline):
        return _against_baseline(name, gate, gains, wording)
    measure = measures.get((gate.metric, gate.slice))
    if measure is None or isnan(measure.value):
        return _not_measured(name, gate, "there is no test row for it")
    bound, side = (measure.low, "lower") if isinstance(gate, AtLeast) else (measure.high, "upper")
    margin = bound - gate.value if isinstance(gate, AtLeast) else gate.value - bound
    return _outcome(name, gate, measure, (bound, gate.value, margin), side, wording)


def _against_baseline(
    name: str, gate: NoWorseThanBaseline, gains: _Table | None, wording: _Wording
) -> GateResult:
    if gains is None:
        message = f"{gate.metric}: skipped: first release, no baseline"
        return GateResult(name, True, message, gate.metric, gate.slice)
    gain = gains.get((gate.metric, gate.slice))
    if gain is None or isnan(gain.value):
        return _not_measured(name, gate, "the baseline answered none of these rows")
    margin = gain.low + gate.margin
    digits = _digits(gain.low, -gate.margin)
    value, low = (wording.number(gate.metric, v, digits) for v in (gain.value, gain.low))
    suffix = f" on slice '{gate.slice}'" if gate.slice else ""
    limit = wording.number(gate.metric, -gate.margin if gate.margin else 0.0, digits)
    verb = "does not lie below" if margin >= 0 else f"is {_gap(margin, gate.metric, wording)} below"
    message = (
        f"{gate.metric} gain of {value} on the baseline{suffix} "
        f"({gain.rows} rows answered by both): the lower bound {low} {verb} {limit}"
    )
    passed = margin >= 0
    if not passed and not wording.units.get(gate.metric) and gain.value + gate.margin >= 0:
        passed, hint = _too_few(gain, gate.margin)
        message += hint
    numbers = (gain.value, gain.low, -gate.margin, margin, gain.rows)
    return GateResult(name, passed, message, gate.metric, gate.slice, *numbers)


def _too_few(gain: Measure, margin: float) -> tuple[bool, str]:
    """Whether the gate passes, and a hint, where the rows show no loss beyond the margin but cannot
    exclude one. A margin that not even the same model could keep judges by the gain itself."""
    unreachable = half_width_alike(gain.rows) > margin
    least = smallest_margin(gain.rows)
    if least <= margin:
        return False, ""
    hint = (
        f"; {gain.rows} rows cannot tell so small a loss from chance: give it more test rows, or a "
        f"margin of at least {least:.2f}"
    )
    if unreachable and gain.value >= 0:
        return True, f"{hint}; it passes, because no loss is seen"
    return False, hint


def _not_measured(name: str, gate: Gate, reason: str) -> GateResult:
    suffix = f" on slice '{gate.slice}'" if gate.slice else ""
    message = f"{gate.metric}{suffix} was not measured: {reason}"
    return GateResult(name, False, message, gate.metric, gate.slice)


def _outcome(
    name: str,
    gate: AtLeast | AtMost,
    measure: Measure,
    compared: tuple[float, float, float],
    side: str,
    wording: _Wording,
) -> GateResult:
    bound, limit, margin = compared
    digits = _digits(bound, limit)
    bound_text = wording.number(gate.metric, bound, digits)
    limit_text = wording.number(gate.metric, limit, digits)
    wrong = "below" if isinstance(gate, AtLeast) else "above"
    right = "reaches" if isinstance(gate, AtLeast) else "does not exceed"
    verb = right if margin >= 0 else f"is {_gap(margin, gate.metric, wording)} {wrong}"
    subject = "it" if measure.low == measure.high else f"the {side} bound {bound_text}"
    message = f"{wording.format_measure(measure, digits)}: {subject} {verb} {limit_text}"
    numbers = (measure.value, bound, limit, margin, measure.rows)
    return GateResult(name, margin >= 0, message, gate.metric, gate.slice, *numbers)


def _gap(margin: float, metric: str, wording: _Wording) -> str:
    return wording.number(metric, -margin, _digits(margin, 0.0))


def _digits(a: float, b: float) -> int:
    """Decimals from which two different numbers look different, 2 to 6."""
    return next((d for d in range(2, 6) if round(a, d) != round(b, d)), 6 if a != b else 2)
