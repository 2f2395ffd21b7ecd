"""Sync with a Git branch: validate new commits, apply them, build what changed.

Each new commit of TIDEMILL_GIT_REMOTE is checked out beside the one in force; its signatures,
specs, plan and budget are validated before it takes effect. One that is refused changes
nothing.
A revert brings the release back that the same specs built before.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from tidemill import entry_points
from tidemill.errors import TidemillError
from tidemill.records import TriggerDecision
from tidemill.settings import Settings
from tidemill.terminal.amounts import strip_control_lines
from tidemill.terminal.durations import parse_duration
from tidemill.terminal.progress import terminal_progress
from tidemill.terminal.shell import (
    examples_epilog,
    exit_with,
    json_option,
    pass_settings,
    print_json,
)

if TYPE_CHECKING:
    from tidemill.control.git_sync import Follower, Outcome
    from tidemill.progress import Progress

WAIT = timedelta(minutes=30)
"""Time that one sync waits for another."""


@click.command(
    epilog=examples_epilog(
        "tidemill sync --once --remote git@example.com:team/specs.git",
        "TIDEMILL_GIT_REMOTE=https://example.com/team/specs tidemill sync --follow --interval 30s",
    )
)
@click.option("--once", is_flag=True, help="Sync once and exit (default).")
@click.option("--follow", is_flag=True, help="Keep syncing until stopped.")
@click.option("--interval", default="30s", show_default=True, help="Time between two polls.")
@click.option("--remote", help="The repository; default $TIDEMILL_GIT_REMOTE.")
@click.option("--branch", help="Its branch; default $TIDEMILL_GIT_BRANCH, else main.")
@json_option
@pass_settings
def command(
    settings: Settings,
    once: bool,
    follow: bool,
    interval: str,
    remote: str | None,
    branch: str | None,
    as_json: bool,
) -> None:
    """Follow a branch of a remote: apply its new commits, refuse what is not sound.

    Ends with 0 in sync, 2 applied, 1 the remote or the commit is not usable, 3 over budget or a
    person has to agree.
    """
    from tidemill.control.git_sync import follower

    if once and follow:
        raise click.UsageError("choose one of --once and --follow")
    settings = settings.with_remote(remote, branch)
    pause = parse_duration("--interval", interval)
    with terminal_progress() as say:
        following = follower(settings, say=say)
        if not follow:
            exit_with(sync_once(following, as_json, say))
        sync_forever(following, pause, as_json, say)


def sync_once(following: Follower, as_json: bool, say: Progress) -> int:
    """Syncs once and starts the runs; returns the exit code."""
    outcome = following.look(WAIT)
    code = start_runs(following, outcome, say)
    if as_json:
        print_json(outcome_to_dict(following, outcome))
    elif outcome.news or outcome.came == "in-sync":
        click.echo(strip_control_lines(format_outcome(outcome)), err=outcome.code not in (0, 2))
    return code if outcome.code in (0, 2) else outcome.code


def sync_forever(following: Follower, pause: float, as_json: bool, say: Progress) -> None:
    """Look again and again; what is wrong is said, and tried again at the next look."""
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    last = ""
    while not stopping.is_set():
        try:
            outcome = following.look(WAIT)
            if outcome.news and format_outcome(outcome) != last:
                last = format_outcome(outcome)
                if as_json:
                    print_json(outcome_to_dict(following, outcome))
                else:
                    click.echo(strip_control_lines(last))
            start_runs(following, outcome, say)
        except TidemillError as error:
            click.echo(strip_control_lines(str(error)), err=True)
        stopping.wait(pause)


def start_runs(following: Follower, outcome: Outcome, say: Progress) -> int:
    """Start the runs that a commit asked for: Dagster does where it runs, else this process does.

    Gives the exit code: 2 where something was applied, or that of a run that failed.
    """
    from tidemill.local.stack import is_running, reload_assets

    sync = outcome.sync
    if sync is None or outcome.came not in ("applied", "in-sync"):
        return outcome.code
    settings = following.home.settings
    if is_running(settings):
        trouble = reload_assets(settings) if outcome.came == "applied" else None
        if trouble:
            say(trouble)
        return outcome.code
    codes = [
        run_decision(settings.with_specs(following.specs(sync)), decided.key, sync.commit)
        for decided in following.pending(sync)
    ]
    return next((code for code in codes if code), 2 if codes else outcome.code)


def run_decision(settings: Settings, key: str, commit: str) -> int:
    """Make what one decision asks for, from the specs of its commit; gives the exit code."""
    from tidemill.local.dagster_home import environment

    command_line = [sys.executable, "-m", entry_points.RUN_DECISION, key, commit]
    return subprocess.run(command_line, env=environment(settings), check=False).returncode


def format_outcome(outcome: Outcome) -> str:
    """An outcome for people."""
    sync = outcome.sync
    if sync is None or outcome.came in ("unreachable", "busy"):
        return outcome.reason
    head = f"{sync.commit[:10]} {sync.subject} ({sync.author})"
    if outcome.came == "refused":
        refusal = f"  refused ({sync.refusal}): {outcome.reason}"
        return f"{head}\n{refusal}\n  the live releases are unchanged"
    lines = [
        f"  {item.state.replace('_', ' '):<11} {item.key}{format_reason(item)}"
        for item in outcome.items
        if is_notable(item)
    ]
    return "\n".join([f"{head}: {outcome.came}", *lines, f"  {outcome.reason}"])


def is_notable(item: Any) -> bool:
    """Only what a person has to see."""
    return bool(item.state != "reused")


def format_reason(item: Any) -> str:
    """The reason of an entry in brackets, or an empty text."""
    return f": {item.reason}" if item.reason else ""


def outcome_to_dict(following: Follower, outcome: Outcome) -> dict[str, object]:
    """An outcome for machines."""
    sync = outcome.sync
    runs: Sequence[TriggerDecision] = (
        following.home.ledger.trigger_decisions.sync_requests(f"@git/{sync.id}/") if sync else ()
    )
    return {
        "came": outcome.came,
        "reason": outcome.reason,
        "remote": following.mirror.remote_without_password,
        "branch": following.mirror.branch,
        "commit": sync.commit if sync else None,
        "refusal": sync.refusal if sync else "",
        "signer": sync.signer if sync else "",
        "plan": sync.plan if sync else [],
        "runs": [
            {
                "project": decision.project,
                "targets": decision.assets,
                "state": decision.state,
                "run": decision.run_id,
            }
            for decision in runs
        ],
    }
