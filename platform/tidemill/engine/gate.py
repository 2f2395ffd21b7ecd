"""Gates: a model is released only when confidence bounds, not point estimates, say so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite, isnan

from tidemill.engine.check_names import gate_names
from tidemill.engine.measurement import Measure
from tidemill.spec.evaluation import AtLeast, AtMost, Gate, NoWorseThanBaseline

DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Outcome:
    """What one gate said, and the numbers it said it on."""

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
    """What it was compared with."""
    by: float | None = None
    """How far the bound lies on the good side of the limit; negative where the gate failed."""
    rows: int = 0


@dataclass(frozen=True)
class Verdict:
    """All gates of an evaluation."""

    outcomes: tuple[Outcome, ...] = ()

    @property
    def passed(self) -> bool:
        """True where every gate passed (or there is none)."""
        return all(outcome.passed for outcome in self.outcomes)

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The gates that said no."""
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
) -> Verdict:
    """Compare each gate's bound with its limit.

    `gains` are paired differences against the baseline on the same rows, turned so that more is
    better whatever the metric; None says that there is no baseline yet, and the gates against it
    pass. `units` of metrics (`s`, `bytes`) are used in messages. A gate on rows that do not exist
    fails: nothing speaks for the model there.
    """
    here = {(one.metric, one.slice): one for one in measures}
    against = None if gains is None else {(one.metric, one.slice): one for one in gains}
    wording = _Wording(units or {})
    every = tuple(gates)
    return Verdict(
        tuple(
            _one(name, gate, here, against, wording)
            for name, gate in zip(gate_names(every), every, strict=True)
        )
    )


_Table = Mapping[tuple[str, str | None], Measure]


@dataclass(frozen=True)
class _Wording:
    units: Mapping[str, str]

    def number(self, metric: str, value: float, digits: int = 2) -> str:
        return number(value, self.units.get(metric, ""), digits)

    def measured(self, one: Measure, digits: int) -> str:
        where = f" on slice '{one.slice}'" if one.slice else ""
        value = self.number(one.metric, one.value, digits)
        if one.low == one.high:
            return f"{one.metric} {value}{where}"
        low, high = (self.number(one.metric, bound, digits) for bound in (one.low, one.high))
        return f"{one.metric} {value} ({low}{DASH}{high}){where}"


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


def _one(name: str, gate: Gate, here: _Table, gains: _Table | None, wording: _Wording) -> Outcome:
    if isinstance(gate, NoWorseThanBaseline):
        return _against_baseline(name, gate, gains, wording)
    one = here.get((gate.metric, gate.slice))
    if one is None or isnan(one.value):
        return _nothing(name, gate, "no test row is there to measure it on")
    bound, side = (one.low, "lower") if isinstance(gate, AtLeast) else (one.high, "upper")
    by = bound - gate.value if isinstance(gate, AtLeast) else gate.value - bound
    return _outcome(name, gate, one, (bound, gate.value, by), side, wording)


def _against_baseline(
    name: str, gate: NoWorseThanBaseline, gains: _Table | None, wording: _Wording
) -> Outcome:
    if gains is None:
        message = f"{gate.metric}: nothing is live yet, so there is no baseline to be worse than"
        return Outcome(name, True, message, gate.metric, gate.slice)
    one = gains.get((gate.metric, gate.slice))
    if one is None or isnan(one.value):
        return _nothing(name, gate, "the baseline answered none of these rows")
    by = one.low + gate.margin
    digits = _digits(one.low, -gate.margin)
    value, low = (wording.number(gate.metric, v, digits) for v in (one.value, one.low))
    where = f" on slice '{gate.slice}'" if gate.slice else ""
    limit = wording.number(gate.metric, -gate.margin if gate.margin else 0.0, digits)
    verb = "does not lie below" if by >= 0 else f"is {_gap(by, gate.metric, wording)} below"
    message = (
        f"{gate.metric} gain of {value} on the baseline{where} ({one.rows} rows answered by both): "
        f"the lower bound {low} {verb} {limit}"
    )
    numbers = (one.value, one.low, -gate.margin, by, one.rows)
    return Outcome(name, by >= 0, message, gate.metric, gate.slice, *numbers)


def _nothing(name: str, gate: Gate, why: str) -> Outcome:
    where = f" on slice '{gate.slice}'" if gate.slice else ""
    message = f"{gate.metric}{where} cannot be judged: {why}"
    return Outcome(name, False, message, gate.metric, gate.slice)


def _outcome(
    name: str,
    gate: AtLeast | AtMost,
    one: Measure,
    compared: tuple[float, float, float],
    side: str,
    wording: _Wording,
) -> Outcome:
    bound, limit, by = compared
    digits = _digits(bound, limit)
    edge = wording.number(gate.metric, bound, digits)
    wanted = wording.number(gate.metric, limit, digits)
    wrong = "below" if isinstance(gate, AtLeast) else "above"
    right = "reaches" if isinstance(gate, AtLeast) else "does not exceed"
    verb = right if by >= 0 else f"is {_gap(by, gate.metric, wording)} {wrong}"
    subject = "it" if one.low == one.high else f"the {side} bound {edge}"
    message = f"{wording.measured(one, digits)}: {subject} {verb} {wanted}"
    numbers = (one.value, bound, limit, by, one.rows)
    return Outcome(name, by >= 0, message, gate.metric, gate.slice, *numbers)


def _gap(by: float, metric: str, wording: _Wording) -> str:
    return wording.number(metric, -by, _digits(by, 0.0))


def _digits(a: float, b: float) -> int:
    """Decimals from which two different numbers look different, 2 to 6."""
    return next((d for d in range(2, 6) if round(a, d) != round(b, d)), 6 if a != b else 2)
