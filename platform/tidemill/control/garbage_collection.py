"""Frees what a home does not need any more: finds the needs, lets the engine decide, and drops."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tidemill.adapters.ledger import lease_owner
from tidemill.control.deployer_choice import retired_limit, rollback_targets
from tidemill.engine.garbage import Collection, Need, StoredArtefact, StoredFolder, collect
from tidemill.engine.release_record import ReleaseRecord
from tidemill.errors import ServiceError, StorageError
from tidemill.home import Home
from tidemill.planning.revisions import CACHE
from tidemill.ports import Materialisation
from tidemill.records import RolloutRecord
from tidemill.spec import lock
from tidemill.spec.evaluation import Evaluation, PinnedBaseline
from tidemill.spec.load import Project
from tidemill.spec.lock import LockedRelease

BUILD_LEASES = "make:"
"""Prefix of the leases that builds hold."""


@contextmanager
def collection(home: Home) -> Iterator[Collection]:
    """What can be freed, while no asset can be built: a build's new artefact is in no record yet.

    Raises ServiceError while something is being built, StorageError where the ledger is missing
    or does not have a release that is needed, SpecError for a spec or a lock that cannot be read.
    """
    if not home.has_ledger:
        raise StorageError(
            f"there is no ledger at {home.settings.home}, so nobody can say what is needed; "
            "set TIDEMILL_HOME to the home whose store you mean"
        )
    home.workspace.require_specs()
    now, leases = home.clock.now(), home.ledger.leases
    assets = [f"{p.name}/{spec}" for p in home.workspace.projects.values() for spec in p.specs]
    names = [f"{BUILD_LEASES}{asset}" for asset in assets]
    others = {lease.name for lease in leases.with_prefix(BUILD_LEASES, now)} - set(names)
    with leases.hold_all(names, lease_owner.current_owner()) as busy:
        if other := busy or next(iter(others), None):
            raise ServiceError(
                f"'{other.removeprefix(BUILD_LEASES)}' is being built; run `tidemill gc` again "
                "when that run has ended"
            )
        yield collect(_artefacts(home), _folders(home), _needs(home))


def free(home: Home, garbage: Collection) -> None:
    """Drop the artefacts and remove the folders of a collection. May be repeated; killed in the
    middle, it leaves everything else as it was."""
    for folder in garbage.folders:
        path = home.settings.home / folder.path
        if path.is_relative_to(home.store.root):
            continue  # under the store's lock, below
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    home.store.drop_all(artefact.digest for artefact in garbage.artefacts)


def _artefacts(home: Home) -> Iterator[StoredArtefact]:
    for record in home.store.records():
        files = {entry.sha256: entry.size for entry in record.files}
        yield StoredArtefact(record.digest, record.kind, files)


def _needs(home: Home) -> Iterator[Need]:
    for service in home.ledger.rollouts.services():
        for rollout, reason in _needed_rollouts(home, service):
            record = _release(home, rollout.release, reason)
            yield Need(_relative(home, home.release_folder(rollout.release)), reason)
            yield from (Need(digest, reason) for digest in _digests(record))
    for project in home.workspace.projects.values():
        yield from _lock_needs(project)
        yield from _baseline_needs(home, project)
        yield from _build_needs(home, project)
    yield Need(CACHE, "plan cache of this version")


def _needed_rollouts(home: Home, service: str) -> Iterator[tuple[RolloutRecord, str]]:
    """The live release, those under way, and those kept ready for a rollback."""
    rollouts = home.ledger.rollouts
    live = rollouts.live_rollout(service)
    if live:
        yield live, f"live release of {service}"
    for rollout in rollouts.in_progress(service):
        yield rollout, f"rollout in progress of {service}"
    for rollout in rollback_targets(live, rollouts.retired_rollouts(service, retired_limit(live))):
        yield rollout, f"kept for a rollback of {service}"


def _release(home: Home, digest: str, reason: str) -> ReleaseRecord:
    record = home.ledger.materialisations.release(digest)
    if record is None:
        raise StorageError(
            f"the ledger has no record of {digest} ({reason}), so its artefacts are unknown; "
            "restore the ledger from a copy, or bring that service out anew"
        )
    return record


def _digests(record: ReleaseRecord) -> Iterator[str]:
    """Every artefact that a release stands on."""
    yield from (artefact.digest for artefact in record.artefacts.values())
    yield from (record.model, record.dataset.digest, record.evaluation.digest)
    yield from (base.digest for base in record.bases)
    if record.prompt:
        yield record.prompt


def _lock_needs(project: Project) -> Iterator[Need]:
    """What the project's lock file names; raises SpecError for one that cannot be read."""
    lock_file = lock.read_lock(project.folder / lock.FILE)
    for service, releases in lock_file.services.items() if lock_file else ():
        for release in (releases.live, releases.wanted):
            reason = f"{lock.FILE} of {service}"
            yield from (Need(digest, reason) for digest in _locked_digests(release))


def _locked_digests(release: LockedRelease | None) -> Iterator[str]:
    if release is not None:
        yield from (artefact.digest for artefact in release.artefacts.values())
        yield from (release.dataset.digest, release.evaluation.digest)


def _baseline_needs(home: Home, project: Project) -> Iterator[Need]:
    """Releases that an evaluation compares with for good."""
    for loaded in project.specs.values():
        if isinstance(loaded.spec, Evaluation) and isinstance(loaded.spec.baseline, PinnedBaseline):
            record = home.live_record(loaded.spec.baseline.release)
            reason = f"pinned baseline of {project.name}/{loaded.spec.name}"
            yield from (Need(digest, reason) for digest in (_digests(record) if record else ()))


def _build_needs(home: Home, project: Project) -> Iterator[Need]:
    """The newest build of each spec with its inputs, and the scratch folders of unfinished ones."""
    for name in project.specs:
        newest = home.ledger.materialisations.latest(project.name, name)
        reason = f"newest build of {project.name}/{name}"
        yield from (Need(digest, reason) for digest in (_outputs(newest) if newest else ()))
        for folder in _scratch(home, project.name, name):
            if not home.ledger.materialisations.is_built(
                project.name, name, f"sha256:{folder.name}"
            ):
                reason = f"unfinished build of {project.name}/{name}"
                yield Need(_relative(home, folder), reason)


def _outputs(newest: Materialisation) -> Iterator[str]:
    yield newest.artefact
    yield from newest.steps.values()
    yield from newest.inputs.values()


def _scratch(home: Home, project: str = "*", name: str = "*") -> Iterator[Path]:
    """Working folders of builds: `scratch/<project>/<spec>/<version>`."""
    return (home.settings.home / "scratch").glob(f"{project}/{name}/*")


def _folders(home: Home) -> Iterator[StoredFolder]:
    root = home.settings.home
    paths = [*_scratch(home), *root.glob("releases/*"), *root.glob("plan-cache-*.db*")]
    paths += home.store.unregistered()
    for path in paths:
        yield StoredFolder(_relative(home, path), _bytes(path))


def _relative(home: Home, path: Path) -> str:
    return path.relative_to(home.settings.home).as_posix()


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else (file for file in path.rglob("*") if file.is_file())
    return sum(file.lstat().st_size for file in files)
