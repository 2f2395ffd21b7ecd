"""Runs that triggers asked for: their names and tags, and what became of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from tidemill.control.run_events import announce_end
from tidemill.control.trigger_runs import give_up_reason, run_outcome, update_decision
from tidemill.engine.run_verdict import ATTEMPTS, Attempt, Status, judge_run
from tidemill.home import Home
from tidemill.records import TriggerDecision

DECISION_TAG = "tidemill/decision"
COMMIT_TAG = "tidemill/commit"
LOST_TAG = "tidemill/lost"
OUTCOME = "search outcome"
"""Metadata of a prompt search: what came of it, in one line."""


def key(project: str, name: str, prefix: Sequence[str] = ()) -> dg.AssetKey:
    """The asset key of a spec: what a code location puts first, its project, then its name."""
    return dg.AssetKey([*prefix, project, name])


def search_key(project: str, prompt: str, prefix: Sequence[str] = ()) -> dg.AssetKey:
    """The asset key of the search of a prompt."""
    return dg.AssetKey([*key(project, prompt, prefix).path, "search"])


def group(project: str) -> str:
    """The group of a project's assets; Dagster allows no hyphen there."""
    return project.replace("-", "_")


def run_key(decided: TriggerDecision, instance: dg.DagsterInstance) -> str:
    """Unique for each attempt: a lost run is started again, a started one never twice."""
    return f"{decided.key}#{len(runs_of(decided, instance))}"


def runs_of(decided: TriggerDecision, instance: dg.DagsterInstance) -> list[dg.RunRecord]:
    """The runs of a decision, newest first."""
    return list(
        instance.get_run_records(dg.RunsFilter(tags={DECISION_TAG: decided.key}), limit=ATTEMPTS)
    )


def follow(home: Home, instance: dg.DagsterInstance, now: datetime) -> None:
    """Carry what Dagster knows of the runs over to the decisions they belong to, and end the runs
    that were killed."""
    decisions = home.ledger.trigger_decisions
    for decided in (*decisions.queued_decisions(), *decisions.running_decisions()):
        records = runs_of(decided, instance)
        attempts = [attempt(home, record, now) for record in records]
        failed = bool(attempts) and attempts[0].status == "failed"
        failure = reason(instance, attempts[0].run) if failed else ""
        ended = bool(attempts) and attempts[0].status == "succeeded"
        outcome = _outcome(home, instance, decided, attempts[0].run) if ended else ""
        _announce_end(home, decided, attempts, failure, outcome)
        verdict = update_decision(
            decisions, decided, attempts, now, failure=failure, outcome=outcome
        )
        if verdict in ("run again", "given up"):
            run = records[0].dagster_run
            instance.report_run_failed(
                run, "the run's process was killed: it holds no lease and sends no heartbeat"
            )
            instance.add_run_tags(run.run_id, {LOST_TAG: "killed"})


def _outcome(home: Home, instance: dg.DagsterInstance, decided: TriggerDecision, run: str) -> str:
    """What came of a run that succeeded, as far as that is not what was asked for."""
    searches = search_outcomes(instance, run)
    return run_outcome(home.ledger.materialisations, decided, run, searches)


def search_outcomes(instance: dg.DagsterInstance, run: str) -> list[str]:
    """What came of the prompt searches of a run, a line each."""
    entries = instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    records = [entry.asset_materialization for entry in entries]
    return [
        str(record.metadata[OUTCOME].value)
        for record in records
        if record is not None and OUTCOME in record.metadata
    ]


def _announce_end(
    home: Home,
    decided: TriggerDecision,
    attempts: Sequence[Attempt],
    failure: str,
    outcome: str,
) -> None:
    """Tell that the run of a decision ended, where it did."""
    verdict = judge_run(attempts)
    if verdict == "given up":
        failure = give_up_reason(decided.project)
    if verdict in ("succeeded", "failed", "given up"):
        announce_end(home, decided, attempts[0].run, failure=failure, outcome=outcome)


def attempt(home: Home, record: dg.RunRecord, now: datetime) -> Attempt:
    """A run of Dagster's as one attempt at a decision."""
    run = record.dagster_run
    status: Status = "waiting"
    if LOST_TAG in run.tags:
        status = "lost"
    elif run.status == dg.DagsterRunStatus.SUCCESS:
        status = "succeeded"
    elif run.is_finished:
        status = "failed"
    elif run.status == dg.DagsterRunStatus.STARTED:
        status = "started"
    leased = home.ledger.leases.has_lease(run.run_id, now)
    return Attempt(run.run_id, status, now - record.update_timestamp, holds_lease=leased)


def reason(instance: dg.DagsterInstance, run: str) -> str:
    """Why a run failed: what its blocking checks said, else the error of its failing step."""
    checks = failed_checks(instance, run)
    if checks:
        return "; ".join(f"{name}: {message}" for name, message in checks)
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
