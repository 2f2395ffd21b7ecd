"""The demo's report: what was done, measured, and whether the story came true."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tidemill.demo.stage import SERVICE
from tidemill.engine.release_record import ReleaseRecord

if TYPE_CHECKING:
    from tidemill.demo.crowd import Quality
    from tidemill.demo.story import Story

FILE = "report.json"


def compose(story: Story, *, seconds: float) -> dict[str, Any]:
    """Write `report.json` beside the demo's repository and give it."""
    stage, results = story.stage, story.results
    counts = stage.home.ledger.events.event_counts()
    ingested = counts["inference"] + counts["feedback"]
    releases = stage.home.ledger.materialisations.releases(SERVICE)
    before, after = results["before"], results["after"]
    newest = releases[-1]
    report = {
        "ok": better(before, after) and ingested + counts["quarantine"] == story.sent,
        "seconds": round(seconds, 1),
        "steps": stage.steps,
        "events_sent": story.sent,
        "events_ingested": ingested,
        "quarantined": counts["quarantine"],
        "trigger": results["trigger"],
        "canary": results["steps"],
        "releases": [brief(release) for release in releases],
        "quality_before": before,
        "quality_after": after,
        "artefacts": [
            {"name": name, "digest": item.digest, "bytes": item.bytes}
            for name, item in newest.artefacts.items()
        ],
        "engine": engine(newest),
        "why": results["why"],
        "peak_bytes": stage.peak_bytes,
    }
    path, fresh = stage.folder / FILE, stage.folder / f".{FILE}"
    fresh.write_text(json.dumps(report, indent=2, ensure_ascii=False, default=str) + "\n")
    fresh.replace(path)
    return report


def better(before: Quality, after: Quality) -> bool:
    """True where the intervals do not touch: better by more than chance explains."""
    return bool(after["low"] > before["high"])


def brief(release: ReleaseRecord) -> dict[str, Any]:
    """One release: digest, commit, metrics over all rows."""
    return {
        "digest": release.digest,
        "spec_commit": release.commit.sha or None,
        "metrics": {measure.metric: measure.value for measure in release.evaluation.overall},
    }


def engine(release: ReleaseRecord) -> dict[str, Any] | None:
    """The TensorRT engine of a release: runtime, compute capabilities, bytes."""
    for name, item in release.artefacts.items():
        if item.kind == "engine":
            compute = item.meta.get("compute", [])
            return {"runtime": name.rsplit("/", 1)[-1], "compute": compute, "bytes": item.bytes}
    return None
