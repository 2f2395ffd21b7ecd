"""What runs and where, what is live, how rollouts go, which assets are stale, what ingest reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from tidemill.amounts import format_seconds
from tidemill.settings import Settings
from tidemill.terminal.amounts import format_count, strip_control
from tidemill.terminal.shell import (
    examples_epilog,
    json_option,
    pass_settings,
    print_json,
    warn_of_unknown_variables,
)

if TYPE_CHECKING:
    from tidemill.engine.plan import PlanEntry
    from tidemill.engine.service_status import ServiceStatus
    from tidemill.local.status import FollowedBranch, IngestStatus, ServiceRollouts, StackStatus
    from tidemill.local.work_status import NotificationStatus, RunStatus, WorkStatus
    from tidemill.records import RolloutRecord, SyncRecord


@click.command(epilog=examples_epilog("tidemill status", "tidemill status --json | jq .services"))
@json_option
@pass_settings
def command(settings: Settings, as_json: bool) -> None:
    """What runs and where, what is live, how rollouts go, which assets are stale, what ingest
    reads."""
    from tidemill.local.stack_status import stack_status

    warn_of_unknown_variables()
    status = stack_status(settings)
    if as_json:
        print_json(status.to_dict())
        return
    click.echo("\n".join(map(strip_control, _lines(status))))


def _lines(status: StackStatus) -> list[str]:
    lines = [f"home {status.home}", *_git_lines(status.git)]
    for process in status.processes:
        state = "runs" if process.alive else "down"
        lines.append(f"  {state}  {process.name:<34} {process.url}")
    if not status.processes:
        lines.append("Nothing is running; start with `tidemill up`.")
    elif not status.is_running:
        lines.append(
            "The supervisor is not running, so stopped services stay stopped; run `tidemill up`."
        )
    lines += _work_lines(status.work) if status.work else []
    for service in status.services:
        lines += _service_lines(service)
    if not status.services:
        lines.append("no release yet; create one with `tidemill run`")
    lines += _ingest_lines(status.ingest) if status.ingest else []
    lines += _notification_lines(status.work.notifications) if status.work else []
    return [*lines, *_asset_lines(status.assets), *_drift_lines(status)]


def _work_lines(work: WorkStatus) -> list[str]:
    """Runs under way, triggers that ask a person, and builds whose checks stopped them."""
    lines = [_run_line(run) for run in work.runs]
    lines += [
        f"trigger  {pending.project}/{pending.trigger} waits for a person since "
        f"{_minute(pending.since)}: {pending.reason}; "
        f"`tidemill approve {pending.project}/{pending.trigger}`"
        for pending in work.approvals
    ]
    lines += [
        f"stopped  {build.project}/{build.name} did not pass its checks at "
        f"{_minute(build.built_at)}, so nothing of it is released: {build.reason}"
        for build in work.stopped
    ]
    return lines


def _run_line(run: RunStatus) -> str:
    """What a run does, for how long, and what started it."""
    since = f", since {_minute(run.since)} ({_duration(run.since)})" if run.since else ""
    reason = f": {run.reason}" if run.reason else ""
    return f"run  {run.project}: {run.activity}{since}; {run.cause}{reason}"


def _notification_lines(notifications: NotificationStatus) -> list[str]:
    """How many wait, and which did not arrive; nothing where nobody is notified."""
    if not notifications.destinations and not notifications.undelivered:
        return []
    count = format_count(notifications.destinations, "destination")
    lines = [f"notifications  {count}, {notifications.queued} waiting to be sent"]
    return lines + [
        f"  not delivered: {record.notification.subject}: {record.error}"
        for record in notifications.undelivered
    ]


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _duration(moment: datetime) -> str:
    return format_seconds((datetime.now(UTC) - moment).total_seconds())


def _ingest_lines(ingest: IngestStatus) -> list[str]:
    counts = [f"{name} {count}" for name, count in ingest.events.items()]
    lines = [f"ingest  {', '.join([*counts, f'state {ingest.state}', f'lag {ingest.lag}'])}"]
    return [*lines, f"  error: {ingest.trouble}"] if ingest.trouble else lines


def _asset_lines(assets: Sequence[PlanEntry]) -> list[str]:
    """How many assets of each project are not up to date."""
    from tidemill.cli._plan_words import STATE_WORDS

    lines = []
    for project in dict.fromkeys(asset.project for asset in assets):
        states = Counter(asset.state for asset in assets if asset.project == project)
        counts = [f"{states[state]} {word}" for state, word in STATE_WORDS.items() if states[state]]
        lines.append(f"assets  {project}: {', '.join(counts)}; `tidemill plan` says why")
    return lines


def _drift_lines(status: StackStatus) -> list[str]:
    """Git, ledger and live side by side, and where they differ."""
    lines = []
    if status.statuses:
        lines.append(f"{'':24}{'Git':15}{'ledger':15}live")
    for service in status.statuses:
        lines.append(f"{service.service:24}{_three_sides(service)}")
        lines += [f"  drift: {drift}" for drift in status.drifts[service.service]]
    if status.statuses and not any(status.drifts.values()):
        lines.append("no drift")
    trouble = status.trouble
    return [*lines, f"drift cannot be detected: {trouble}"] if trouble else lines


def _three_sides(service: ServiceStatus) -> str:
    desired, recorded, observed = service.desired, service.recorded, service.observed
    git = _digest(desired.release) if desired.commit else "no commit"
    live = f"unknown: {observed.reason}" if observed.shares is None else _shares(observed.shares)
    return f"{git:15}{_digest(recorded.release):15}{live}"


def _shares(shares: Mapping[str, float]) -> str:
    busy = sorted(shares.items(), key=lambda share: -share[1])
    return ", ".join(f"{_digest(name)} {p:g} %" for name, p in busy if p > 0) or "–"


def _digest(release: str | None) -> str:
    return release.removeprefix("sha256:")[:12] if release else "–"


def _service_lines(service: ServiceRollouts) -> list[str]:
    lines = [f"service {service.service}: {_digest(service.live)} is live"]
    lines += [f"  waits for a person: {service.question}"] if service.question else []
    for rollout in service.in_progress:
        approve = f"; waits for a person: `tidemill approve {service.service}`"
        waits = approve if rollout.awaits_person else ""
        share = f"{_digest(rollout.release)} at {rollout.percent:g} %"
        lines.append(f"  {share}: {rollout.reason}{waits}")
    lines += [_stopped_line(rollout) for rollout in service.stopped]
    if service.may_retry:
        lines.append(
            "  the same specs and rows do not bring it out again; change the data or a spec, or "
            f"send it out once more with `tidemill rollout retry {service.service}`"
        )
    return lines


def _stopped_line(rollout: RolloutRecord) -> str:
    """A candidate that is out of the race, and why."""
    progress = rollout.rollout_state
    begun = progress is not None and progress.step >= 0
    how = "was rolled back" if begun else "was stopped before it got traffic"
    when = f" at {_minute(rollout.finished_at)}" if rollout.finished_at else ""
    return f"  {_digest(rollout.release)} {how}{when}: {rollout.reason}"


def _git_lines(git: FollowedBranch | None) -> list[str]:
    """The followed branch: what is applied, and why the newest commit is not."""
    if git is None:
        return []
    newest, poll = git.newest, git.poll
    lines = [f"git  {poll.remote} {poll.branch}: {_commit(git.applied) or 'nothing'} is applied"]
    lines += [f"  error: {poll.error}"] if poll.error else []
    if newest and newest.state != "applied":
        state = f"{newest.state} {newest.refusal}"
        lines.append(f"  {_commit(newest)} is {state}: {newest.reason}")
    for orphan in git.orphans:
        lines.append(
            f"  '{orphan.service}' is live, but no spec of {orphan.project} describes it any "
            "more; it stays live until you take it down"
        )
    return lines


def _commit(sync: SyncRecord | None) -> str:
    return f"{sync.commit[:10]} {sync.subject}" if sync else ""
