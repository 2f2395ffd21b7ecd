"""Triggers: a stream where conditions need one, feedback they can ever see, prompts to search."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.spec.feedback import Feedback
from tidemill.spec.load import Project
from tidemill.spec.neighbours import find_spec
from tidemill.spec.options import FieldProblem
from tidemill.spec.prompt import Prompt
from tidemill.spec.searches import search_models
from tidemill.spec.trigger import Condition, Trigger

ALONE = ("schedule", "spec_change")
"""Conditions that look at no stream."""
NEEDS = {"corrections": ("correction",), "negative_rate": ("thumbs", "score", "outcome")}
"""Kinds of feedback a condition counts; one of them has to be accepted by the stream."""


def check(spec: Trigger, project: Project) -> Iterator[FieldProblem]:
    """Problems of one trigger."""
    mode = "any" if spec.when.any else "all"
    for index, condition in enumerate(spec.when.any or spec.when.all):
        path = ("when", mode, index, "type")
        if spec.of is None and condition.type not in ALONE:
            cause = f"condition {condition.type} looks at a stream, and there is no 'of'"
            yield FieldProblem(path, cause, "add 'of' with the name of a Feedback spec")
        yield from _countable(spec, condition, path, project)
    if spec.approval is not None and spec.approval.before_percent is not None:
        way_out = "put before_percent into the Rollout"
        yield FieldProblem(("approval", "before_percent"), "a trigger moves no traffic", way_out)
    yield from _searches(spec, project)


def _countable(
    spec: Trigger, condition: Condition, path: tuple[str | int, ...], project: Project
) -> Iterator[FieldProblem]:
    stream = find_spec(project, spec.of, Feedback)
    needed = NEEDS.get(condition.type, ())
    if stream and needed and not set(needed) & set(stream.kinds):
        cause = f"condition {condition.type} can never hold: '{spec.of}' accepts no {needed[0]}"
        yield FieldProblem(path, cause, f"add {needed[0]} to the kinds of '{spec.of}'")


def _searches(spec: Trigger, project: Project) -> Iterator[FieldProblem]:
    """A prompt that is run is searched, so it says how, and one model answers."""
    for index, name in enumerate(spec.run):
        prompt = find_spec(project, name, Prompt)
        if prompt is None:
            continue
        path, file = ("run", index), project.specs[name].path.name
        if prompt.optimise is None:
            cause = f"'{name}' is a Prompt without 'optimise', so there is nothing to search"
            way_out = (
                f"add 'optimise' with a dataset and a metric to {file}, or take it out of 'run'"
            )
            yield FieldProblem(path, cause, way_out)
            continue
        models = search_models({key: loaded.spec for key, loaded in project.specs.items()}, prompt)
        if len(models) != 1:
            evaluated = f"{', '.join(models)} are" if models else "no model is"
            cause = f"the search of '{name}' has no model: {evaluated} evaluated with it"
            yield FieldProblem(path, cause, f"name one as 'model' under 'optimise' in {file}")
