"""Check this machine: what is installed, what is missing, and how to install it."""

from __future__ import annotations

import click

from tidemill.settings import Settings
from tidemill.terminal.shell import (
    ERROR,
    examples_epilog,
    exit_with,
    json_option,
    pass_settings,
    print_json,
)

_SIGNS = {"ok": "ok     ", "note": "note   ", "missing": "MISSING"}


@click.command(epilog=examples_epilog("tidemill doctor", "tidemill doctor --json"))
@json_option
@pass_settings
def command(settings: Settings, as_json: bool) -> None:
    """Check this machine: what is installed, what is missing, and how to install it."""
    from tidemill.local.doctor import run_checks

    findings = run_checks(settings)
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        for finding in findings:
            tail = f"; {finding.way_out}" if finding.way_out else ""
            click.echo(f"{_SIGNS[finding.state]}  {finding.what}: {finding.found}{tail}")
    if any(finding.state == "missing" for finding in findings):
        exit_with(ERROR)
