"""What staleness is decided from: specs as they stand, and the newest records of their assets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tidemill.content import PREFIX
from tidemill.engine.release_record import ReleaseRecord
from tidemill.engine.spec_snapshot import FILES, TECHNIQUES, TEXT, SpecSnapshot
from tidemill.engine.staleness import (
    ASSET_KINDS,
    BUILDABLE_KINDS,
    RecordedAsset,
    Staleness,
    staleness,
)
from tidemill.pipeline.same_rows import identity, input_identities
from tidemill.ports import Materialisation, MaterialisationStore, Store
from tidemill.spec.digest import digest_inputs
from tidemill.spec.evaluation import Evaluation, LiveBaseline
from tidemill.spec.graph import references
from tidemill.spec.load import Project


@dataclass(frozen=True)
class ServiceReleases:
    """The releases of one service that users may meet now."""

    live: ReleaseRecord | None = None
    open: Sequence[ReleaseRecord] = ()
    """Releases whose rollout has not ended."""


@dataclass(frozen=True)
class BuiltAssets:
    """What is built here: the newest records, the releases, and the files."""

    records: Mapping[str, Materialisation]
    """The newest record of each asset, by `project/name`."""
    releases: Mapping[str, Sequence[ReleaseRecord]]
    """All releases of each rollout, by `project/name`, oldest first."""
    service_releases: Callable[[str], ServiceReleases]
    store: Store | None
    """None where the files are on another machine."""
    history: MaterialisationStore
    """Former records."""
    withdrawn: Callable[[Sequence[str], Mapping[str, int]], str] = field(
        default=lambda _topics, _offsets: ""
    )
    """A digest over the feedback that is withdrawn of topics below frozen offsets; empty without
    any."""

    @property
    def failed_assets(self) -> set[str]:
        """Assets whose newest record failed a blocking check, by `project/name`."""
        return {key for key, record in self.records.items() if not record.has_passed}

    def staleness(
        self,
        desired: Mapping[str, SpecSnapshot],
        former: Mapping[str, SpecSnapshot] | None = None,
    ) -> dict[str, Staleness]:
        """The state of each desired spec that is built, by `project/name`; specs that only steer
        are left out. `former` has specs that assets may have been built from, to compare fields.
        """
        assets = {key: spec for key, spec in desired.items() if spec.kind in ASSET_KINDS}
        recorded = {
            key: record
            for key, spec in assets.items()
            if (record := self._recorded_asset(spec, (former or {}).get(key))) is not None
        }
        built = (recorded[key] for key in recorded if assets[key].kind != "Rollout")
        missing = self.store.missing({record.artefact for record in built}) if self.store else ()
        return staleness(assets, recorded, missing)

    def present_release(self, spec: SpecSnapshot) -> ReleaseRecord | None:
        """The release of a rollout's present spec and artefacts; None where there is none."""
        releases = reversed(self.releases.get(spec.key, ()))
        return next((release for release in releases if self._is_present(spec, release)), None)

    def _recorded_asset(
        self, spec: SpecSnapshot, former: SpecSnapshot | None
    ) -> RecordedAsset | None:
        if spec.kind == "Rollout":
            return self._release(spec, former)
        record = self.records.get(spec.key)
        if record is None:
            return None
        return RecordedAsset(
            record.spec_digest,
            record.artefact,
            input_identities(record, self.records, self.history),
            _fields(record.spec_digest, spec, former),
            self._changed_baseline(spec, record) or self._changed_feedback(record),
            identity(record),
        )

    def _release(self, spec: SpecSnapshot, former: SpecSnapshot | None) -> RecordedAsset | None:
        """The release of the present spec and artefacts if there is one, else the newest."""
        release = self.present_release(spec) or next(
            iter(reversed(self.releases.get(spec.key, ()))), None
        )
        if release is None:
            return None
        return RecordedAsset(
            release.specs[spec.name],
            release.digest,
            {name: item.digest for name, item in release.artefacts.items()},
            _fields(release.specs[spec.name], spec, former),
        )

    def _is_present(self, spec: SpecSnapshot, release: ReleaseRecord) -> bool:
        newest = {name: self.records.get(f"{spec.project}/{name}") for name in spec.inputs}
        released = {name: item.digest for name, item in release.artefacts.items()}
        return release.specs[spec.name] == spec.digest and all(
            record is not None and record.artefact == released.get(name)
            for name, record in newest.items()
        )

    def _changed_baseline(self, spec: SpecSnapshot, record: Materialisation) -> str:
        """The live release that an evaluation was not compared with; empty where there is none.

        An evaluation whose own release is live, or on its way, has been used: it stays as it is.
        """
        if not spec.baseline:
            return ""
        releases = self.service_releases(spec.baseline)
        used = [*releases.open, *([releases.live] if releases.live else [])]
        if any(release.evaluation.digest == record.artefact for release in used):
            return ""
        live = releases.live.digest if releases.live else ""
        version = asset_version(
            record.spec_digest, input_identities(record, self.records, self.history), {}, live
        )
        return "" if version == record.version else f"the live release of '{spec.baseline}'"

    def _changed_feedback(self, record: Materialisation) -> str:
        """The feedback that a dataset was built from, where rows of it were withdrawn or put back
        since; empty where it is the same."""
        if not (topics := record.facts.get("topics")):
            return ""
        now = self.withdrawn(topics, record.facts.get("offsets") or {})
        return "" if now == record.facts.get("withdrawn", "") else "its set of withdrawn feedback"


