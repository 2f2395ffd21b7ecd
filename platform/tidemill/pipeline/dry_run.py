"""Makes only what is cheap of a project: datasets with their checks, prompts over a few rows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Literal

from tidemill.data import SPLITS, read_split
from tidemill.errors import TidemillError
from tidemill.pipeline.builder import ProjectBuilder
from tidemill.pipeline.context import Check
from tidemill.pipeline.prompt_loading import load_program
from tidemill.rows import DatasetRow
from tidemill.spec.dataset import Dataset
from tidemill.spec.feedback import Feedback
from tidemill.spec.prompt import Prompt

CHEAP = ("Dataset", "Prompt")
ROWS = 5
"""Rows that a prompt is rendered over."""


@dataclass(frozen=True)
class Result:
    """What became of one asset."""

    project: str
    name: str
    kind: str
    state: Literal["passed", "failed", "skipped"]
    messages: tuple[str, ...]
    """What failed, or why nothing was tried; warnings where it passed."""
    seconds: float = 0.0


class NoFeedback:
    """Streams that nothing has come in of yet, as on the machine of a pull request."""

    def frozen_offsets(self, topic: str) -> Mapping[str, int]:  # noqa: ARG002 - a Protocol's arguments
        """Nothing was read so far."""
        return {}

    def rows(
        self,
        feedback: Feedback,  # noqa: ARG002
        kinds: Sequence[str],  # noqa: ARG002
        since: datetime | None,  # noqa: ARG002
        until: Mapping[str, int],  # noqa: ARG002
    ) -> tuple[list[Any], dict[str, object]]:
        """No rows, and no offsets they came from."""
        return [], {}

    def withdrawn_digest(self, topics: Sequence[str], frozen: Mapping[str, int]) -> str:  # noqa: ARG002
        """Nothing was withdrawn."""
        return ""


def cheap(builder: ProjectBuilder, names: Iterable[str]) -> Iterator[Result]:
    """One result for each cheap asset of `names` (which are in the order of making), datasets first
    because prompts are rendered over their rows.

    What needs an asset that is not cheap (an encoder for similar examples) is skipped, and so is
    what needs one that failed.
    """
    done: dict[str, str] = {}
    cheap_names = [name for name in names if builder.specs[name].kind in CHEAP]
    for name in sorted(cheap_names, key=lambda name: CHEAP.index(builder.specs[name].kind)):
        start = time.monotonic()
        try:
            state, messages = _blocking_reason(builder, name, done) or _build_one(builder, name)
        except TidemillError as error:
            state, messages = "failed", tuple(str(error).splitlines())
        done[name] = state
        kind, seconds = builder.specs[name].kind, round(time.monotonic() - start, 2)
        yield Result(builder.project.name, name, kind, state, messages, seconds)


_Outcome = tuple[Literal["passed", "failed", "skipped"], tuple[str, ...]]


def _blocking_reason(
    builder: ProjectBuilder, name: str, done: Mapping[str, str]
) -> _Outcome | None:
    """Why it is not tried, if so."""
    for parent in builder.upstream(name):
        kind = builder.specs[parent].kind
        if kind not in CHEAP:
            return "skipped", (
                f"skipped: it needs '{parent}' ({kind}), which `check` does not build",
            )
        if done.get(parent, "passed") != "passed":
            return "skipped", (f"skipped: '{parent}' failed",)
    spec = builder.specs[name]
    if isinstance(spec, Dataset) and all(source.type == "feedback" for source in spec.sources):
        return "skipped", ("skipped: all its rows come from feedback, and there is none here",)
    return None


def _build_one(builder: ProjectBuilder, name: str) -> _Outcome:
    result = builder.materialise(name)
    failed = [check for check in result.checks if not check.passed]
    messages = [_check_line(check) for check in failed]
    spec = builder.specs[name]
    if isinstance(spec, Prompt):
        messages += _render_rows(builder, spec)
    return "failed" if any(c.blocking for c in failed) else "passed", tuple(messages)


def _check_line(check: Check) -> str:
    return check.message if check.blocking else f"warning: {check.message}"


def _render_rows(builder: ProjectBuilder, spec: Prompt) -> list[str]:
    """Render it over a few rows of a dataset that has its inputs; raises what rendering raises."""
    artefact = builder.store.get(builder.current(spec.name).artefact)
    program = load_program(spec.name, {spec.name: artefact}, builder.specs)
    rows = list(islice(_rows(builder, spec.inputs), ROWS))
    if not rows:
        return [
            f"warning: no dataset has the columns {', '.join(spec.inputs)}; "
            "the prompt was not rendered"
        ]
    program.conversations(rows)
    return []


def _rows(builder: ProjectBuilder, inputs: Sequence[str]) -> Iterator[DatasetRow]:
    """Rows that have every input, of the datasets that were made."""
    for name, spec in sorted(builder.specs.items()):
        record = builder.records.latest(builder.project.name, name)
        if isinstance(spec, Dataset) and record:
            folder = builder.store.get(record.artefact).path
            for split in SPLITS:
                yield from (r for r in read_split(folder, split) if set(inputs) <= set(r))
