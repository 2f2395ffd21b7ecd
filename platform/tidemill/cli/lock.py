"""Record in Git what is live: write, check, commit or propose each project's tidemill.lock."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from tidemill.errors import ServiceError
from tidemill.settings import Settings
from tidemill.terminal.shell import (
    CHANGES,
    examples_epilog,
    exit_with,
    json_option,
    pass_settings,
    print_json,
)

if TYPE_CHECKING:
    from tidemill.engine.config_drift import ConfigDrift
    from tidemill.home import Home

_LEASE = "lock"
_WAIT = timedelta(minutes=1)


@click.command(
    epilog=examples_epilog(
        "tidemill lock", "tidemill lock --check", "tidemill lock support-chat --open-pr"
    )
)
@click.argument("services", nargs=-1)
@click.option(
    "--check", is_flag=True, help="Only check; exit with 2 if a lock file is out of date."
)
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
    with leases.hold(_LEASE, lease_owner.current_owner(), wait=_WAIT) as acquired:
        if not acquired:
            raise ServiceError("another `tidemill lock` is still running; try again")
        pushed = push_artefacts(home, services) if push else None
        result = _propose(home, services, base) if open_pr else _write(home, services, commit_)
    if as_json:
        sent = {"remote": pushed.remote, "files": pushed.files} if pushed else None
        print_json({**result, "pushed": sent})
    else:
        click.echo(result["said"])
        if pushed and pushed.message:
            click.echo(pushed.message)


def _check(home: Home, services: tuple[str, ...], as_json: bool) -> None:
    from tidemill.control.drift_report import lock_drifts

    drifts: list[ConfigDrift] = lock_drifts(home, services)
    if as_json:
        print_json({"in_step": not drifts, "drift": drifts})
    else:
        for drift in drifts:
            click.echo(f"{drift.service}: {drift}")
        if not drifts:
            click.echo("All lock files are up to date.")
    exit_with(CHANGES if drifts else 0)


def _write(home: Home, services: tuple[str, ...], commit_: bool) -> dict[str, object]:
    from tidemill.control.lock_artefacts import changed_files, write_files

    if commit_:
        from tidemill.control.lock_pull_request import commit

        sha = commit(home, services)
        message = f"committed as {sha[:10]}" if sha else "The branch already has these lock files."
        return {"commit": sha, "said": message}
    changed = changed_files(home, services)
    write_files(changed)
    message = "\n".join(
        f"{'wrote' if content is not None else 'removed'} {path}"
        for path, content in changed.items()
    )
    return {"written": list(changed), "said": message or "All lock files are up to date."}


def _propose(home: Home, services: tuple[str, ...], base: str | None) -> dict[str, object]:
    from tidemill.adapters.forge import open_forge
    from tidemill.control.lock_pull_request import base_branch, propose

    base = base or base_branch(home)
    proposal = propose(home, services, open_forge(home.settings), base)
    if proposal is None:
        return {
            "proposal": None,
            "said": f"Branch '{base}' already has these lock files; no pull request needed.",
        }
    return {"proposal": proposal, "said": f"{proposal.state}: {proposal.url or proposal.branch}"}
