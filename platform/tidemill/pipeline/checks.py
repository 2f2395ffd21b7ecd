"""The checks each kind declares before it is made; builders answer under the same names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tidemill.engine.check_names import (
    FORGETTING,
    TRIVIAL_BASELINES,
    check_name,
    gate_names,
    number_repeats,
)
from tidemill.spec.compression import Compression
from tidemill.spec.dataset import Dataset, Expectation
from tidemill.spec.evaluation import Evaluation


@dataclass(frozen=True)
class CheckSpec:
    """One check: a name of letters, digits and underscores, and whether it stops the line."""

    name: str
    blocking: bool = True
    added_later: bool = False
    """True for a check that builds of earlier versions do not have."""


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
        checks += list(_default_gates(spec))
    return _with_unique_names(checks)


def _default_gates(spec: Evaluation) -> Iterator[CheckSpec]:
    """The comparisons that every evaluation makes; they stop the line where its spec says so."""
    if spec.baseline is not None:
        yield CheckSpec(FORGETTING, spec.forgetting.gate, added_later=True)
    yield CheckSpec(TRIVIAL_BASELINES, spec.trivial_baselines.gate, added_later=True)


def expectation_name(expectation: Expectation) -> str:
    """`expect_column_values_to_not_be_null` on `text` is `expect_…_null_text`."""
    return check_name(expectation.type, str(expectation.arguments.get("column", "")))


def _with_unique_names(checks: Sequence[CheckSpec]) -> list[CheckSpec]:
    names = number_repeats([check.name for check in checks])
    return [replace(check, name=name) for name, check in zip(names, checks, strict=True)]
