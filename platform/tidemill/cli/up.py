"""Start everything this home needs, in the background.

Broker (unless TIDEMILL_BOOTSTRAP_SERVERS names one), ingest, gateway, rollout controller, model
servers, Dagster's webserver and daemon run under one supervisor that restarts what falls.
"""

from __future__ import annotations

import time

import click

from tidemill.errors import ServiceError, TidemillError
from tidemill.settings import Settings
from tidemill.terminal.shell import (
    examples_epilog,
    json_option,
    pass_settings,
    print_json,
    warn_of_unknown_variables,
)


@click.command(epilog=examples_epilog("tidemill up", "TIDEMILL_GATEWAY_PORT=9000 tidemill up"))
@click.option(
    "--timeout", default=180.0, show_default=True, help="Seconds that a service may do nothing."
)
@json_option
@pass_settings
def command(settings: Settings, timeout: float, as_json: bool) -> None:
    """Start everything this home needs, in the background."""
    from tidemill.local.stack import (
        addresses,
        assets_error,
        broker_error,
        is_running,
        start_stack,
    )
    from tidemill.terminal.progress import terminal_progress

    warn_of_unknown_variables()
    if is_running(settings):
        state: dict[str, object] = {"already": True, "addresses": addresses(settings)}
    else:
        started = time.monotonic()
        with terminal_progress() as say:
            try:
                start_stack(settings, say, timeout)
            except ServiceError as error:
                raise TidemillError(f"{error}\nAll started services were stopped.") from None
        seconds = round(time.monotonic() - started, 1)
        state = {"already": False, "seconds": seconds, "addresses": addresses(settings)}
    state["trouble"] = assets_error(settings)
    state["broker"] = broker_error(settings)
    if as_json:
        print_json(state)
    else:
        click.echo(_summary(settings, state))


def _summary(settings: Settings, state: dict[str, object]) -> str:
    head = "Already running:" if state["already"] else f"Ready in {state['seconds']} s:"
    addresses = state["addresses"]
    assert isinstance(addresses, dict)
    lines = [f"  {title:<10} {address}" for title, address in addresses.items()]
    if state["broker"]:
        lines.append(f"  {state['broker']}")
    if state["trouble"]:
        lines.append(f"  Dagster cannot load the assets: {state['trouble']}")
    return "\n".join([head, *lines, f"logs in {settings.home / 'run'}; stop with `tidemill down`"])
