"""Every part that asks what is stale gives one answer.

The state is the one in which they once gave three: a project was built once, then its dataset was
built anew.
"""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from tests.planning.fake_builds import build, build_all

from tidemill.adapters.clock import SystemClock
from tidemill.control.spec_changes import newest_unbuilt_change, outdated_assets
from tidemill.control.trigger_evaluation import explain
from tidemill.engine.staleness import InputChanged
from tidemill.engine.sync import changes
from tidemill.errors import MissingArtefact
from tidemill.home import Home
from tidemill.local.stack_status import stack_status
from tidemill.pipeline.release import compose
from tidemill.planning.desired_state import desired_state
from tidemill.planning.planner import plan_report
from tidemill.planning.recorded_state import recorded_state
from tidemill.planning.revisions import open_revisions
from tidemill.spec.rollout import Rollout
from tidemill.spec.trigger import Trigger, TriggerConditions
from tidemill_assets.git_sensors import stale_requests

STALE = {"tune", "quality"}


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def stale_home(home: Home) -> Home:
    """Built once, released, and then the dataset was built anew."""
    specs = home.settings.specs
    git(specs, "init", "--quiet", "-b", "main")
    git(specs, "add", ".")
    git(specs, "commit", "--quiet", "-m", "the specs")
    build_all(home, "desk")
    build(home, "desk", "rows", content="with more rows")
    return home.with_fresh_specs()


def planned(home: Home) -> dict[str, str]:
    with open_revisions(home.settings, None, None) as revisions:
        assets = plan_report(home.settings, revisions, SystemClock()).assets
    return {asset.entry.name: asset.entry.state for asset in assets}


def synced(home: Home) -> dict[str, str]:
    desired, built = desired_state(home.workspace), recorded_state(home)
    entries = changes(desired, desired, built.staleness(desired, desired), built.failed_assets)
    return {entry.name: entry.state for entry in entries if entry.is_rebuilt}


def seen_by_status(home: Home) -> dict[str, str]:
    return {asset.name: asset.state for asset in stack_status(home.settings).assets}


def test_before_the_dataset_was_built_anew_nobody_finds_anything_stale(stale_home: Home) -> None:
    home = stale_home
    record = home.ledger.materialisations.latest("desk", "rows")
    assert record is not None
    first = min(home.ledger.materialisations.history("desk"), key=lambda one: one.id)
    rows = [one for one in home.ledger.materialisations.history("desk") if one.name == "rows"][-1]
    home.ledger.materialisations.add(replace(rows, id=0))

    assert first.id < record.id
    assert outdated_assets(home.builder("desk")) == {}
    assert planned(home) == synced(home) == seen_by_status(home) == {}


def test_run_plan_status_sync_and_sensors_agree(stale_home: Home) -> None:
    home = stale_home
    builder = home.builder("desk")
    states = builder.staleness()
    expected = dict.fromkeys((*STALE, "release"), "stale")

    assert {name for name, state in states.items() if isinstance(state, InputChanged)} == STALE
    assert set(outdated_assets(builder)) == STALE
    assert planned(home) == synced(home) == seen_by_status(home) == expected
    for name in STALE:
        with pytest.raises(MissingArtefact, match="'rows' was rebuilt after it"):
            builder.current(name)
    assert builder.current("rows").artefact != builder.current("encoder").artefact


def test_rows_that_did_not_change_make_nothing_stale_and_no_other_release(
    stale_home: Home,
) -> None:
    home = stale_home
    rollout = home.builder("desk").project.spec("release", Rollout)
    (release,) = home.ledger.materialisations.releases("desk")
    rows = [one for one in home.ledger.materialisations.history("desk") if one.name == "rows"][-1]
    build(home, "desk", "rows", content="with other offsets", same_rows_as=rows.artefact)

    assert outdated_assets(home.builder("desk")) == {}
    assert planned(home) == synced(home) == seen_by_status(home) == {}
    assert compose(home.builder("desk"), rollout).digest == release.digest


def test_the_checkout_sensor_asks_for_what_is_stale(stale_home: Home) -> None:
    (request,) = stale_requests(stale_home, "a" * 40, ["desk"])

    asked = {key.path[-1] for key in request.asset_selection or []}
    assert {*STALE, "release"} <= asked
    assert dg.AssetKey(["desk", "tune"]) in (request.asset_selection or [])


def test_the_spec_change_trigger_sees_the_change_of_the_input(stale_home: Home) -> None:
    (own,) = (s for s in stale_home.builder("desk").specs.values() if isinstance(s, Trigger))
    when = TriggerConditions.model_validate({"any": [{"type": "spec_change"}]})
    trigger = own.model_copy(update={"of": None, "when": when, "run": ("quality",)})
    unaffected = trigger.model_copy(update={"run": ("rows",)})

    found = newest_unbuilt_change(stale_home.builder("desk"), trigger)

    assert found is not None
    assert (datetime.now(UTC) - found).total_seconds() < 3600
    assert newest_unbuilt_change(stale_home.builder("desk"), unaffected) is None
    explained = explain(stale_home, stale_home.project("desk"), trigger, datetime.now(UTC))
    assert explained.numbers["0:spec_change"]["holds"]
