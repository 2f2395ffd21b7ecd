"""Evaluations: gates on what is measured, slices that exist and name rows, a prompt to ask with."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.errors import suggest
from tidemill.spec.checks.files import lies_in
from tidemill.spec.evaluation import Evaluation, NoWorseThanBaseline
from tidemill.spec.load import Project
from tidemill.spec.neighbours import base_of, lacks_prompt
from tidemill.spec.options import FieldProblem
from tidemill.spec.slice_rows import ENDING, WAY_OUT, read_slice_rows

_ADD_BASELINE = "add 'baseline', e.g. {type: live, service: …}"


def check(spec: Evaluation, project: Project) -> Iterator[FieldProblem]:
    """Problems of one evaluation."""
    yield from _names(spec)
    yield from _slice_files(spec, project)
    yield from _gates(spec)
    yield from _comparisons(spec, project)
    if lacks_prompt(project, spec.of, spec.prompt):
        cause = f"'{spec.of}' brings no prompt to ask it with"
        yield FieldProblem(("of",), cause, "add 'prompt' with the name of a Prompt")


def _comparisons(spec: Evaluation, project: Project) -> Iterator[FieldProblem]:
    if "forgetting" in spec.model_fields_set and spec.baseline is None:
        cause = "there is no baseline whose labels could be forgotten"
        yield FieldProblem(("forgetting",), cause, _ADD_BASELINE)
    base = base_of(project, spec.of)
    if spec.trivial_baselines.few_shot and (base is None or base.task != "causal-lm"):
        cause = f"'{spec.of}' has no causal language model as its base to show examples to"
        yield FieldProblem(("trivial_baselines", "few_shot"), cause, "leave it out")


def _names(spec: Evaluation) -> Iterator[FieldProblem]:
    slice_names: set[str] = set()
    for index, part in enumerate(spec.slices):
        if part.name in slice_names:
            cause = f"there are two slices called '{part.name}'"
            yield FieldProblem(("slices", index, "name"), cause, "rename one")
        slice_names.add(part.name)
    for index, metric in enumerate(spec.metrics):
        if metric in spec.metrics[:index]:
            yield FieldProblem(("metrics", index), f"'{metric}' is measured twice", "take one out")


def _slice_files(spec: Evaluation, project: Project) -> Iterator[FieldProblem]:
    """The first line of each slice's file that names no row; a file that is missing, or of another
    kind, has its own message."""
    for index, part in enumerate(spec.slices):
        name = part.rows_file or ""
        if not (name.lower().endswith(ENDING) and lies_in(project.folder, name)):
            continue
        for number, row in read_slice_rows(project.folder / name):
            if isinstance(row, str):
                cause = f"line {number} of '{name}' {row}"
                yield FieldProblem(("slices", index, "rows_file"), cause, WAY_OUT)
                break


def _gates(spec: Evaluation) -> Iterator[FieldProblem]:
    slices = [part.name for part in spec.slices]
    for index, gate in enumerate(spec.gates):
        path = ("gates", index)
        if gate.metric not in spec.metrics:
            cause = f"the gate's metric '{gate.metric}' is not measured"
            yield FieldProblem((*path, "metric"), cause, "add it to 'metrics'")
        if gate.slice is not None and gate.slice not in slices:
            cause = f"'slice: {gate.slice}' names no slice"
            yield FieldProblem((*path, "slice"), cause, suggest(gate.slice, slices))
        if isinstance(gate, NoWorseThanBaseline) and spec.baseline is None:
            cause = "the gate compares with a baseline, there is none"
            yield FieldProblem((*path, "type"), cause, _ADD_BASELINE)
