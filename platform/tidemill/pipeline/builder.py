"""Builds one asset of a project, or reuses the artefact that these very inputs gave before."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Protocol

from tidemill.engine.release_record import ReleaseRecord, SpecCommit
from tidemill.engine.staleness import BUILDABLE_KINDS, Fresh, NeverBuilt, Staleness, reason
from tidemill.errors import ArtefactError, MissingArtefact
from tidemill.pipeline.asset_state import (
    BuiltAssets,
    ServiceReleases,
    asset_version,
    snapshot,
)
from tidemill.pipeline.context import BuildContext, BuildResult
from tidemill.pipeline.feedback_offsets import frozen_offsets
from tidemill.pipeline.same_rows import first_build, identity, link_same_rows
from tidemill.ports import (
    Artefact,
    Clock,
    Materialisation,
    MaterialisationStore,
    Repository,
    Store,
)
from tidemill.progress import Progress, no_progress
from tidemill.spec.base import Spec
from tidemill.spec.dataset import Dataset
from tidemill.spec.digest import spec_digest
from tidemill.spec.evaluation import Evaluation, LiveBaseline, PinnedBaseline
from tidemill.spec.feedback import Feedback
from tidemill.spec.graph import references, upstream
from tidemill.spec.load import Project

TOOLS = (
    "tidemill",
    "torch",
    "transformers",
    "peft",
    "optimum",
    "optimum-onnx",
    "onnxruntime",
    "onnxruntime-genai",
    "tensorrt-rtx-cu13-libs",
    "great-expectations",
    "dvc",
    "numpy",
    "pyarrow",
)


class FeedbackReader(Protocol):
    """What datasets read of the ledger."""

    def frozen_offsets(self, topic: str) -> Mapping[str, int]:
        """The next offset of each `topic/partition` read so far, the inference topic included."""

    def rows(
        self,
        feedback: Feedback,
        kinds: Sequence[str],
        since: datetime | None,
        until: Mapping[str, int],
    ) -> Any:
        """Feedback joined to its inference, up to the frozen offsets."""

    def withdrawn_digest(self, topics: Sequence[str], frozen: Mapping[str, int]) -> str:
        """A digest over what is withdrawn of topics below frozen offsets; empty without any."""


@dataclass(frozen=True)
class ProjectBuilder:
    """Builds the assets of one project; an orchestrator calls `materialise` and nothing else."""

    project: Project
    home: Path
    cache: Path
    store: Store
    records: MaterialisationStore
    repository: Repository
    clock: Clock
    keep: Callable[[Sequence[Artefact]], None]
    feedback: FeedbackReader | None = None
    live: Callable[[str], ReleaseRecord | None] = field(default=lambda _service: None)
    """The live release's record, by service; or any release's, by digest."""
    service_releases: Callable[[str], ServiceReleases] = field(
        default=lambda _service: ServiceReleases()
    )
    subject_key: bytes | None = field(default=None, repr=False)
    """Keys the hash of user ids in rows."""

    @cached_property
    def specs(self) -> dict[str, Spec]:
        """All specs of the project by name."""
        return {name: loaded.spec for name, loaded in self.project.specs.items()}

    def spec_digest(self, name: str) -> str:
        """The semantic digest of one spec."""
        return spec_digest(self.project.specs[name], self.project)

    def parents(self, name: str) -> list[str]:
        """Specs this one refers to that become artefacts."""
        return [r for r in references(self.specs[name]) if self.specs[r].kind in BUILDABLE_KINDS]

    def upstream(self, name: str) -> list[str]:
        """All artefact specs behind this one, parents before children."""
        behind = upstream(self.project, name)
        return [
            item for item in behind if item != name and self.specs[item].kind in BUILDABLE_KINDS
        ]

    def staleness(self, *names: str) -> dict[str, Staleness]:
        """The state of these assets and of everything that they are built from, by name; of all
        assets of the project where none is named."""
        chosen = names or [
            name for name, spec in self.specs.items() if spec.kind in BUILDABLE_KINDS
        ]
        closure = dict.fromkeys(asset for name in chosen for asset in (*self.upstream(name), name))
        newest = {name: self.records.latest(self.project.name, name) for name in closure}
        records = {self._key(name): record for name, record in newest.items() if record}
        desired = {
            self._key(name): snapshot(self.project, name, needs_digest=self._key(name) in records)
            for name in closure
        }
        built = BuiltAssets(
            records, {}, self.service_releases, self.store, self.records, self._withdrawn_digest
        )
        states = built.staleness(desired)
        return {name: states[self._key(name)] for name in closure}

    def _key(self, name: str) -> str:
        return f"{self.project.name}/{name}"

    def current(self, name: str) -> Materialisation:
        """The newest record of an asset that is up to date; raises MissingArtefact with the way out
        for any other."""
        state = self.staleness(name)[name]
        record = self.records.latest(self.project.name, name)
        if isinstance(state, Fresh) and record is not None:
            return record
        way_out = f"run `tidemill run {self.project.name}/{name}`"
        if isinstance(state, NeverBuilt):
            raise MissingArtefact(f"'{name}' was never built here; {way_out}")
        raise MissingArtefact(f"'{name}' is stale: {reason(state)}; {way_out}")

    def materialise(
        self,
        name: str,
        *,
        run: str = "",
        offsets: Mapping[str, int] | None = None,
        progress: Progress = no_progress,
        started: Callable[[], None] = lambda: None,
    ) -> BuildResult:
        """Build the asset, or reuse the artefact that the same inputs gave before.

        `offsets` are those of a trigger's firing or of `--fresh`, see `feedback_offsets`; `started`
        is called where it is not reused. Raises what the builders of the kinds raise; nothing is
        recorded then.
        """
        spec = self.specs[name]
        parents = {parent: self.current(parent) for parent in self.parents(name)}
        frozen = self._freeze(spec, offsets)
        record = self._reusable(name, parents, frozen)
        if record and (reused := self._reuse(record, parents)):
            progress(f"{name}: reused {record.artefact[:19]}")
            return reused
        version = self._version(name, parents, frozen)
        started()
        started_at, clock = self.clock.now(), time.monotonic()
        progress(f"{name}: building {spec.kind.lower()}")
        result = self._build(spec, frozen, version, progress)
        places = (self.project.name, name, self.records, self.store)
        result = link_same_rows(result, *places, progress)
        self.keep([result.artefact, *result.steps.values()])
        seconds = time.monotonic() - clock
        self._record(name, result, parents, version, started_at, seconds, run)
        return result

    def _build(
        self, spec: Spec, frozen: Mapping[str, int], version: str, progress: Progress
    ) -> BuildResult:
        withdrawn = self._withdrawn_digest(self._topics(spec), frozen)
        context = self._build_context(spec, frozen, version[7:23], progress)
        kind = import_module(f"tidemill.pipeline.{spec.kind.lower()}")
        result: BuildResult = kind.build(spec, self._inputs(spec.name), context)
        topics = self._topics(spec)
        if not topics:
            return result
        frozen_facts = {"offsets": dict(frozen), "topics": topics}
        taken_out = {"withdrawn": withdrawn} if withdrawn else {}
        return replace(result, facts={**result.facts, **frozen_facts, **taken_out})

    def build_context(
        self, name: str, purpose: str, progress: Progress = no_progress
    ) -> BuildContext:
        """For work that builds no asset, such as a search; with a scratch folder of its own."""
        return self._build_context(self.specs[name], {}, purpose, progress)

    def reinstate(self, record: Materialisation, inputs: Mapping[str, str]) -> None:
        """Make a former record the newest again; nothing was built, so it took no time."""
        self.records.add(replace(record, inputs=inputs, seconds=0.0, id=0))

    def _reusable(
        self, name: str, parents: Mapping[str, Materialisation], frozen: Mapping[str, int]
    ) -> Materialisation | None:
        """The record whose artefact a build would give again: the newest where it is up to date,
        else an earlier one of the same version."""
        newest = self.records.latest(self.project.name, name)
        same_rows = newest is not None and (newest.facts.get("offsets") or {}) == frozen
        if newest and same_rows and isinstance(self.staleness(name)[name], Fresh):
            return newest
        version = self._version(name, parents, frozen)
        return self.records.by_version(self.project.name, name, version)

    def _version(
        self, name: str, parents: Mapping[str, Materialisation], frozen: Mapping[str, int]
    ) -> str:
        inputs = {key: identity(parent) for key, parent in parents.items()}
        baseline = self._baseline_release(self.specs[name])
        digest = self.spec_digest(name)
        withdrawn = self._withdrawn_digest(self._topics(self.specs[name]), frozen)
        return asset_version(digest, inputs, frozen, baseline.digest if baseline else "", withdrawn)

    def _withdrawn_digest(self, topics: Sequence[str], frozen: Mapping[str, int]) -> str:
        if self.feedback is None or not topics:
            return ""
        return self.feedback.withdrawn_digest(topics, frozen)

    def _freeze(self, spec: Spec, requested: Mapping[str, int] | None) -> dict[str, int]:
        if self.feedback is None:
            return {}
        last = self.records.latest(self.project.name, spec.name)
        facts = last.facts if last else None
        return frozen_offsets(self._topics(spec), requested, facts, self.feedback.frozen_offsets)

    def _topics(self, spec: Spec) -> list[str]:
        """The topics that a dataset reads feedback of."""
        if not isinstance(spec, Dataset):
            return []
        sources = (source for source in spec.sources if source.type == "feedback")
        return [self._feedback_spec(source.of).topic for source in sources]

    def _feedback_spec(self, name: str) -> Feedback:
        return self.project.spec(name, Feedback)

    def _reuse(
        self, record: Materialisation, parents: Mapping[str, Materialisation]
    ) -> BuildResult | None:
        try:
            artefact = self.store.get(record.artefact)
            steps = {step: self.store.get(digest) for step, digest in record.steps.items()}
        except MissingArtefact:
            return None
        newest = self.records.latest(record.project, record.name)
        if newest and newest.id != record.id:
            self.reinstate(record, {name: parent.artefact for name, parent in parents.items()})
        return BuildResult(
            artefact=artefact,
            steps=steps,
            measures=record.measures,
            checks=record.checks,
            facts=record.facts,
            reused=True,
        )

    def _inputs(self, name: str) -> dict[str, Artefact]:
        # Of builds with the same rows the first one, so that a version always has the same bytes.
        builds = {
            up: first_build(self.records, self.store, self.current(up))
            for up in self.upstream(name)
        }
        inputs = {up: self.store.get(build.artefact) for up, build in builds.items()}
        spec = self.specs[name]
        live = self._baseline_release(spec)
        if not (live and isinstance(spec, Evaluation)):
            return inputs
        other_rows = live.dataset.digest != identity(self.current(spec.dataset))
        if other_rows and isinstance(spec.baseline, LiveBaseline):
            inputs |= self._live_inputs(spec.baseline.service, live)
        return inputs

    def _live_inputs(self, service: str, live: ReleaseRecord) -> dict[str, Artefact]:
        """The live release's own model and prompt, to answer rows that it never answered."""
        digests = {f"live:{service}": live.model, f"live-prompt:{service}": live.prompt}
        try:
            return {key: self.store.get(digest) for key, digest in digests.items() if digest}
        except ArtefactError:
            return {}

    def _baseline_release(self, spec: Spec) -> ReleaseRecord | None:
        if not isinstance(spec, Evaluation) or spec.baseline is None:
            return None
        if isinstance(spec.baseline, PinnedBaseline):
            return self.live(spec.baseline.release)
        return self.live(spec.baseline.service)

    def _build_context(
        self, spec: Spec, frozen: Mapping[str, int], folder: str, progress: Progress
    ) -> BuildContext:
        scratch = self.home / "scratch" / self.project.name / spec.name / folder
        scratch.mkdir(parents=True, exist_ok=True)

        def read(name: str, kinds: Sequence[str], since: datetime | None) -> Any:
            assert self.feedback is not None
            return self.feedback.rows(self._feedback_spec(name), kinds, since, frozen)

        def baseline_report(name: str) -> Artefact | None:
            release = self.live(name)
            return self.store.get(release.evaluation.digest) if release else None

        return BuildContext(
            project_folder=self.project.folder,
            scratch=scratch,
            cache=self.cache,
            store=self.store,
            clock=self.clock,
            progress=progress,
            read_feedback=read if self.feedback else None,
            baseline_report=baseline_report,
            specs=self.specs,
            subject_key=self.subject_key,
        )

    def _record(
        self,
        name: str,
        result: BuildResult,
        parents: Mapping[str, Materialisation],
        version: str,
        started: datetime,
        seconds: float,
        run: str,
    ) -> None:
        commit = self.repository.head()
        self.records.add(
            Materialisation(
                project=self.project.name,
                name=name,
                kind=self.specs[name].kind,
                version=version,
                spec_digest=self.spec_digest(name),
                artefact=result.artefact.digest,
                steps={step: item.digest for step, item in result.steps.items()},
                inputs={key: parent.artefact for key, parent in parents.items()},
                commit=commit.to_spec_commit() if commit else SpecCommit(),
                tools=tool_versions(),
                measures=tuple(result.measures),
                checks=tuple(result.checks),
                facts=dict(result.facts),
                started_at=started,
                seconds=seconds,
                peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                run_id=run,
            )
        )


def tool_versions() -> dict[str, str]:
    """Versions of the installed packages that can change an artefact's bytes."""
    versions = {}
    for package in TOOLS:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
