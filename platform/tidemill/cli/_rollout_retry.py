"""The verb `tidemill rollout retry`."""

from __future__ import annotations

import getpass

import click

from tidemill.settings import Settings
from tidemill.terminal.shell import examples_epilog, pass_settings

by_option = click.option(
    "--by", default=getpass.getuser, help="Your name for the record; default: the user name."
)


@click.command(epilog=examples_epilog("tidemill rollout retry support-chat"))
@click.argument("service")
@by_option
@pass_settings
def retry(settings: Settings, service: str, by: str) -> None:
    """Send out once more the candidate that was rolled back last.

    Nothing else does: from the same specs and rows the same candidate would come again.
    """
    from tidemill.control.rejected_releases import retry_release
    from tidemill.home import Home

    rollout = retry_release(Home(settings), service, by)
    click.echo(f"{service} {rollout.release[7:19]}: {rollout.reason}")
