"""Bringing a former release back without making anything: what a revert in Git asks for."""

from __future__ import annotations

import sys

from tidemill.control.bring_out_release import request_rollout
from tidemill.engine.release_record import ReleaseRecord
from tidemill.engine.sync import release_of_same_specs
from tidemill.errors import ArtefactError
from tidemill.home import Home
from tidemill.pipeline.builder import ProjectBuilder
from tidemill.pipeline.release import behind, spec_digests
from tidemill.pipeline.release_folder import ServedRelease
from tidemill.ports import Materialisation
from tidemill.spec.rollout import Rollout


def restore(home: Home, project: str, name: str, by: str) -> str | None:
    """Ask for the release that the specs of a rollout made before; gives its digest.

    None where there is none, where it was rolled back, or where its bytes are gone: then the
    rollout has to be made. The records of what it was made of become the newest again, and a
    candidate of other specs that is on its way is taken back, in the name of `by`. May be repeated.
    """
    builder = home.builder(project)
    rollout = builder.project.spec(name, Rollout)
    record = _former(home, builder, rollout)
    makings = _makings(home, builder, rollout, record) if record else None
    if record is None or makings is None or not _whole(home, record.digest):
        return None
    for making in makings:
        inputs = {name: record.artefacts[name].digest for name in making.inputs}
        newest = home.ledger.materialisations.latest(project, making.name)
        if newest is None or (newest.artefact, newest.inputs) != (making.artefact, inputs):
            builder.reinstate(making, inputs)
    request_rollout(home, rollout, record.digest)
    for row in home.ledger.rollouts.in_progress(rollout.service):
        if row.release != record.digest:  # the former release is live still, and stays so
            home.ledger.rollouts.send_command(row.id, "rollback", by)
    return record.digest


def _former(home: Home, builder: ProjectBuilder, rollout: Rollout) -> ReleaseRecord | None:
    releases = [
        record
        for record in home.ledger.materialisations.releases(rollout.service)
        if record.project == builder.project.name and record.rollout == rollout.name
    ]
    walks = home.ledger.rollouts.newest(rollout.service, limit=sys.maxsize)
    states = {rollout_record.release: rollout_record.state for rollout_record in reversed(walks)}
    return release_of_same_specs(releases, spec_digests(builder, rollout), states)


def _makings(
    home: Home, builder: ProjectBuilder, rollout: Rollout, record: ReleaseRecord
) -> list[Materialisation] | None:
    """The records of what a release was made of, in the order of making; None if one is gone."""
    artefacts = {name: item.digest for name, item in record.artefacts.items()}
    makings = [
        home.ledger.materialisations.by_artefact(
            builder.project.name, name, artefacts.get(name, "")
        )
        for name in behind(builder, rollout)
    ]
    return None if None in makings else [making for making in makings if making is not None]


def _whole(home: Home, digest: str) -> bool:
    """True where every byte that serving the release takes is there."""
    try:
        ServedRelease.read(home.release_folder(digest)).verify()
    except ArtefactError:
        return False
    return True
