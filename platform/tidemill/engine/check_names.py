"""Names of checks and gates: one name in reports, in the ledger and in Dagster."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain, count

from tidemill.spec.evaluation import Gate

FORGETTING, TRIVIAL_BASELINES = "forgetting", "trivial_baselines"
"""The gates of the comparisons that every evaluation makes."""


def gate_names(gates: Iterable[Gate]) -> tuple[str, ...]:
    """`accuracy_at_least`, or `accuracy_at_least_refunds` for a slice: a name for each gate of an
    evaluation, in order, without a repetition.

    Reports of earlier versions say `at_least_accuracy`; nothing looks a gate up by that name.
    """
    return number_repeats([check_name(gate.metric, gate.type, gate.slice or "") for gate in gates])


def check_name(*parts: str) -> str:
    """The parts with letters, digits and underscores only, as Dagster wants the names of checks."""
    return re.sub(r"[^A-Za-z0-9]+", "_", "_".join(parts)).strip("_")


def number_repeats(names: Sequence[str]) -> tuple[str, ...]:
    """The names with `_2`, `_3`, … behind the second and later uses of one."""
    numbered: list[str] = []
    for name in names:
        variants = chain([name], (f"{name}_{number}" for number in count(2)))
        numbered.append(next(variant for variant in variants if variant not in numbered))
    return tuple(numbered)
