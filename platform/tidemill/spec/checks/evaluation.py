"""Evaluations: gates on what is measured, slices that exist, a prompt to ask with."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.errors import suggest
from tidemill.spec.evaluation import Evaluation, NoWorseThanBaseline
from tidemill.spec.load import Project
from tidemill.spec.neighbours import lacks_prompt
from tidemill.spec.options import FieldProblem


def check(spec: Evaluation, project: Project) -> Iterator[FieldProblem]:
    """Problems of one evaluation."""
    yield from _names(spec)
    yield from _gates(spec)
    if lacks_prompt(project, spec.of, spec.prompt):
        cause = f"'{spec.of}' brings no prompt to ask it with"
        yield FieldProblem(("of",), cause, "add 'prompt' with the name of a Prompt")


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
            way_out = "add 'baseline', e.g. {type: live, service: …}"
            yield FieldProblem(
                (*path, "type"), "the gate compares with a baseline, there is none", way_out
            )
