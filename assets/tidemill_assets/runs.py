"""Runs that triggers asked for: their names and tags, and what became of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import dagster as dg

from tidemill.adapters.ledger.decisions import Decided
from tidemill.home import Home

DECISION_TAG = "tidemill/decision"
COMMIT_TAG = "tidemill/commit"
LOST_TAG = "tidemill/lost"
ATTEMPTS = 3
"""Runs that one decision may lose to killed processes before it counts as failed."""
SILENCE = timedelta(seconds=90)
"""A run that holds no lease and wrote nothing for this long was killed."""


def key(project: str, name: str, prefix: Sequence[str] = ()) -> dg.AssetKey:
    """The asset key of a spec: what a code location puts first, its project, then its name."""
    return dg.AssetKey([*prefix, project, name])


def group(project: str) -> str:
    """The group of a project's assets; Dagster allows no hyphen there."""
    return project.replace("-", "_")


def run_key(decided: Decided, instance: dg.DagsterInstance) -> str:
    """Unique for each attempt: a lost run is started again, a started one never twice."""
    return f"{decided.key}#{len(runs_of(decided, instance))}"


def runs_of(decided: Decided, instance: dg.DagsterInstance) -> list[dg.RunRecord]:
    """The runs of a decision, newest first."""
    return list(
        instance.get_run_records(dg.RunsFilter(tags={DECISION_TAG: decided.key}), limit=ATTEMPTS)
    )


def follow(home: Home, instance: dg.DagsterInstance, now: datetime) -> None:
    """Carry what Dagster knows of the runs over to the decisions they belong to."""
    decisions = home.ledger.decisions
    for decided in (*decisions.pending(), *decisions.running()):
        records = runs_of(decided, instance)
        if not records or lost(records[0]):
            continue
        run = records[0].dagster_run
        if decided.state == "decided":
            decisions.started(decided.key, run.run_id, now)
        if run.status == dg.DagsterRunStatus.SUCCESS:
            decisions.finished(decided.key, now, ok=True)
        elif run.is_finished:
            message = reason(instance, run.run_id)
            decisions.finished(decided.key, now, ok=False, message=message)
        elif killed(home, records[0], now):
            instance.report_run_failed(run, "its process was killed: no lease and no news of it")
            instance.add_run_tags(run.run_id, {LOST_TAG: "killed"})
            if len(records) < ATTEMPTS:
                decisions.relaunch(decided.key, now)
            else:
                message = f"its run was killed {ATTEMPTS} times"
                decisions.finished(decided.key, now, ok=False, message=message)


def reason(instance: dg.DagsterInstance, run: str) -> str:
    """Why a run failed: what its blocking checks said, else the error of its failing step."""
    checks = failed_checks(instance, run)
    if checks:
        return "; ".join(f"{name}: {said}" for name, said in checks)
    for entry in instance.all_logs(run, of_type=dg.DagsterEventType.STEP_FAILURE):
        error = entry.get_dagster_event().step_failure_data.error
        if error is not None:
            while error.cause is not None:
                error = error.cause
            return _plain(error.message)
    return f"run {run} failed; its log in Dagster says why"


def failed_checks(instance: dg.DagsterInstance, run: str) -> list[tuple[str, str]]:
    """The asset and the message of each blocking check that failed in a run."""
    evaluations = [
        event.dagster_event.asset_check_evaluation_data
        for event in instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        if event.dagster_event
    ]
    return [
        (check.asset_key.path[-1], check.description or check.check_name)
        for check in evaluations
        if not check.passed and check.blocking
    ]


def _plain(message: str) -> str:
    """An error as it was raised, without the class that Dagster puts before it."""
    return re.sub(r"^[\w.]+: ", "", message.strip(), count=1)


def lost(record: dg.RunRecord) -> bool:
    """True for a run that was given up; its decision waits for the next attempt."""
    return LOST_TAG in record.dagster_run.tags


def killed(home: Home, record: dg.RunRecord, now: datetime) -> bool:
    """True for a run that is under way by Dagster's account, and by no other."""
    run = record.dagster_run
    if run.status != dg.DagsterRunStatus.STARTED or home.ledger.leases.busy(run.run_id, now):
        return False
    return now - record.update_timestamp > SILENCE
