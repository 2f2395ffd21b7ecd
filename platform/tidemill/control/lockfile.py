"""The lock of each project from what the ledger has live, and its way into a file."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import UTC
from pathlib import Path

from tidemill.engine.approval import Identity
from tidemill.engine.measurement import Measure
from tidemill.engine.release_record import ReleasedArtefact
from tidemill.errors import ServiceError, TidemillError, UnknownName
from tidemill.home import Home
from tidemill.records import Approval, RolloutRecord
from tidemill.spec.load import display_path
from tidemill.spec.lock import (
    FILE,
    DvcPointer,
    LockedApproval,
    LockedArtefact,
    LockedDataset,
    LockedEvaluation,
    LockedMeasure,
    LockedRelease,
    LockedService,
    LockFile,
    read_lock,
)
from tidemill.spec.rollout import Rollout


def services(home: Home, named: Collection[str] = ()) -> dict[str, str]:
    """Service → project, of all services (or of those that are named) that specs or ledger know."""
    projects = {
        loaded.spec.service: project.name
        for project in home.workspace.projects.values()
        for loaded in project.specs.values()
        if isinstance(loaded.spec, Rollout)
    }
    for name in named:
        if name not in projects:
            raise UnknownName("service", name, sorted(projects))
    return {name: project for name, project in projects.items() if not named or name in named}


def planned_locks(
    home: Home, named: Collection[str] = (), *, wanted: bool = False
) -> dict[Path, tuple[LockFile | None, LockFile | None]]:
    """Lock file → (the lock as it lies there, the lock as it has to be), by project.

    Services that are not named stay as their file has them. `wanted` puts the release of a rollout
    that is under way into the lock, for people to agree to by merging. Raises SpecError where a
    file cannot be read, so that nothing a person wrote is overwritten unseen.
    """
    chosen = services(home, named)
    locks: dict[Path, tuple[LockFile | None, LockFile | None]] = {}
    for project in dict.fromkeys(chosen.values()):
        path = home.project(project).folder / FILE
        old = read_lock(path)
        mine = [service for service, owner in chosen.items() if owner == project]
        locks[path] = (old, project_lock(home, project, mine, old, wanted=wanted, all_=not named))
    return locks


def project_lock(
    home: Home,
    project: str,
    mine: Sequence[str],
    old: LockFile | None,
    *,
    wanted: bool = False,
    all_: bool = True,
) -> LockFile | None:
    """The lock of one project; None where nothing was ever released and no file is there."""
    unchanged = (
        {} if all_ or old is None else {k: v for k, v in old.services.items() if k not in mine}
    )
    wanted_releases = {
        k: v.wanted.release for k, v in (old.services if old else {}).items() if v.wanted
    }
    entries = {
        service: entry(home, service, wanted_releases.get(service), wanted=wanted)
        for service in mine
    }
    released = {
        service: releases
        for service, releases in entries.items()
        if releases.live or releases.wanted
    }
    if old is None and not released:
        return None
    return LockFile(version=1, project=project, services={**unchanged, **released})


def entry(
    home: Home, service: str, asked: str | None = None, *, wanted: bool = False
) -> LockedService:
    """What the lock says of one service; what it `asked` for stays while that is under way."""
    live = home.ledger.rollouts.live_rollout(service)
    open_ = [w for w in home.ledger.rollouts.in_progress(service) if wanted or w.release == asked]
    return LockedService(
        live=release(home, live) if live else None,
        wanted=release(home, open_[-1]) if open_ else None,
    )


def release(home: Home, walking: RolloutRecord) -> LockedRelease:
    """One release as the lock has it; raises TidemillError where the ledger lost its record."""
    record = home.ledger.materialisations.release(walking.release)
    if record is None:
        raise TidemillError(
            f"the ledger has no record of release {walking.release[:19]} of '{walking.service}'; "
            "run its Rollout again"
        )
    approvals = home.ledger.approvals.of_subject(record.digest)
    return LockedRelease(
        release=record.digest,
        rollout=record.rollout,
        driver=walking.spec.driver,
        commit=record.commit.sha,
        specs=dict(record.specs),
        artefacts={name: _artefact(home, item) for name, item in record.artefacts.items()},
        dataset=LockedDataset.model_validate(asdict(record.dataset)),
        evaluation=LockedEvaluation(
            name=record.evaluation.name,
            digest=record.evaluation.digest,
            figures=tuple(map(_figure, record.evaluation.measures)),
        ),
        approvals=tuple(map(_approval, approvals)),
    )


def person(identity: Identity) -> str:
    """Somebody as a commit message names them."""
    return f"{identity.name} <{identity.principal}>" if identity.name else identity.principal


def top(home: Home) -> Path:
    """Root of the repository that holds the specs; raises ServiceError outside Git."""
    from tidemill.adapters.git.command import try_git

    root = try_git(home.settings.specs, "rev-parse", "--show-toplevel")
    if root is None:
        raise ServiceError(
            f"{display_path(home.settings.specs)} is in no Git repository; `git init` there, or "
            "leave "
            "--commit and --open-pr away"
        )
    return Path(root.strip())


def _artefact(home: Home, item: ReleasedArtefact) -> LockedArtefact:
    pointer = home.store.dvc_pointer(item.digest)
    return LockedArtefact(
        digest=item.digest,
        kind=item.kind,
        bytes=item.bytes,
        dvc=DvcPointer.model_validate(pointer) if pointer else None,
    )


def _figure(measure: Measure) -> LockedMeasure:
    return LockedMeasure(
        metric=measure.metric,
        slice=measure.slice,
        value=_finite(measure.value),
        low=_finite(measure.low),
        high=_finite(measure.high),
        rows=measure.rows,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _approval(approval: Approval) -> LockedApproval:
    at = approval.approved_at.astimezone(UTC).isoformat(timespec="seconds")
    return LockedApproval(
        who=approval.principal, how=approval.method, at=at, key=approval.fingerprint
    )
