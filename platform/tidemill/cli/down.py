"""Stop everything that `tidemill up` started, model servers included."""

from __future__ import annotations

import click

from tidemill.settings import Settings
from tidemill.terminal.shell import examples_epilog, json_option, pass_settings, print_json


@click.command(epilog=examples_epilog("tidemill down"))
@json_option
@pass_settings
def command(settings: Settings, as_json: bool) -> None:
    """Stop everything that `tidemill up` started, model servers included."""
    from tidemill.local.stack import stop_stack

    count = stop_stack(settings)
    if as_json:
        print_json({"stopped": count})
    else:
        click.echo(f"stopped {count} processes" if count else "nothing was running")
