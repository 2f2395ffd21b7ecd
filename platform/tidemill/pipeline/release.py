"""Composes the record of a release from what was made."""

from __future__ import annotations

from collections.abc import Mapping

from tidemill.engine.release_record import (
    BaseModel,
    ReleasedArtefact,
    ReleasedDataset,
    ReleaseEvaluation,
    ReleaseRecord,
    SpecCommit,
)
from tidemill.errors import GateFailed
from tidemill.pipeline.builder import ProjectBuilder, tool_versions
from tidemill.pipeline.same_rows import first_build
from tidemill.ports import Materialisation
from tidemill.spec.evaluation import Evaluation
from tidemill.spec.finetune import FineTune
from tidemill.spec.model import Model
from tidemill.spec.rollout import Rollout


def compose(builder: ProjectBuilder, rollout: Rollout) -> ReleaseRecord:
    """The record of the release that a rollout would bring out now.

    Raises `GateFailed` where a blocking check of its evaluation failed, and `MissingArtefact` where
    something is stale or not made.
    """
    _require_gates(builder.current(rollout.judged_by))
    return candidate(builder, rollout)


def candidate(builder: ProjectBuilder, rollout: Rollout) -> ReleaseRecord:
    """The same record whether the gates passed or not, for people to look at."""
    evaluation = builder.current(rollout.judged_by)
    newest = {name: builder.current(name) for name in behind(builder, rollout)}
    makings = {
        name: first_build(builder.records, builder.store, making)
        if making.kind == "Dataset"
        else making
        for name, making in newest.items()
    }
    prompts = [making for making in makings.values() if making.kind == "Prompt"]
    return ReleaseRecord(
        project=builder.project.name,
        service=rollout.service,
        rollout=rollout.name,
        specs=spec_digests(builder, rollout),
        model=makings[rollout.of].artefact,
        prompt=prompts[0].artefact if prompts else None,
        artefacts=_artefacts(builder, makings),
        bases=tuple(_base(builder, m) for m in makings.values() if m.kind == "Model"),
        dataset=_dataset(builder, makings, evaluation),
        seed=_seed(builder, makings),
        commit=_commit(builder),
        evaluation=ReleaseEvaluation(
            name=evaluation.name,
            digest=evaluation.artefact,
            measures=evaluation.measures,
            checks=evaluation.checks,
        ),
        tools=tool_versions(),
        created=builder.clock.now().isoformat(),
    ).with_digest()


def behind(builder: ProjectBuilder, rollout: Rollout) -> list[str]:
    """Everything that is made for a rollout's releases, in the order of making."""
    names = dict.fromkeys([*builder.upstream(rollout.name), *builder.upstream(rollout.judged_by)])
    return [*(name for name in names if name != rollout.judged_by), rollout.judged_by]


def spec_digests(builder: ProjectBuilder, rollout: Rollout) -> dict[str, str]:
    """Name → digest of every spec behind a rollout, itself included (`ReleaseRecord.specs`)."""
    return {name: builder.spec_digest(name) for name in (*behind(builder, rollout), rollout.name)}


def _require_gates(evaluation: Materialisation) -> None:
    failures = [c.message for c in evaluation.checks if c.blocking and not c.passed]
    if failures:
        raise GateFailed(f"'{evaluation.name}' did not pass its gates: {'; '.join(failures)}")


def _commit(builder: ProjectBuilder) -> SpecCommit:
    head = builder.repository.head()
    return head.to_spec_commit() if head else SpecCommit()


def _artefacts(
    builder: ProjectBuilder, makings: Mapping[str, Materialisation]
) -> dict[str, ReleasedArtefact]:
    artefacts = {}
    for name, making in makings.items():
        for label, digest in {name: making.artefact, **_steps(name, making)}.items():
            item = builder.store.get(digest)
            artefacts[label] = ReleasedArtefact(digest, item.kind, item.bytes, dict(item.meta))
    return artefacts


def _steps(name: str, making: Materialisation) -> dict[str, str]:
    return {f"{name}/{step}": digest for step, digest in making.steps.items()}


def _base(builder: ProjectBuilder, making: Materialisation) -> BaseModel:
    source = builder.project.spec(making.name, Model).source.model_dump()
    sha256 = making.facts.get("sha256") or source.get("sha256")
    return BaseModel(making.name, making.artefact, source, sha256)


def _dataset(
    builder: ProjectBuilder, makings: Mapping[str, Materialisation], evaluation: Materialisation
) -> ReleasedDataset:
    name = builder.project.spec(evaluation.name, Evaluation).dataset
    making = makings[name]
    offsets, rows = making.facts.get("offsets", {}), making.facts.get("rows", {})
    return ReleasedDataset(name, making.artefact, offsets, rows)


def _seed(builder: ProjectBuilder, makings: Mapping[str, Materialisation]) -> int | None:
    tuned = [name for name, making in makings.items() if making.kind == "FineTune"]
    return builder.project.spec(tuned[0], FineTune).train.seed if tuned else None
