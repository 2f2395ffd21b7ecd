"""The checks each kind declares before it is made; builders answer under the same names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.engine.check_names import check_name, gate_names, number_repeats
from tidemill.spec.compression import Compression
from tidemill.spec.dataset import Dataset, Expectation
from tidemill.spec.evaluation import Evaluation


@dataclass(frozen=True)
class Declared:
    """One check: a name of letters, digits and underscores, and whether it stops the line."""

    name: str
    blocking: bool = True


def declared(spec: Any) -> list[Declared]:
    """All checks of a spec, in the order in which they are shown; names are unique."""
    checks: list[Declared] = []
    if isinstance(spec, Dataset):
        checks = [Declared("minimum_rows"), Declared("leakage")]
        checks += [
            Declared(expectation_name(item), item.severity == "error") for item in spec.expectations
        ]
    elif isinstance(spec, Compression):
        checks = [Declared("equivalence")]
        checks += [Declared(f"goal_{goal.metric}") for goal in spec.goals]
    elif isinstance(spec, Evaluation):
        checks = [Declared(name) for name in gate_names(spec.gates)]
    return _with_unique_names(checks)


def expectation_name(expectation: Expectation) -> str:
    """`expect_column_values_to_not_be_null` on `text` is `expect_…_null_text`."""
    return check_name(expectation.type, str(expectation.arguments.get("column", "")))


def _with_unique_names(checks: Sequence[Declared]) -> list[Declared]:
    names = number_repeats([check.name for check in checks])
    return [Declared(name, check.blocking) for name, check in zip(names, checks, strict=True)]
