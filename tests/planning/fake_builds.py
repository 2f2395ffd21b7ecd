"""Assets that count as built, with real records and files but without the work."""

from __future__ import annotations

from dataclasses import replace

from tidemill.engine.measurement import Check
from tidemill.engine.release_record import SpecCommit
from tidemill.engine.staleness import BUILDABLE_KINDS
from tidemill.home import Home
from tidemill.pipeline.asset_state import asset_version
from tidemill.pipeline.release import compose
from tidemill.pipeline.same_rows import SAME_ROWS_AS
from tidemill.ports import Materialisation
from tidemill.spec.graph import build_order
from tidemill.spec.rollout import Rollout


def build(
    home: Home,
    project: str,
    name: str,
    *,
    content: str = "",
    passed: bool = True,
    same_rows_as: str = "",
) -> Materialisation:
    """Record one asset as built from its spec and its inputs as they stand; `content` is what
    its artefact holds, `same_rows_as` an earlier dataset with the same rows."""
    builder = home.with_fresh_specs().builder(project)
    folder = home.settings.home / "scratch" / name
    folder.mkdir(parents=True)
    (folder / "content.txt").write_text(f"{name} {content}")
    artefact = home.store.put(folder, kind=builder.specs[name].kind.lower())
    home.ledger.materialisations.add_artefacts([artefact])
    newest = {
        parent: home.ledger.materialisations.latest(project, parent)
        for parent in builder.parents(name)
    }
    inputs = {parent: record.artefact for parent, record in newest.items() if record}
    digest = builder.spec_digest(name)
    record = Materialisation(
        project=project,
        name=name,
        kind=builder.specs[name].kind,
        version=asset_version(digest, inputs, {}, ""),
        spec_digest=digest,
        artefact=artefact.digest,
        steps={},
        inputs=inputs,
        commit=SpecCommit(),
        tools={},
        measures=(),
        checks=(),
        facts={SAME_ROWS_AS: same_rows_as} if same_rows_as else {},
        started_at=home.clock.now(),
        seconds=60.0,
    )
    if not passed:
        record = replace(record, checks=(Check("gate", False, "too low"),))
    return home.ledger.materialisations.add(record)


def build_all(home: Home, project: str) -> None:
    """Everything that the project's specs describe, releases included."""
    fresh = home.with_fresh_specs()
    specs = fresh.builder(project).specs
    for name in build_order(fresh.project(project)):
        if specs[name].kind in BUILDABLE_KINDS:
            build(home, project, name)
    for name in specs:
        release(home, project, name)


def release(home: Home, project: str, name: str) -> None:
    """The release that a rollout brings out now; nothing for other kinds."""
    builder = home.with_fresh_specs().builder(project)
    spec = builder.specs[name]
    if isinstance(spec, Rollout):
        home.ledger.materialisations.add_release(compose(builder, spec))
