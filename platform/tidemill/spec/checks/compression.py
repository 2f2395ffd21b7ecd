"""Compressions: rows they may look at, something to be checked with, targets that differ."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.spec.checks._neighbours import fine_tune_of, lacks_prompt
from tidemill.spec.compression import Compression
from tidemill.spec.load import Project
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
    seen: set[str] = set()
    for index, target in enumerate(spec.targets):
        if target.runtime in seen:
            cause = f"there are two targets with runtime {target.runtime}"
            way_out = "keep one; a second compression can hold the other"
            yield Found(("targets", index, "runtime"), cause, way_out)
        seen.add(target.runtime)


def _checked_with(spec: Compression, project: Project) -> Iterator[Found]:
    tune = fine_tune_of(project, spec.of)
    if lacks_prompt(project, spec.of, spec.prompt):
        cause = f"'{spec.of}' brings no prompt to check the answers with"
        yield Found(("of",), cause, "add 'prompt' with the name of a Prompt")
    if spec.dataset is None and tune is None:
        cause = f"'{spec.of}' brings no rows to check the answers on"
        yield Found(("of",), cause, "add 'dataset' with the name of a Dataset")
