"""The trigger sensor: one run for each firing, whatever dies in between."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread

import dagster as dg
from tests.planning.fake_builds import build

from tidemill.control.trigger_runs import OFFSETS_TAG
from tidemill.engine.trigger import TriggerVerdict
from tidemill.errors import EquivalenceBroken
from tidemill.home import Home
from tidemill_assets.runs import DECISION_TAG, follow
from tidemill_assets.sensors import pending, trigger_sensor

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OFFSETS = {"desk.feedback/0": 7}


def fire(home: Home) -> str:
    """A firing in the ledger that nothing was started for: what a killed daemon leaves."""
    decision = TriggerVerdict(True, "2 of 2 new rows")
    kept = home.ledger.trigger_decisions.add("desk", "again", decision, OFFSETS, ["rows"], NOW)
    assert kept is not None
    return kept.key


def requested(home: Home, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    return list(pending(home, home.project("desk"), instance))


def started(instance: dg.DagsterInstance, key: str, status: dg.DagsterRunStatus) -> str:
    """A run of a decision, as Dagster knows it."""
    job = dg.GraphDefinition(name="made", node_defs=[]).to_job()
    run = instance.create_run_for_job(job, tags={DECISION_TAG: key}, status=status)
    return run.run_id


def test_a_quiet_stream_is_skipped_with_the_reason(
    home: Home, instance: dg.DagsterInstance
) -> None:
    context = dg.build_sensor_context(instance=instance)

    result = trigger_sensor(home, "desk")(context)

    assert [str(item.skip_message) for item in result] == ["again: 0 of 2 new rows"]


def test_a_firing_whose_daemon_died_is_started_by_the_next_look(
    home: Home, instance: dg.DagsterInstance
) -> None:
    key = fire(home)

    (request,) = requested(home, instance)

    assert request.run_key == f"{key}#0"
    assert json.loads(request.tags[OFFSETS_TAG]) == OFFSETS
    assert dg.AssetKey(["desk", "rows"]) in (request.asset_selection or [])


def test_a_firing_that_was_started_is_not_started_again(
    home: Home, instance: dg.DagsterInstance
) -> None:
    key = fire(home)
    run = started(instance, key, dg.DagsterRunStatus.STARTED)

    follow(home, instance, NOW)

    assert requested(home, instance) == []
    assert home.ledger.trigger_decisions.get(key).run_id == run
    assert home.ledger.trigger_decisions.get(key).state == "started"


def test_the_end_of_a_run_is_the_end_of_its_decision(
    home: Home, instance: dg.DagsterInstance
) -> None:
    good, bad = fire(home), fire(home)
    started(instance, good, dg.DagsterRunStatus.SUCCESS)
    started(instance, bad, dg.DagsterRunStatus.FAILURE)

    follow(home, instance, NOW)
    follow(home, instance, NOW)

    assert home.ledger.trigger_decisions.get(good).state == "finished"
    assert home.ledger.trigger_decisions.get(bad).state == "failed"


def test_a_decision_whose_run_changed_no_row_says_that_nothing_was_trained(
    home: Home, instance: dg.DagsterInstance
) -> None:
    first, second, third = fire(home), fire(home), fire(home)
    built = build(home, "desk", "rows")
    runs = [started(instance, key, dg.DagsterRunStatus.SUCCESS) for key in (first, second, third)]
    same = {**built.facts, "same_rows_as": built.artefact}
    add = home.ledger.materialisations.add
    add(replace(built, id=0, run_id=runs[0], facts=same))
    add(replace(built, id=0, run_id=runs[1]))

    follow(home, instance, NOW)
    follow(home, instance, NOW)

    messages = [home.ledger.trigger_decisions.get(key).message for key in (first, second, third)]
    assert messages == [
        "no row changed: nothing was trained",
        "",
        "nothing had changed: nothing was built",
    ]


def test_a_decision_whose_run_failed_says_what_the_failing_step_said(
    home: Home, instance: dg.DagsterInstance
) -> None:
    key = fire(home)

    @dg.asset
    def tune() -> None:
        raise EquivalenceBroken("tune: 'prune' changed the answers")

    dg.materialize([tune], instance=instance, tags={DECISION_TAG: key}, raise_on_error=False)
    follow(home, instance, NOW)

    assert home.ledger.trigger_decisions.get(key).message == "tune: 'prune' changed the answers"


def test_a_decision_whose_run_missed_a_gate_says_which(
    home: Home, instance: dg.DagsterInstance
) -> None:
    key = fire(home)

    @dg.asset(check_specs=[dg.AssetCheckSpec("accuracy", asset="quality", blocking=True)])
    def quality() -> dg.MaterializeResult:  # type: ignore[type-arg]
        missed = dg.AssetCheckResult(
            passed=False, check_name="accuracy", description="accuracy 0.4 is below 0.6"
        )
        return dg.MaterializeResult(check_results=[missed])

    dg.materialize([quality], instance=instance, tags={DECISION_TAG: key}, raise_on_error=False)
    follow(home, instance, NOW)

    assert home.ledger.trigger_decisions.get(key).message == "quality: accuracy 0.4 is below 0.6"


def test_a_killed_run_is_started_again_with_the_same_offsets(
    home: Home, instance: dg.DagsterInstance
) -> None:
    key = fire(home)
    run = started(instance, key, dg.DagsterRunStatus.STARTED)
    later = datetime.now(UTC) + timedelta(minutes=5)

    follow(home, instance, later)
    (request,) = requested(home, instance)

    assert request.run_key == f"{key}#1"
    assert json.loads(request.tags[OFFSETS_TAG]) == OFFSETS
    assert instance.get_run_by_id(run).status == dg.DagsterRunStatus.FAILURE  # type: ignore[union-attr]


def test_a_run_that_holds_a_lease_is_alive_however_silent(
    home: Home, instance: dg.DagsterInstance
) -> None:
    key = fire(home)
    run = started(instance, key, dg.DagsterRunStatus.STARTED)
    later = datetime.now(UTC) + timedelta(minutes=5)
    home.ledger.leases.acquire("make:desk/rows", run, timedelta(hours=1), later)

    follow(home, instance, later)

    assert home.ledger.trigger_decisions.get(key).state == "started"


def test_a_run_between_two_assets_and_one_that_waits_for_another_are_seen_to_live(
    home: Home,
) -> None:
    leases = home.ledger.leases

    def second() -> None:
        with home.lock_asset("desk", "rows", "second"):
            pass

    with home.lock_asset("desk", "rows", "first"):
        waiting = Thread(target=second)
        waiting.start()
        while not leases.has_lease("second", datetime.now(UTC)):
            assert waiting.is_alive()
    waiting.join()

    assert leases.has_lease("first", datetime.now(UTC))
