"""What the ledger and the store have of a home's assets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tidemill.engine.plan import PlanEntry, plan, with_built_state
from tidemill.engine.release_record import ReleaseRecord
from tidemill.engine.spec_snapshot import SpecSnapshot
from tidemill.home import Home
from tidemill.pipeline.asset_state import BuiltAssets
from tidemill.planning.desired_state import desired_state
from tidemill.planning.obstacles import with_obstacles


def recorded_state(home: Home) -> BuiltAssets:
    """What is built in a home that has a ledger; where its store is on another machine, files are
    taken to be there."""
    releases: dict[str, list[ReleaseRecord]] = {}
    for release in home.ledger.materialisations.releases():
        key = f"{release.project}/{release.rollout}"
        releases.setdefault(key, []).append(release)
    return BuiltAssets(
        records={f"{m.project}/{m.name}": m for m in home.ledger.materialisations.newest()},
        releases=releases,
        service_releases=home.service_releases,
        store=home.store if (home.settings.home / "store").is_dir() else None,
        history=home.ledger.materialisations,
        withdrawn=home.ledger.feedback.withdrawn_digest,
    )


def built_entries(
    home: Home,
    entries: Iterable[PlanEntry],
    desired: Mapping[str, SpecSnapshot],
    former: Mapping[str, SpecSnapshot] | None = None,
) -> tuple[PlanEntry, ...]:
    """The entries of a plan with what is built in a home that has a ledger, and what no run would
    bring on; `former` has specs that assets may have been built from."""
    built = recorded_state(home)
    entries = with_built_state(entries, built.staleness(desired, former))
    return with_obstacles(entries, desired, built, home)


def out_of_date(home: Home) -> tuple[PlanEntry, ...]:
    """Every asset of the specs that is not up to date in a home that has a ledger; raises SpecError
    where the specs cannot be used."""
    desired = desired_state(home.workspace)
    entries = built_entries(home, plan(desired, desired), desired)
    return tuple(entry for entry in entries if entry.state != "reused")
