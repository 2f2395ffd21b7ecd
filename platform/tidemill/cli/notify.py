"""Send a test message to every destination of notifications."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import click

from tidemill.errors import ServiceError, TidemillError
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
    from tidemill.ports import Destination


@click.group(epilog=examples_epilog("tidemill notify test", "tidemill notify test --json"))
def command() -> None:
    """Tell people what happens: a failed run, a rollback, an approval that is waited for.

    TIDEMILL_NOTIFY_URLS has the destinations, TIDEMILL_NOTIFY_ON the topics.
    """


@command.command("test", epilog=examples_epilog("tidemill notify test"))
@json_option
@pass_settings
def send_test(settings: Settings, as_json: bool) -> None:
    """Send a test message to every destination, now, and say which of them took it."""
    from tidemill.adapters.apprise_destination import open_destinations

    destinations = open_destinations(settings.notify)
    if not destinations:
        raise TidemillError(
            "no destination is set, so nobody is notified; set TIDEMILL_NOTIFY_URLS to apprise "
            "URLs, such as slack://… or mailto://…"
        )
    errors = {destination.name: _send(destination) for destination in destinations}
    if as_json:
        print_json([{"destination": name, "error": error} for name, error in errors.items()])
    else:
        for name, error in errors.items():
            click.echo(f"not sent: {error}" if error else f"sent to {name}")
    if any(errors.values()):
        exit_with(ERROR)


def _send(destination: Destination) -> str:
    """The error; empty where the destination took the message."""
    from tidemill.engine.notification import Notification

    message = Notification(
        "run-finished",
        f"Tidemill on {socket.gethostname()}: this is a test",
        "Messages of this home arrive here.",
        "tidemill status",
    )
    try:
        destination.send(message)
    except ServiceError as error:
        return str(error)
    return ""
