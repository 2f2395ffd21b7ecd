"""Compressions: rows they may look at, something to be checked with, targets that differ."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.catalog import TRAINING
from tidemill.spec.compression import Compression
from tidemill.spec.finetune import FineTune
from tidemill.spec.load import Project
from tidemill.spec.neighbours import base_of, find, fine_tune_of, lacks_prompt
from tidemill.spec.options import Found


def check(spec: Compression, project: Project) -> Iterator[Found]:
    """Everything about one compression."""
    calibration = spec.calibration
    if calibration and calibration.split != "train":
        cause = f"calibration looks at the {calibration.split} split"
        way_out = "write 'split: train': what it has seen cannot judge it"
        yield Found(("calibration", "split"), cause, way_out)
    if spec.of in project.specs:
        yield from _checked_with(spec, project)
    yield from _steps(spec, project)
    seen: set[str] = set()
    for index, target in enumerate(spec.targets):
        if target.runtime in seen:
            cause = f"there are two targets with runtime {target.runtime}"
            way_out = "keep one; a second compression can hold the other"
            yield Found(("targets", index, "runtime"), cause, way_out)
        seen.add(target.runtime)


def _steps(spec: Compression, project: Project) -> Iterator[Found]:
    """Steps in an order that works: whole weights first, nothing after fewer bits."""
    tune = find(project, spec.of, FineTune)
    if tune and _gives_adapter(tune) and spec.steps[0].type != "merge":
        cause = f"'{spec.of}' is an adapter, and {spec.steps[0].type} needs whole weights"
        yield Found(("steps", 0, "type"), cause, "put '- type: merge' before it")
    for index, step in enumerate(spec.steps[1:], start=1):
        if spec.steps[index - 1].type == "quantise":
            cause = f"{step.type} comes after quantise, which gives no weights to work on"
            yield Found(("steps", index, "type"), cause, "put quantise last")
    base = base_of(project, spec.of)
    for index, step in enumerate(spec.steps):
        if step.given.get("bits") == 4 and base and base.task != "causal-lm":
            cause = f"4 bits are for language models, '{base.name}' classifies"
            yield Found(("steps", index, "bits"), cause, "write 'bits: 8'")


def _gives_adapter(tune: FineTune) -> bool:
    if tune.method not in TRAINING.names():
        return False
    return getattr(TRAINING.load(tune.method), "FORM", "") == "adapter"


def _checked_with(spec: Compression, project: Project) -> Iterator[Found]:
    tune = fine_tune_of(project, spec.of)
    if lacks_prompt(project, spec.of, spec.prompt):
        cause = f"'{spec.of}' brings no prompt to check the answers with"
        yield Found(("of",), cause, "add 'prompt' with the name of a Prompt")
    if spec.dataset is None and tune is None:
        cause = f"'{spec.of}' brings no rows to check the answers on"
        yield Found(("of",), cause, "add 'dataset' with the name of a Dataset")
