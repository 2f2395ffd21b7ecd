"""Check this machine: what is installed, what is missing, and how to install it."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from tidemill.local.doctor import DoctorCheck

_SIGNS = {"ok": "ok     ", "note": "note   ", "missing": "MISSING"}


@click.command(epilog=examples_epilog("tidemill doctor", "tidemill doctor --json"))
@json_option
@pass_settings
def command(settings: Settings, as_json: bool) -> None:
    """Check this machine: what is installed, what is missing, and how to install it."""
    from tidemill.local.doctor import run_checks

    checks = run_checks(settings)
    if as_json:
        print_json([_record(check) for check in checks])
    else:
        for check in checks:
            tail = f"; {check.way_out}" if check.way_out else ""
            click.echo(f"{_SIGNS[check.state]}  {check.name}: {check.detail}{tail}")
    if any(check.state == "missing" for check in checks):
        exit_with(ERROR)


def _record(check: DoctorCheck) -> dict[str, str]:
    """A check as the JSON output names its fields."""
    return {
        "what": check.name,
        "state": check.state,
        "found": check.detail,
        "way_out": check.way_out,
    }
