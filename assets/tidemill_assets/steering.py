"""The kinds that steer instead of making bytes: the stream, the trigger, the release."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import dagster as dg

from tidemill.control.bring_out_release import bring_out_release
from tidemill.home import Home
from tidemill.pipeline.builder import ProjectBuilder
from tidemill.report import gather
from tidemill.report.cards import model
from tidemill.spec.feedback import Feedback
from tidemill.spec.rollout import Rollout
from tidemill_assets.display import plain, progress, table

Steer = Callable[[Home, ProjectBuilder, str, dg.AssetExecutionContext], dg.MaterializeResult[Any]]


def stream(
    home: Home, builder: ProjectBuilder, name: str, _context: dg.AssetExecutionContext
) -> dg.MaterializeResult[Any]:
    """How much of a stream has reached the ledger."""
    spec = builder.project.spec(name, Feedback)
    offsets = home.ledger.feedback.frozen_offsets(spec.topic)
    counts = home.ledger.events.event_counts()
    return dg.MaterializeResult(
        metadata={
            "offsets": plain(dict(offsets)),
            "dagster/row_count": counts["feedback"],
            "waiting for their inference event": counts["waiting"],
            "in quarantine": counts["quarantine"],
        },
        data_version=dg.DataVersion(str(sorted(offsets.items()))),
    )


def trigger(
    home: Home, builder: ProjectBuilder, name: str, _context: dg.AssetExecutionContext
) -> dg.MaterializeResult[Any]:
    """The last decisions of a trigger, with their reasons."""
    decisions = home.ledger.trigger_decisions.history(builder.project.name, name, limit=10)
    rows = [
        {"when": d.decided_at, "state": d.state, "reason": d.reason, "run": d.run_id}
        for d in decisions
    ]
    return dg.MaterializeResult(metadata={"decisions": table(rows)} if rows else {})


def release(
    home: Home, builder: ProjectBuilder, name: str, context: dg.AssetExecutionContext
) -> dg.MaterializeResult[Any]:
    """The release that a rollout brings out, shown with its card."""
    spec = builder.project.spec(name, Rollout)
    requested = bring_out_release(home, builder, spec)
    progress(context)(requested.message)
    record = requested.record
    return dg.MaterializeResult(
        metadata={
            "release": record.digest,
            "service": spec.service,
            "driver": spec.driver,
            "steps": " → ".join(f"{step.percent} %" for step in spec.steps),
            "commit": record.commit.sha or "–",
            "artefacts": table([{"name": k, **asdict(v)} for k, v in record.artefacts.items()]),
            "card": dg.MetadataValue.md(model.body(gather.gather_release(home, record))),
        },
        data_version=dg.DataVersion(record.digest.removeprefix("sha256:")[:16]),
    )


STEERING: Mapping[str, Steer] = {"Feedback": stream, "Trigger": trigger, "Rollout": release}
