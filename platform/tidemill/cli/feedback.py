"""Send feedback, list it, withdraw it, and manage the quarantine."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from tidemill.cli._streams import find_stream, streams_by_name
from tidemill.cli._withdraw import withdraw
from tidemill.settings import Settings
from tidemill.terminal.amounts import strip_control
from tidemill.terminal.shell import examples_epilog, json_option, pass_settings, print_json

if TYPE_CHECKING:
    from tidemill.adapters.ledger.feedback import RecentFeedback

KINDS = ("thumbs", "score", "correction", "comment", "preference", "outcome")


@click.group()
def command() -> None:
    """Send feedback, list it, withdraw it, and manage the quarantine."""


command.add_command(withdraw)


@command.command(
    epilog=examples_epilog(
        "tidemill feedback send 01J8ZC… thumbs down --subject alice",
        "tidemill feedback send 01J8ZC… correction 'refund | It is on its way.' --consent",
    )
)
@click.argument("response_id")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("value")
@click.option("--to", "stream", help="Feedback spec or topic; needed where there are several.")
@click.option("--subject", help="The user; leaves this machine only as a keyed hash.")
@click.option("--consent", is_flag=True, help="The user agreed to training on it.")
@json_option
@pass_settings
def send(
    settings: Settings,
    response_id: str,
    kind: str,
    value: str,
    stream: str | None,
    subject: str | None,
    consent: bool,
    as_json: bool,
) -> None:
    """Send one piece of feedback: VALUE is up or down, a number, a text, or a response id."""
    from tidemill.client import Tidemill

    contract = find_stream(settings, stream)
    topic = contract.topic
    with Tidemill(
        settings.brokers, topic, source="/cli", subject_key=settings.subject_key
    ) as client:
        event_id = client.send(
            response_id, kind, subject=subject, consent=consent, **_payload(kind, value)
        )
    receipt = {"event_id": event_id, "topic": topic}
    print_json(receipt) if as_json else click.echo(f"sent to {topic} as {event_id}")
    if kind not in contract.kinds:
        click.echo(
            f"it will be quarantined: '{contract.name}' does not accept {kind}; it accepts "
            f"{', '.join(contract.kinds)}",
            err=True,
        )


@command.command(
    epilog=examples_epilog("tidemill feedback tail --follow", "tidemill feedback tail --json")
)
@click.option("--to", "stream", help="Feedback spec or topic; all without it.")
@click.option("--limit", "-n", default=20, show_default=True, help="How many of the newest.")
@click.option("--follow", "-f", is_flag=True, help="Keep printing new feedback.")
@json_option
@pass_settings
def tail(settings: Settings, stream: str | None, limit: int, follow: bool, as_json: bool) -> None:
    """Show the newest feedback in the ledger."""
    from tidemill.adapters.ledger import Ledger

    feedback = Ledger.open(settings.ledger_url).feedback
    topic = find_stream(settings, stream).topic if stream else None
    rows = feedback.newest_feedback(topic, limit=limit)
    if as_json and not follow:
        print_json(rows)
        return
    while True:
        for row in rows:
            click.echo(json.dumps(row, default=str, ensure_ascii=False) if as_json else _line(row))
        if not follow:
            if not rows:
                click.echo("no feedback yet; see `tidemill status` for whether ingest runs")
            return
        time.sleep(1)
        newest = rows[-1]["seq"] if rows else 0
        rows = feedback.newest_feedback(topic, after=newest, limit=1000)


@command.command(
    epilog=examples_epilog("tidemill feedback quarantine", "tidemill feedback quarantine -n 5")
)
@click.option("--limit", "-n", default=20, show_default=True, help="How many of the newest.")
@json_option
@pass_settings
def quarantine(settings: Settings, limit: int, as_json: bool) -> None:
    """Show the events that could not be used, and why."""
    from tidemill.adapters.ledger import Ledger

    rows = Ledger.open(settings.ledger_url).events.quarantined_events(limit, raw=True)
    for row in rows:
        row["value"] = row["value"].decode("utf-8", "replace")
        row.pop("key")
    if as_json:
        print_json(rows)
        return
    for row in rows:
        location = f"{row['topic']}/{row['partition']}@{row['offset']}"
        click.echo(strip_control(f"{row['id']:>6}  {location}  {row['reason']}"))
        click.echo(strip_control(f"        {row['value'][:100]}"))
    if not rows:
        click.echo("the quarantine is empty")


@command.command(
    epilog=examples_epilog("tidemill feedback replay", "tidemill feedback replay 17 18")
)
@click.argument("ids", nargs=-1, type=int)
@json_option
@pass_settings
def replay(settings: Settings, ids: tuple[int, ...], as_json: bool) -> None:
    """Try quarantined events again after a fix; IDS as `quarantine` shows them, all without."""
    from tidemill.adapters.clock import SystemClock
    from tidemill.adapters.ledger import Ledger

    contracts = {spec.topic: spec for spec in streams_by_name(settings).values()}
    result = Ledger.open(settings.ledger_url).events.replay(
        contracts, SystemClock().now(), ids or None
    )
    if as_json:
        print_json(result)
        return
    click.echo(
        f"{result.records} replayed: {result.inserted} ingested, {result.duplicates} duplicates, "
        f"{result.quarantined} still in quarantine"
    )


def _payload(kind: str, value: str) -> dict[str, Any]:
    if kind == "thumbs":
        if value not in ("up", "down"):
            raise click.BadParameter(f"'{value}' is neither up nor down", param_hint="VALUE")
        return {"value": float(value == "up")}
    if kind in ("score", "outcome"):
        try:
            return {"value": float(value)}
        except ValueError:
            raise click.BadParameter(f"'{value}' is no number", param_hint="VALUE") from None
    return {{"correction": "output", "comment": "comment", "preference": "over"}[kind]: value}


def _line(row: RecentFeedback) -> str:
    texts = (row["output"], row["comment"], row["value"], row["verdict"])
    content = next((text for text in texts if text is not None), "")
    subject = (row["reviewer"] or row["subject"] or "–")[:8]
    release = (row["release"] or "").removeprefix("sha256:")[:12] or row["state"]
    line = f"{row['time']:%H:%M:%S}  {row['kind']:<10}  {subject:<8}  {release:<12}  {content}"
    return strip_control(line)  # what users write never drives the terminal
