"""What a gate says on a sample of the rows, and how many rows a time allows."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan

from tidemill.engine.check_names import FORGETTING
from tidemill.engine.evaluation_change import GateState
from tidemill.engine.gate import GateResult
from tidemill.engine.measurement import Measure
from tidemill.spec.evaluation import AtLeast, AtMost, Gate

MeasureTable = Mapping[tuple[str, str | None], Measure]
"""Measures, or gains on a baseline, by metric and slice."""


def gate_state(
    gate: Gate | None,
    result: GateResult,
    measures: MeasureTable,
    gains: MeasureTable,
    *,
    is_sample: bool,
) -> GateState:
    """Whether a gate passed. On a sample it failed only where the whole interval lies on the wrong
    side: fewer rows make bounds wider, and a run asks all of them.

    `gate` is None for the comparisons that every evaluation makes. Forgetting allows for chance by
    itself, so it is failed on a sample too.
    """
    if result.passed:
        return "passed"
    if not is_sample or result.name == FORGETTING:
        return "failed"
    return "failed" if gate is not None and _surely_fails(gate, measures, gains) else "open"


def next_block_fits(elapsed: float, longest_block: float, allowance: float) -> bool:
    """Whether another block of rows is begun; all in seconds. The first one needs only to begin in
    time, since nothing tells how long it takes."""
    return elapsed + longest_block <= allowance if longest_block else elapsed < allowance


def _surely_fails(gate: Gate, measures: MeasureTable, gains: MeasureTable) -> bool:
    table = measures if isinstance(gate, AtLeast | AtMost) else gains
    measure = table.get((gate.metric, gate.slice))
    if measure is None or isnan(measure.value):
        return False
    if isinstance(gate, AtMost):
        return measure.low > gate.value
    limit = gate.value if isinstance(gate, AtLeast) else -gate.margin
    return measure.high < limit
