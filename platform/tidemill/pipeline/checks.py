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
class CheckSpec:
    """One check: a name of letters, digits and underscores, and whether it stops the line."""

    name: str
    blocking: bool = True


def declared_checks(spec: Any) -> list[CheckSpec]:
    """All checks of a spec, in the order in which they are shown; names are unique."""
    checks: list[CheckSpec] = []
    if isinstance(spec, Dataset):
        checks = [CheckSpec("minimum_rows"), CheckSpec("leakage")]
        checks += [
            CheckSpec(expectation_name(item), item.severity == "error")
            for item in spec.expectations
        ]
    elif isinstance(spec, Compression):
        checks = [CheckSpec("equivalence")]
        checks += [CheckSpec(f"goal_{goal.metric}") for goal in spec.goals]
    elif isinstance(spec, Evaluation):
        checks = [CheckSpec(name) for name in gate_names(spec.gates)]
    return _with_unique_names(checks)


def expectation_name(expectation: Expectation) -> str:
    """`expect_column_values_to_not_be_null` on `text` is `expect_…_null_text`."""
    return check_name(expectation.type, str(expectation.arguments.get("column", "")))


def _with_unique_names(checks: Sequence[CheckSpec]) -> list[CheckSpec]:
    names = number_repeats([check.name for check in checks])
    return [CheckSpec(name, check.blocking) for name, check in zip(names, checks, strict=True)]
