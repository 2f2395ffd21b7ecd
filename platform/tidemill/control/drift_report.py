"""Every service from three sides: Git's lock and specs, the ledger, and what is really served."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from tidemill.adapters.git import GitRepository, history
from tidemill.adapters.store.remote import dvc_root
from tidemill.control.lockfile import entry, services
from tidemill.engine.config_drift import LOCK_DRIFTS, ConfigDrift, config_drifts
from tidemill.engine.service_status import DesiredState, ObservedState, RecordedState, ServiceStatus
from tidemill.errors import MissingArtefact, SpecError, TamperedArtefact
from tidemill.home import Home
from tidemill.records import RolloutRecord
from tidemill.spec.digest import spec_digest
from tidemill.spec.load import Workspace, display_path, load
from tidemill.spec.lock import FILE, LockedRelease, LockedService, parse_lock
from tidemill.spec.lock_pointers import pointer, pointer_file

See = Callable[[str, RolloutRecord], ObservedState]
"""What a service's driver says is served."""


@dataclass(frozen=True)
class Checkout:
    """What the checked-out commit holds."""

    commit: str
    workspace: Workspace | None
    """Its specs; None where they cannot be used."""

    @cached_property
    def digests(self) -> Mapping[str, Mapping[str, str]] | None:
        """Project → spec → digest; None where they cannot be used."""
        if self.workspace is None:
            return None
        try:
            return {
                project.name: {
                    name: spec_digest(loaded, project) for name, loaded in project.specs.items()
                }
                for project in self.workspace.projects.values()
            }
        except SpecError:
            return None


def standings(home: Home, see: See) -> list[ServiceStatus]:
    """Every service that specs or ledger know, by name."""
    with checkout(home) as git:
        chosen = _all(home)
        return [_standing(home, git, name, project, see) for name, project in chosen.items()]


def lock_drifts(home: Home, named: Collection[str] = ()) -> list[ConfigDrift]:
    """Where the lock files as they lie here do not say what the ledger says."""
    drifts: list[ConfigDrift] = []
    for service, project in sorted(services(home, named).items()):
        path = home.project(project).folder / FILE
        git = _git_side(home, service, _on_disk, path, "here")
        standing = ServiceStatus(project, service, git, _ledger_side(home, service))
        drifts += [drift for drift in config_drifts(standing) if drift.kind in LOCK_DRIFTS]
    return drifts


@contextmanager
def checkout(home: Home) -> Iterator[Checkout]:
    """The specs at HEAD: those of the working tree where it is clean, else a worktree's."""
    repository = GitRepository(home.settings.specs)
    head = repository.head()
    if head is None:
        yield Checkout("", _load_or_none(home.settings.specs))
    elif not head.dirty:
        yield Checkout(head.sha, _load_or_none(home.settings.specs))
    else:
        with repository.checkout(head.sha) as tree:
            inside = history.path_in_repository(home.settings.specs)
            yield Checkout(head.sha, _load_or_none(tree / inside))


def _load_or_none(folder: Path) -> Workspace | None:
    try:
        return load(folder)
    except SpecError:
        return None


def _all(home: Home) -> dict[str, str]:
    """Service → project, those of the ledger whose Rollout is gone from the specs too."""
    try:
        projects = services(home)
    except SpecError:
        projects = {}
    for service in home.ledger.rollouts.services():
        if service not in projects:
            live = home.ledger.rollouts.live_release(service)
            record = home.ledger.materialisations.release(live) if live else None
            projects[service] = record.project if record else ""
    return dict(sorted(projects.items()))


def _standing(home: Home, git: Checkout, service: str, project: str, see: See) -> ServiceStatus:
    path = home.settings.specs / project / FILE
    if git.workspace is not None and project in git.workspace.projects:
        folder = home.settings.specs / git.workspace.projects[project].folder.name
        path = (folder if folder.is_dir() else home.settings.specs) / FILE
    live = home.ledger.rollouts.live_rollout(service)

    def at_head(file: Path) -> bytes | None:
        return history.file_at(home.settings.specs, "HEAD", file)

    side = _git_side(home, service, at_head, path, git.commit)
    return ServiceStatus(
        project=project,
        service=service,
        desired=replace(side, specs=None if git.digests is None else git.digests.get(project, {})),
        recorded=_ledger_side(home, service),
        observed=see(service, live) if live else ObservedState({}),
        damaged_artefacts=_damaged_artefacts(home, live.release if live else None),
    )


def _on_disk(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _git_side(
    home: Home, service: str, read: Callable[[Path], bytes | None], path: Path, commit: str
) -> DesiredState:
    try:
        content = read(path) if commit else None
        locked = parse_lock(content, display_path(path)).services.get(service) if content else None
    except SpecError as error:
        return DesiredState(commit, error=str(error.problems[0]))
    if locked is None:
        return DesiredState(commit)
    return DesiredState(
        commit,
        release=locked.live.release if locked.live else None,
        wanted_release=locked.wanted.release if locked.wanted else None,
        lock_edited=_is_lock_edited(home, service, locked),
        pointer_behind=_pointer_behind(service, locked, read, path.parent),
    )


def _pointer_behind(
    service: str, locked: LockedService, read: Callable[[Path], bytes | None], project: Path
) -> bool:
    """True where a DVC repository's pointer differs from what the lock makes of it."""
    if dvc_root(project) is None:
        return False
    expected = pointer(service, locked.live) if locked.live else None
    return read(project / pointer_file(service)) != expected


def _is_lock_edited(home: Home, service: str, locked: LockedService) -> bool:
    """True where the lock names the live release and says other things of it."""
    live = home.ledger.rollouts.live_release(service)
    if locked.live is None or locked.live.release != live:
        return False
    recorded = entry(home, service).live
    return recorded is None or _without_pointers(recorded) != _without_pointers(locked.live)


def _without_pointers(release: LockedRelease) -> LockedRelease:
    """What a lock says of a release, without what only the machine that made it knows."""
    artefacts = {
        name: item.model_copy(update={"dvc": None}) for name, item in release.artefacts.items()
    }
    return release.model_copy(update={"artefacts": artefacts})


def _ledger_side(home: Home, service: str) -> RecordedState:
    live = home.ledger.rollouts.live_rollout(service)
    if live is None:
        return RecordedState()
    record = home.ledger.materialisations.release(live.release)
    walks = [w for w in home.ledger.rollouts.in_progress(service) if w.state == "running"]
    others = {w.release: w.percent for w in walks[-1:] if not w.spec.is_shadow}
    shares = {live.release: 100.0 - sum(others.values()), **others}
    return RecordedState(live.release, record.specs if record else {}, shares)


def _damaged_artefacts(
    home: Home, release: str | None
) -> dict[str, Literal["missing", "tampered"]]:
    record = home.ledger.materialisations.release(release) if release else None
    damage: dict[str, Literal["missing", "tampered"]] = {}
    for name, item in record.artefacts.items() if record else ():
        try:
            home.store.get(item.digest)
        except MissingArtefact:
            damage[name] = "missing"
        except TamperedArtefact:
            damage[name] = "tampered"
    return damage
