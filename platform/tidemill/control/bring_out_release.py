"""Bringing out a release: compose it, refuse one that a newer commit replaced, ask for its rollout.

`tidemill run`, Dagster, the demo and a revert in Git all come here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidemill.control.lifecycle_events import announce
from tidemill.control.rejected_releases import check_not_rejected
from tidemill.engine.first_release import missing_baseline
from tidemill.engine.release_record import ReleaseRecord
from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill.pipeline.builder import ProjectBuilder
from tidemill.pipeline.release import compose, spec_digests
from tidemill.pipeline.release_folder import ArtefactFolder, EventPrivacy, ServedRelease
from tidemill.spec.dataset import Dataset
from tidemill.spec.evaluation import Evaluation
from tidemill.spec.prompt import Prompt
from tidemill.spec.rollout import Rollout


@dataclass(frozen=True)
class RequestedRelease:
    """A release whose rollout was asked for, or that is live already."""

    record: ReleaseRecord
    message: str
    """That it was asked for, and why it has to wait where that is known already."""


def bring_out_release(home: Home, builder: ProjectBuilder, rollout: Rollout) -> RequestedRelease:
    """Release what a rollout names and ask for its traffic. May be repeated.

    Raises `GateFailed` where its evaluation did not pass, `MissingArtefact` where something is
    stale or not made, `CandidateRejected` where the same candidate was rolled back before, and
    `TidemillError` where a newer commit replaced its specs.
    """
    record = compose(builder, rollout)
    if record.digest == home.ledger.rollouts.live_release(rollout.service):
        return RequestedRelease(record, f"{_name(record)} is live already: nothing of it changed")
    check_not_rejected(home, record)
    check_not_replaced(home, builder, rollout, record.specs)
    served_release(builder, rollout, record).write(home.release_folder(record.digest))
    home.ledger.materialisations.add_release(record)
    request_rollout(home, rollout, record.digest)
    project, key = builder.project.name, f"release/{rollout.service}/{record.digest[7:39]}"
    announce(home, "release-made", project, rollout.name, key=key, digest=record.digest)
    message = f"{_name(record)} asked for its traffic"
    first = home.ledger.rollouts.live_release(rollout.service) is None
    reason = missing_baseline(rollout) if first else None
    return RequestedRelease(record, f"{message}; it waits: {reason}" if reason else message)


def _name(record: ReleaseRecord) -> str:
    return f"release {record.digest[7:19]} of '{record.service}'"


def request_rollout(home: Home, rollout: Rollout, digest: str) -> None:
    """Ask for the traffic of a release whose folder is written; the controller does the rest."""
    home.ledger.rollouts.request(
        rollout.service,
        digest,
        str(home.release_folder(digest)),
        rollout.model_dump(mode="json", by_alias=True),
    )


def check_not_replaced(
    home: Home, builder: ProjectBuilder, rollout: Rollout, specs: Mapping[str, str]
) -> None:
    """Raise where this run reads the specs of a commit, and a newer one changed what counts.

    `specs` are the digests that the release was made by, by name.
    """
    trees = home.settings.git_home / "trees"
    folder = builder.project.folder.resolve()
    if not folder.is_relative_to(trees):
        return
    tree = trees / folder.relative_to(trees).parts[0]
    now = home.with_specs(home.settings.git_home / "current" / folder.parent.relative_to(tree))
    try:
        current = spec_digests(now.builder(builder.project.name), rollout)
    except (TidemillError, KeyError):
        current = {}
    if current != specs:
        raise TidemillError(
            f"'{rollout.name}' was built from {tree.name[:10]}, and a newer commit changed or took "
            "away what it is built from; its release is not brought out"
        )


def served_release(
    builder: ProjectBuilder, rollout: Rollout, record: ReleaseRecord
) -> ServedRelease:
    """What the model server needs of a release, with the folders its artefacts lie in."""
    evaluation = builder.project.spec(rollout.judged_by, Evaluation)
    dataset = builder.project.spec(evaluation.dataset, Dataset)
    return ServedRelease(
        digest=record.digest,
        service=rollout.service,
        project=builder.project.name,
        model=_artefact_folder(builder, record.model),
        prompt=_artefact_folder(builder, record.prompt) if record.prompt else None,
        bases={base.digest: builder.store.get(base.digest).path for base in record.bases},
        encoder=_encoder(builder),
        spec_commit=record.commit.sha,
        privacy=EventPrivacy(dataset.privacy.pii, dataset.privacy.kinds),
        cache=rollout.cache,
    )


def _artefact_folder(builder: ProjectBuilder, digest: str) -> ArtefactFolder:
    """An artefact and its folder; its bytes are checked."""
    return ArtefactFolder(digest, builder.store.get(digest).path)


def _encoder(builder: ProjectBuilder) -> ArtefactFolder | None:
    """The sentence encoder that a prompt of the project looks things up with."""
    for spec in builder.specs.values():
        if isinstance(spec, Prompt):
            for part in (spec.examples, spec.context):
                if part is not None and part.encoder:
                    return _artefact_folder(builder, builder.current(part.encoder).artefact)
    return None
