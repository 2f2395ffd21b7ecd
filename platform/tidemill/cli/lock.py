"""Record in Git what is live: write, check, commit or propose each project's tidemill.lock."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from tidemill.errors import ServiceError
from tidemill.settings import Settings
from tidemill.terminal.shell import CHANGES, example, json_option, leave, pass_settings, print_json

if TYPE_CHECKING:
    from tidemill.engine.config_drift import Drift
    from tidemill.home import Home

_LEASE = "lock"
_WAIT = timedelta(minutes=1)


@click.command(
    epilog=example("tidemill lock", "tidemill lock --check", "tidemill lock support-chat --open-pr")
)
@click.argument("services", nargs=-1)
@click.option("--check", is_flag=True, help="Change nothing; exit 2 where a lock is not in step.")
@click.option("--commit", "commit_", is_flag=True, help="Commit it on the branch checked out.")
@click.option("--open-pr", is_flag=True, help="Push it as a branch and open a pull request.")
@click.option(
    "--push/--no-push",
    default=True,
    help="First copy the live artefacts to the DVC remote; on by default.",
)
@click.option("--base", help="Branch the pull request is for; default the one checked out.")
@json_option
@pass_settings
def command(
    settings: Settings,
    services: tuple[str, ...],
    check: bool,
    commit_: bool,
    open_pr: bool,
    push: bool,
    base: str | None,
    as_json: bool,
) -> None:
    """Record in Git what is live: release, artefacts with their DVC pointers, dataset, figures.

    Without an option the files are written into the working tree. A pull request names a release
    under way as `wanted`; whoever merges it approves that release. In a DVC repository the pointers
    lie in `releases/SERVICE.dvc` beside the lock, and `dvc pull` brings the live artefacts.
    """
    from tidemill.adapters.ledger import lease_owner
    from tidemill.control.lock_artefacts import push_artefacts
    from tidemill.home import Home

    if check + commit_ + open_pr > 1:
        raise click.UsageError("give one of --check, --commit and --open-pr")
    home = Home(settings)
    if check:
        _check(home, services, as_json)
    leases = home.ledger.leases
    lease_owner.free_dead_lease(leases, _LEASE, home.clock.now())
    with leases.hold(_LEASE, lease_owner.current_owner(), wait=_WAIT) as held:
        if not held:
            raise ServiceError("another `tidemill lock` has been at work for a minute; try again")
        pushed = push_artefacts(home, services) if push else None
        found = _propose(home, services, base) if open_pr else _write(home, services, commit_)
    if as_json:
        sent = {"remote": pushed.remote, "files": pushed.files} if pushed else None
        print_json({**found, "pushed": sent})
    else:
        click.echo(found["said"])
        if pushed and pushed.message:
            click.echo(pushed.message)


def _check(home: Home, services: tuple[str, ...], as_json: bool) -> None:
    from tidemill.control.drift_report import lock_drifts

    found: list[Drift] = lock_drifts(home, services)
    if as_json:
        print_json({"in_step": not found, "drift": found})
    else:
        for drift in found:
            click.echo(f"{drift.service}: {drift}")
        if not found:
            click.echo("every lock says what is live")
    leave(CHANGES if found else 0)


def _write(home: Home, services: tuple[str, ...], commit_: bool) -> dict[str, Any]:
    from tidemill.control.lock_artefacts import changed_files, write_files

    if commit_:
        from tidemill.control.lock_pull_request import commit

        sha = commit(home, services)
        said = f"committed as {sha[:10]}" if sha else "the branch says it already"
        return {"commit": sha, "said": said}
    changed = changed_files(home, services)
    write_files(changed)
    said = "\n".join(
        f"{'wrote' if content is not None else 'removed'} {path}"
        for path, content in changed.items()
    )
    return {"written": list(changed), "said": said or "every lock says what is live"}


def _propose(home: Home, services: tuple[str, ...], base: str | None) -> dict[str, Any]:
    from tidemill.adapters.forge import open_forge
    from tidemill.control.lock_pull_request import base_branch, propose

    base = base or base_branch(home)
    found = propose(home, services, open_forge(home.settings), base)
    if found is None:
        return {"proposal": None, "said": f"'{base}' says it already; there is nothing to propose"}
    return {"proposal": found, "said": f"{found.state}: {found.url or found.branch}"}
