"""Compressions: rows they may look at, something to be checked with, targets that differ."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.catalog import TRAINING
from tidemill.spec.compression import Compression
from tidemill.spec.finetune import FineTune
from tidemill.spec.load import Project
from tidemill.spec.neighbours import base_of, find_spec, fine_tune_of, lacks_prompt
from tidemill.spec.options import FieldProblem, ranks


def check(spec: Compression, project: Project) -> Iterator[FieldProblem]:
    """Problems of one compression."""
    calibration = spec.calibration
    if calibration and calibration.split != "train":
        cause = f"calibration looks at the {calibration.split} split"
        way_out = "write 'split: train': other splits are for evaluation"
        yield FieldProblem(("calibration", "split"), cause, way_out)
    tune = fine_tune_of(project, spec.of)
    if tune and ranks(tune.method):
        cause = f"'{spec.of}' recommends by what visitors did and has no weights to compress"
        yield FieldProblem(("of",), cause, "delete this spec and serve the recommender as it is")
    if spec.of in project.specs:
        yield from _checked_with(spec, project)
    yield from _steps(spec, project)
    runtimes: set[str] = set()
    for index, target in enumerate(spec.targets):
        if target.runtime in runtimes:
            cause = f"there are two targets with runtime {target.runtime}"
            way_out = "keep one; a second compression can hold the other"
            yield FieldProblem(("targets", index, "runtime"), cause, way_out)
        runtimes.add(target.runtime)


def _steps(spec: Compression, project: Project) -> Iterator[FieldProblem]:
    """Steps in an order that works: whole weights first, nothing after fewer bits."""
    tune = find_spec(project, spec.of, FineTune)
    if tune and _gives_adapter(tune) and spec.steps[0].type != "merge":
        cause = f"'{spec.of}' is an adapter, and {spec.steps[0].type} needs whole weights"
        yield FieldProblem(("steps", 0, "type"), cause, "put '- type: merge' before it")
    for index, step in enumerate(spec.steps[1:], start=1):
        if spec.steps[index - 1].type == "quantise":
            cause = f"{step.type} comes after quantise, which gives no weights to work on"
            yield FieldProblem(("steps", index, "type"), cause, "put quantise last")
    base = base_of(project, spec.of)
    for index, step in enumerate(spec.steps):
        if step.option_values.get("bits") == 4 and base and base.task != "causal-lm":
            cause = f"4 bits are for language models, '{base.name}' classifies"
            yield FieldProblem(("steps", index, "bits"), cause, "write 'bits: 8'")


def _gives_adapter(tune: FineTune) -> bool:
    if tune.method not in TRAINING.names():
        return False
    return getattr(TRAINING.load(tune.method), "FORM", "") == "adapter"


def _checked_with(spec: Compression, project: Project) -> Iterator[FieldProblem]:
    tune = fine_tune_of(project, spec.of)
    if lacks_prompt(project, spec.of, spec.prompt):
        cause = f"'{spec.of}' brings no prompt to check the answers with"
        yield FieldProblem(("of",), cause, "add 'prompt' with the name of a Prompt")
    if spec.dataset is None and tune is None:
        cause = f"'{spec.of}' brings no rows to check the answers on"
        yield FieldProblem(("of",), cause, "add 'dataset' with the name of a Dataset")
