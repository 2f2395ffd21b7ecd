"""One Tidemill home: settings, ledger, store and specs put together for a process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.adapters.clock import SystemClock
from tidemill.adapters.git import GitRepository
from tidemill.adapters.ledger import Ledger
from tidemill.adapters.row_index import RowTexts
from tidemill.adapters.store import DvcStore
from tidemill.adapters.store.content_store import artefact_name
from tidemill.engine.release_record import ReleaseRecord
from tidemill.errors import (
    AmbiguousName,
    ServiceError,
    StorageError,
    TidemillError,
    UnknownName,
)
from tidemill.ports import Artefact
from tidemill.settings import Settings

if TYPE_CHECKING:  # a verb that reads the ledger only should start at once
    from tidemill.pipeline.asset_state import ServiceReleases
    from tidemill.pipeline.builder import ProjectBuilder
    from tidemill.spec.load import Project, Workspace


@dataclass(frozen=True)
class Home:
    """Everything a command or an asset needs; parts open when first asked for."""

    settings: Settings

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger."""
        check_writable(self.settings.home)
        return Ledger.open(self.settings.ledger_url)

    def prepare_ledger(self) -> None:
        """Create or migrate the ledger before other processes are started, so that a person reads
        what comes of it here and not in their logs. Raises StorageError where it is refused."""
        self.ledger.engine.dispose()

    @property
    def has_ledger(self) -> bool:
        """False where a ledger in a file was never made."""
        return self.settings.has_ledger

    @cached_property
    def store(self) -> DvcStore:
        """The artefacts."""
        check_writable(self.settings.home)
        return DvcStore(self.settings.home / "store")

    @cached_property
    def row_index(self) -> RowTexts:
        """The texts of datasets' rows, to find near ones."""
        return RowTexts(self.settings.home / "why")

    @cached_property
    def clock(self) -> SystemClock:
        """The machine's time."""
        return SystemClock()

    @cached_property
    def workspace(self) -> Workspace:
        """The specs as they are now; raises SpecError with every problem."""
        from tidemill.spec.load import load

        # Resolved: what is read here stays one commit's when sync switches the link to another.
        return load(self.settings.specs.resolve())

    def with_fresh_specs(self) -> Home:
        """This home with the specs as they are now, over the same ledger."""
        return self.with_specs(self.settings.specs)

    def with_specs(self, specs: Path) -> Home:
        """This home with the specs of another folder, over the same ledger."""
        fresh = Home(self.settings.with_specs(specs))
        fresh.__dict__["ledger"] = self.ledger
        return fresh

    def release_folder(self, digest: str) -> Path:
        """Where a release's `release.json` lies."""
        return self.settings.home / "releases" / digest.removeprefix("sha256:")[:24]

    def builder(self, project: str) -> ProjectBuilder:
        """The builder of one project."""
        from tidemill.pipeline.builder import ProjectBuilder

        return ProjectBuilder(
            project=self.project(project),
            home=self.settings.home,
            cache=self.settings.cache,
            store=self.store,
            records=self.ledger.materialisations,
            repository=GitRepository(self.workspace.root),
            clock=self.clock,
            keep=self.record_artefacts,
            feedback=self.ledger.feedback,
            live=self.live_record,
            service_releases=self.service_releases,
            subject_key=self.settings.subject_key,
        )

    def record_artefacts(self, made: Sequence[Artefact]) -> None:
        """Remember artefacts, and of datasets which rows they hold."""
        from tidemill.data import origins

        self.ledger.materialisations.add_artefacts(made)
        for item in made:
            if item.kind == "dataset":
                self.ledger.lineage.add_dataset_rows(item.digest, origins.read(item.path))
                with suppress(TidemillError, OSError):  # `why` makes it when it is asked
                    self.row_index.add(item.digest, item.path)

    def backfill_row_index(self) -> None:
        """Index the rows of datasets whose build was killed before it recorded them; datasets
        whose files are missing are skipped."""
        for digest in self.ledger.lineage.datasets_without_rows():
            folder = self.store.artefacts / artefact_name("dataset", digest)
            if folder.is_dir():
                from tidemill.data import origins

                self.ledger.lineage.add_dataset_rows(digest, origins.read(folder))

    def project(self, name: str) -> Project:
        """One project; raises UnknownName with the nearest."""
        self.workspace.require_specs()
        if name not in self.workspace.projects:
            raise UnknownName("project", name, sorted(self.workspace.projects))
        return self.workspace.projects[name]

    def find_spec(self, name: str) -> tuple[str, str]:
        """(project, spec) of `project/spec`, or of a spec name that only one project has."""
        if "/" in name:
            project, spec = name.split("/", 1)
            specs = self.project(project).specs
            if spec not in specs:
                raise UnknownName(f"spec of '{project}'", spec, sorted(specs))
            return project, spec
        self.workspace.require_specs()
        projects = [p.name for p in self.workspace.projects.values() if name in p.specs]
        if len(projects) == 1:
            return projects[0], name
        names = sorted(
            f"{p.name}/{spec}" for p in self.workspace.projects.values() for spec in p.specs
        )
        if projects:
            raise AmbiguousName("spec", name, [f"{project}/{name}" for project in projects])
        raise UnknownName("spec", name, names)

    @contextmanager
    def lock_asset(self, project: str, name: str, owner: str) -> Iterator[None]:
        """Be the only run that builds this asset; a second one, alive meanwhile, waits for it."""
        lease, leases, wait = f"make:{project}/{name}", self.ledger.leases, timedelta(hours=2)
        with leases.show_alive(owner), leases.hold(lease, owner, wait=wait) as acquired:
            if not acquired:
                raise ServiceError(
                    f"another run has been building '{project}/{name}' for two hours; "
                    "see the runs in Dagster's UI and stop the one that hangs"
                )
            yield

    def live_record(self, name: str) -> ReleaseRecord | None:
        """The record of a service's live release, or of a release by its digest."""
        digest = name if name.startswith("sha256:") else self.ledger.rollouts.live_release(name)
        return self.ledger.materialisations.release(digest) if digest else None

    def service_releases(self, service: str) -> ServiceReleases:
        """The releases of a service that users may meet now."""
        from tidemill.pipeline.asset_state import ServiceReleases

        rollouts = self.ledger.rollouts.in_progress(service)
        records = (self.ledger.materialisations.release(one.release) for one in rollouts)
        return ServiceReleases(self.live_record(service), [one for one in records if one])


def check_writable(home: Path, *below: str) -> None:
    """Make the folder, or one below it, and see that it can be written; raises StorageError."""
    folder = home.joinpath(*below)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)  # another process may probe at the same time
    except OSError as error:
        raise StorageError(
            f"{home} cannot be written: {error.strerror}; "
            "set TIDEMILL_HOME to a folder with space that you may write"
        ) from error
