"""Carry out one run that a commit asked for, in this process, once: `tidemill sync` calls this."""

from __future__ import annotations

import sys
from datetime import timedelta

import click

from tidemill.adapters.ledger import lease_owner
from tidemill.control.run_events import announce_end
from tidemill.errors import ServiceError
from tidemill.home import Home
from tidemill.progress import Progress
from tidemill.settings import Settings
from tidemill.terminal.progress import terminal_progress
from tidemill.terminal.shell import run
from tidemill_assets.launch import launch
from tidemill_assets.runs import COMMIT_TAG, DECISION_TAG

WAIT = timedelta(hours=12)


def run_decision(home: Home, key: str, commit: str, say: Progress) -> None:
    """Make what a decision asks for; nothing where it is done already.

    Somebody else who carries it out is waited for, so that two syncs, or one that was killed and
    runs again, start one run. Raises what the run raises.
    """
    decisions, lease = home.ledger.trigger_decisions, f"decision:{key}"
    lease_owner.free_dead_lease(home.ledger.leases, lease, home.clock.now())
    with home.ledger.leases.hold(lease, lease_owner.current_owner(), wait=WAIT) as acquired:
        if not acquired:
            raise ServiceError(
                f"another process has been running {key} for {WAIT}; stop it in Dagster's UI, "
                "then run again"
            )
        decided = decisions.get(key)
        if decided.state not in ("queued", "started"):
            return
        decisions.mark_started(key, decided.run_id, home.clock.now())
        tags = {DECISION_TAG: key, COMMIT_TAG: commit}
        try:
            launch(home, decided.project, decided.assets, tags=tags, say=say)
        except Exception as error:
            decisions.mark_finished(key, home.clock.now(), ok=False, message=str(error))
            raise
        announce_end(home, decided, decided.run_id)
        decisions.mark_finished(key, home.clock.now(), ok=True)


@click.command()
@click.argument("key")
@click.argument("commit")
def command(key: str, commit: str) -> None:
    """Carry out one decision."""
    with terminal_progress() as say:
        run_decision(Home(Settings.read()), key, commit, say)


if __name__ == "__main__":
    sys.exit(run(command))
