"""The checks each kind declares before it is made; makers answer under the same names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

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
    found: list[Declared] = []
    if isinstance(spec, Dataset):
        found = [Declared("minimum_rows"), Declared("leakage")]
        found += [
            Declared(expectation_name(item), item.severity == "error") for item in spec.expectations
        ]
    elif isinstance(spec, Compression):
        found = [Declared("equivalence")]
        found += [Declared(f"goal_{goal.metric}") for goal in spec.goals]
    elif isinstance(spec, Evaluation):
        found = [Declared(gate_name(gate)) for gate in spec.gates]
    return unique(found)


def expectation_name(expectation: Expectation) -> str:
    """`expect_column_values_to_not_be_null` on `text` is `expect_…_null_text`."""
    return clean(f"{expectation.type}_{expectation.arguments.get('column', '')}")


def gate_name(gate: Any) -> str:
    """`accuracy_at_least`, with the slice where there is one."""
    return clean(f"{gate.metric}_{gate.type}_{gate.slice or ''}")


def clean(text: str) -> str:
    """Letters, digits and underscores only, as Dagster wants check names."""
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")


def unique(found: list[Declared]) -> list[Declared]:
    """Number the second and later checks of one name."""
    seen: dict[str, int] = {}
    result = []
    for item in found:
        seen[item.name] = seen.get(item.name, 0) + 1
        suffix = f"_{seen[item.name]}" if seen[item.name] > 1 else ""
        result.append(Declared(item.name + suffix, item.blocking))
    return result