def asset_version(
    spec_digest: str,
    inputs: Mapping[str, str],
    offsets: Mapping[str, int],
    baseline: str,
    withdrawn: str = "",
) -> str:
    """The digest of everything that an asset is built from: its spec, the identities of its inputs
    by name, the frozen offsets of its feedback, the release that it is compared with, and what was
    withdrawn of its feedback."""
    content: dict[str, object] = {
        "spec": spec_digest,
        "inputs": dict(inputs),
        "offsets": dict(offsets),
        "baseline": baseline,
    }
    if withdrawn:
        content["withdrawn"] = withdrawn
    return PREFIX + hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def snapshot(project: Project, name: str, *, needs_digest: bool = True) -> SpecSnapshot:
    """One spec of a project; raises SpecError where a file it names cannot be read. Without
    `needs_digest` it has neither digest nor fields, and no file is read."""
    loaded = project.specs[name]
    if not needs_digest:
        inputs = inputs_of(project, name, references(loaded.spec))
        return SpecSnapshot(project.name, name, loaded.spec.kind, "", inputs)
    contents = digest_inputs(loaded, project)
    beside = {FILES: contents.files, TECHNIQUES: contents.techniques, TEXT: loaded.sha256}
    return SpecSnapshot(
        project.name,
        name,
        loaded.spec.kind,
        contents.digest,
        inputs_of(project, name, contents.references),
        {**contents.values, **beside},
        _baseline_service(loaded.spec),
    )


def inputs_of(project: Project, name: str, references: Iterable[str]) -> tuple[str, ...]:
    """Names of the specs whose artefacts this asset is built from."""
    if project.specs[name].spec.kind not in ASSET_KINDS:
        return ()
    named = (project.specs[other].spec for other in references if other in project.specs)
    return tuple(spec.name for spec in named if spec.kind in BUILDABLE_KINDS)


def _baseline_service(spec: object) -> str:
    if isinstance(spec, Evaluation) and isinstance(spec.baseline, LiveBaseline):
        return spec.baseline.service
    return ""


def _fields(digest: str, *specs: SpecSnapshot | None) -> Mapping[str, object]:
    """The fields of the spec with this digest, where it is one of these."""
    return next((spec.fields for spec in specs if spec is not None and spec.digest == digest), {})
