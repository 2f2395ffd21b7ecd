"""Rollouts: judged on what they release, on a runtime that their driver has."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.spec.compression import Compression
from tidemill.spec.evaluation import Evaluation
from tidemill.spec.finetune import FineTune
from tidemill.spec.load import Project
from tidemill.spec.neighbours import find_spec
from tidemill.spec.options import FieldProblem
from tidemill.spec.rollout import Rollout


def check(spec: Rollout, project: Project) -> Iterator[FieldProblem]:
    """Problems of one rollout."""
    judge = find_spec(project, spec.judged_by, Evaluation)
    released = find_spec(project, spec.of, Compression)
    if judge and judge.of != spec.of and (released or find_spec(project, spec.of, FineTune)):
        cause = (
            f"'judged_by: {spec.judged_by}' evaluates '{judge.of}', the rollout is of '{spec.of}'"
        )
        yield FieldProblem(("judged_by",), cause, f"name an Evaluation of '{spec.of}'")
    if released and spec.driver == "local":
        runtimes = [target.runtime for target in released.targets]
        if "onnxruntime" not in runtimes:
            cause = f"driver local serves on onnxruntime, '{spec.of}' has only {runtimes[0]}"
            yield FieldProblem(("of",), cause, f"add the target onnxruntime to '{spec.of}'")
    if spec.driver == "local" and spec.apply.mode == "render-to-git":
        cause = "driver local runs processes of this machine; there is nothing to render to Git"
        way_out = "choose driver kserve-standard or kserve-knative, or drop 'apply'"
        yield FieldProblem(("apply",), cause, way_out)
    if spec.driver != "local" and spec.mode == "shadow":
        cause = f"'mode: shadow' copies requests, which KServe ('driver: {spec.driver}') does not"
        yield FieldProblem(
            ("mode",), cause, "use driver local, or a canary that begins at 0 percent"
        )
    if spec.min_agreement is not None and spec.mode != "shadow":
        cause = f"'min_agreement' compares a shadow's answers, and 'mode: {spec.mode}' has none"
        yield FieldProblem(("min_agreement",), cause, "choose mode shadow, or leave it out")
    yield from _idle_waits(spec)
    if spec.mode == "ab" and spec.quality is None:
        way_out = "add 'quality', or choose mode canary"
        yield FieldProblem(
            ("mode",), "mode ab is decided by ratings, and there is no 'quality'", way_out
        )


def _idle_waits(spec: Rollout) -> Iterator[FieldProblem]:
    """Times for ratings in which no ratings are compared."""
    for index, step in enumerate(spec.steps):
        path = ("steps", index, "ratings_within")
        if step.ratings_within and spec.quality is None:
            cause = "'ratings_within' waits for nothing: there is no 'quality'"
            yield FieldProblem(path, cause, "add 'quality', or leave it out")
        elif step.ratings_within and not 0 < step.percent < 100:
            cause = f"'ratings_within' waits for nothing: {step.percent} % compares no ratings"
            yield FieldProblem(path, cause, "leave it out")
