"""The kinds that steer instead of making bytes: the stream, the trigger, the release."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import dagster as dg

from tidemill.engine.release_record import ReleaseRecord
from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill.pipeline.builder import Line
from tidemill.pipeline.release import compose, spec_digests
from tidemill.pipeline.release_folder import Placed, Privacy, Release
from tidemill.report import gather
from tidemill.report.cards import model
from tidemill.spec.dataset import Dataset
from tidemill.spec.evaluation import Evaluation
from tidemill.spec.feedback import Feedback
from tidemill.spec.prompt import Prompt
from tidemill.spec.rollout import Rollout
from tidemill_assets.display import plain, table

Steer = Callable[[Home, Line, str, dg.AssetExecutionContext], dg.MaterializeResult[Any]]


def stream(
    home: Home, line: Line, name: str, _context: dg.AssetExecutionContext
) -> dg.MaterializeResult[Any]:
    """How much of a stream has reached the ledger."""
    spec = line.project.spec(name, Feedback)
    offsets = home.ledger.events.freeze(spec.topic)
    counts = home.ledger.events.summary()
    return dg.MaterializeResult(
        metadata={
            "offsets": plain(dict(offsets)),
            "dagster/row_count": counts["feedback"],
            "waiting for their answer": counts["waiting"],
            "in quarantine": counts["quarantine"],
        },
        data_version=dg.DataVersion(str(sorted(offsets.items()))),
    )


def trigger(
    home: Home, line: Line, name: str, _context: dg.AssetExecutionContext
) -> dg.MaterializeResult[Any]:
    """The last decisions of a trigger, with their reasons."""
    decisions = home.ledger.decisions.history(line.project.name, name, limit=10)
    rows = [{"when": d.at, "state": d.state, "reason": d.reason, "run": d.run} for d in decisions]
    return dg.MaterializeResult(metadata={"decisions": table(rows)} if rows else {})


def release(
    home: Home, line: Line, name: str, context: dg.AssetExecutionContext
) -> dg.MaterializeResult[Any]:
    """Bring out what passed its gates: record the release and ask for its rollout."""
    spec = line.project.spec(name, Rollout)
    record = compose(line, spec)
    refuse_replaced(home, line, spec, record.specs)
    folder = home.release_folder(record.digest)
    place(line, spec, record).write(folder)
    home.ledger.assets.add_release(record)
    home.ledger.rollouts.request(
        spec.service, record.digest, str(folder), spec.model_dump(mode="json", by_alias=True)
    )
    context.log.info(f"release {record.digest[7:19]} of '{spec.service}' asked for its traffic")
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


def refuse_replaced(home: Home, line: Line, spec: Rollout, specs: Mapping[str, str]) -> None:
    """Raise where this run reads the specs of a commit, and a newer one changed what counts."""
    trees = home.settings.git_home / "trees"
    folder = line.project.folder.resolve()
    if not folder.is_relative_to(trees):
        return
    tree = trees / folder.relative_to(trees).parts[0]
    now = home.at(home.settings.git_home / "current" / folder.parent.relative_to(tree))
    try:
        wanted = spec_digests(now.line(line.project.name), spec)
    except (TidemillError, KeyError):
        wanted = {}
    if wanted != specs:
        raise TidemillError(
            f"'{spec.name}' was made from {tree.name[:10]}, and a newer commit changed or took "
            "away what it is made of; its release is not brought out"
        )


def place(line: Line, spec: Rollout, record: ReleaseRecord) -> Release:
    """What the model server needs of a release, with the folders its artefacts lie in."""
    judged_by = line.project.spec(spec.judged_by, Evaluation)
    dataset = line.project.spec(judged_by.dataset, Dataset)
    return Release(
        digest=record.digest,
        service=spec.service,
        project=line.project.name,
        model=placed(line, record.model),
        prompt=placed(line, record.prompt) if record.prompt else None,
        bases={base.digest: line.store.get(base.digest).path for base in record.bases},
        encoder=encoder(line),
        spec_commit=record.commit.sha,
        privacy=Privacy(dataset.privacy.pii, dataset.privacy.kinds),
        cache=spec.cache,
    )


def placed(line: Line, digest: str) -> Placed:
    """An artefact and its folder; its bytes are checked."""
    return Placed(digest, line.store.get(digest).path)


def encoder(line: Line) -> Placed | None:
    """The sentence encoder that a prompt of the project looks things up with."""
    for spec in line.specs.values():
        if isinstance(spec, Prompt):
            for part in (spec.examples, spec.context):
                if part is not None and part.encoder:
                    return placed(line, line.current(part.encoder).artefact)
    return None


STEERING: Mapping[str, Steer] = {"Feedback": stream, "Trigger": trigger, "Rollout": release}
