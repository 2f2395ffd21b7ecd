"""The sensor that watches Git: the branch of a remote where one is followed, else the checkout."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` itself.
from collections.abc import Iterator, Sequence

import dagster as dg

from tidemill.adapters.forge import open_forge
from tidemill.adapters.git import GitRepository
from tidemill.control.git_sync import Follower
from tidemill.control.spec_changes import outdated_assets
from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill.local.stack import reload_assets
from tidemill.records import SyncRecord, TriggerDecision
from tidemill.spec.graph import downstream, upstream
from tidemill_assets.runs import COMMIT_TAG, DECISION_TAG, follow, group, key, run_key
from tidemill_assets.sensors import triggers

SECONDS = 15
FETCH_SECONDS = 40.0
"""A sensor has a minute in all; a larger first fetch is what `tidemill sync --once` is for."""


def git_sensor(
    home: Home, watched: Sequence[str], prefix: Sequence[str] = ()
) -> dg.SensorDefinition:
    """Makes what a new commit made stale, in the `watched` projects; `prefix` as in their assets'
    keys."""
    followed = home.settings.git_remote is not None

    @dg.sensor(
        name="_".join([*map(group, prefix), "git_changes"]),
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        asset_selection=dg.AssetSelection.groups(*map(group, watched)),
        description="Polls the remote branch and materialises the assets that a new commit changed."
        if followed
        else "Materialises the assets whose specs a new commit changed.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if followed:
            return poll_remote(home, context.instance, watched, prefix)
        return poll_checkout(home, context.cursor, watched, prefix)

    return look


def poll_remote(
    home: Home,
    instance: dg.DagsterInstance,
    watched: Sequence[str],
    prefix: Sequence[str] = (),
) -> dg.SensorResult | dg.SkipReason:
    """One look at the remote; runs are asked for by the process that has the commit's assets."""
    fresh = home.with_fresh_specs()
    follow(fresh, instance, fresh.clock.now())
    follower = Follower(fresh, forge=open_forge, timeout=FETCH_SECONDS)
    try:
        outcome = follower.look()
    except TidemillError as error:
        return dg.SkipReason(str(error))
    newest = next(iter(home.ledger.syncs.applied_commits()), None)
    pending = follower.pending(newest) if newest else []
    waiting = [
        decision
        for decision in pending
        if decision.state == "queued" and decision.project in watched
    ]
    if newest and home.workspace.root.resolve() != follower.specs(newest):
        trouble = reload_assets(home.settings, patience=1.0)
        return dg.SkipReason(trouble or f"the assets of {newest.commit[:10]} are being loaded")
    if newest is None or not waiting:
        return dg.SkipReason(outcome.reason)
    return dg.SensorResult(
        run_requests=[run_request(newest, decision, instance, prefix) for decision in waiting]
    )


def run_request(
    sync: SyncRecord,
    decided: TriggerDecision,
    instance: dg.DagsterInstance,
    prefix: Sequence[str] = (),
) -> dg.RunRequest:
    """The run of one project that a commit asked for."""
    return dg.RunRequest(
        run_key=run_key(decided, instance),
        asset_selection=[key(decided.project, name, prefix) for name in decided.assets],
        tags={DECISION_TAG: decided.key, COMMIT_TAG: sync.commit},
    )


def poll_checkout(
    home: Home, cursor: str | None, watched: Sequence[str], prefix: Sequence[str] = ()
) -> dg.SensorResult | dg.SkipReason:
    """One look at the working tree, in projects that were made before."""
    commit = GitRepository(home.settings.specs).head()
    if commit is None:
        return dg.SkipReason(f"{home.settings.specs} is not in a Git repository")
    if commit.sha == cursor:
        return dg.SkipReason(f"no new commit: still at {commit.sha[:10]}")
    try:
        requests = list(stale_requests(home.with_fresh_specs(), commit.sha, watched, prefix))
    except TidemillError as error:
        return dg.SkipReason(f"commit {commit.sha[:10]} is invalid: {error}")
    return dg.SensorResult(run_requests=requests, cursor=commit.sha)


def stale_requests(
    home: Home, sha: str, watched: Sequence[str], prefix: Sequence[str] = ()
) -> Iterator[dg.RunRequest]:
    """One run a watched project for what is stale and what comes after it."""
    for project in home.workspace.projects.values():
        if project.name not in watched:
            continue
        decides_itself = any(
            condition.type == "spec_change"
            for trigger in triggers(project)
            for condition in (*trigger.when.any, *trigger.when.all)
        )
        names = [] if decides_itself else list(outdated_assets(home.builder(project.name)))
        if names:
            names_to_build = upstream(project, *downstream(project, *names))
            yield dg.RunRequest(
                run_key=f"git/{project.name}/{sha}",
                asset_selection=[key(project.name, name, prefix) for name in names_to_build],
                tags={COMMIT_TAG: sha},
            )
