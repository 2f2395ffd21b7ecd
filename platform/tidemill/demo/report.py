"""The demo's report: what was done, measured, and whether the story came true."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.demo.stage import SERVICE
from tidemill.engine.release_record import ReleaseRecord

if TYPE_CHECKING:
    from tidemill.demo.crowd import Quality
    from tidemill.demo.story import Story

FILE = "report.json"


@dataclass(frozen=True)
class ReleaseBrief:
    """One release: digest, commit, metrics over all rows."""

    digest: str
    spec_commit: str | None
    metrics: Mapping[str, float]

    @classmethod
    def of(cls, release: ReleaseRecord) -> ReleaseBrief:
        """The brief of a release."""
        metrics = {measure.metric: measure.value for measure in release.evaluation.overall}
        return cls(release.digest, release.commit.sha or None, metrics)


@dataclass(frozen=True)
class ArtefactBrief:
    """One artefact of the newest release."""

    name: str
    digest: str
    bytes: int


@dataclass(frozen=True)
class EngineBrief:
    """The TensorRT engine of the newest release."""

    runtime: str
    compute: object
    """Compute capabilities that it runs on."""
    bytes: int


@dataclass(frozen=True)
class DemoReport:
    """`report.json`."""

    ok: bool
    seconds: float
    steps: Sequence[Mapping[str, object]]
    """Name and seconds of each step; the last one is added when the services have stopped."""
    events_sent: int
    events_ingested: int
    quarantined: int
    trigger: Mapping[str, object]
    canary: Sequence[float]
    """Traffic shares of the candidate, in per cent, in their order."""
    releases: tuple[ReleaseBrief, ...]
    quality_before: Quality
    quality_after: Quality
    artefacts: tuple[ArtefactBrief, ...]
    engine: EngineBrief | None
    lineage: Mapping[str, object]
    """The lineage of one answer, as `tidemill why --json` gives it."""
    peak_bytes: int

    def to_dict(self) -> dict[str, object]:
        """JSON: the fields by their names, the lineage under `why`."""
        values = asdict(self)
        return {"why" if name == "lineage" else name: value for name, value in values.items()}

    def write(self, folder: Path) -> None:
        """As `report.json` in a folder: whole, or not at all."""
        path, fresh = folder / FILE, folder / f".{FILE}"
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, default=str)
        fresh.write_text(text + "\n")
        fresh.replace(path)


def compose(story: Story, *, seconds: float) -> DemoReport:
    """Write `report.json` beside the demo's repository and give it."""
    stage, results = story.stage, story.results
    counts = stage.home.ledger.events.event_counts()
    ingested = counts["inference"] + counts["feedback"]
    releases = stage.home.ledger.materialisations.releases(SERVICE)
    before, after = results["before"], results["after"]
    newest = releases[-1]
    report = DemoReport(
        ok=is_better(before, after) and ingested + counts["quarantine"] == story.sent,
        seconds=round(seconds, 1),
        steps=stage.steps,
        events_sent=story.sent,
        events_ingested=ingested,
        quarantined=counts["quarantine"],
        trigger=results["trigger"],
        canary=results["steps"],
        releases=tuple(map(ReleaseBrief.of, releases)),
        quality_before=before,
        quality_after=after,
        artefacts=tuple(
            ArtefactBrief(name, item.digest, item.bytes) for name, item in newest.artefacts.items()
        ),
        engine=engine(newest),
        lineage=results["why"],
        peak_bytes=stage.peak_bytes,
    )
    report.write(stage.folder)
    return report


def is_better(before: Quality, after: Quality) -> bool:
    """True where the intervals do not touch: better by more than chance explains."""
    return after.low > before.high


def engine(release: ReleaseRecord) -> EngineBrief | None:
    """The TensorRT engine of a release; None where it has none."""
    for name, item in release.artefacts.items():
        if item.kind == "engine":
            return EngineBrief(name.rsplit("/", 1)[-1], item.meta.get("compute", []), item.bytes)
    return None
