"""Trivial baselines: a file here is one, and every evaluation compares its model with it.

A module has:

- a docstring whose first line says what it answers,
- `TITLE: str` and `ORDER: int`, its name for people and its place in tables,
- `answer(task) -> BaselineAnswers | None`: an answer to each of `task.test`, in order, from what
  `task.train` teaches (see `pipeline.baseline_task`); None where it does not fit the task. It may
  raise a `TidemillError`; the table then says why it is missing,
- `RANKS = True`, where it recommends items of a catalogue; such a baseline is compared with models
  that recommend, and no other is.

It reads no test reference.
"""

from __future__ import annotations

from types import ModuleType

from tidemill.catalog import Catalog

TRIVIAL_BASELINES = Catalog(__name__, "trivial baseline", separator="-")


def trivial_baselines(*, ranks: bool | None = None) -> list[tuple[str, ModuleType]]:
    """(name, module) of all of them, in order; only those that recommend items, or only those that
    do not, where `ranks` says so."""
    modules = [(name, TRIVIAL_BASELINES.load(name)) for name in TRIVIAL_BASELINES.names()]
    chosen = [pair for pair in modules if ranks in (None, getattr(pair[1], "RANKS", False))]
    return sorted(chosen, key=lambda pair: (pair[1].ORDER, pair[0]))
