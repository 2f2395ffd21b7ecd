"""Send feedback, follow what comes in, and look after the quarantine."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import click

from tidemill.errors import SpecError, TidemillError, UnknownName
from tidemill.settings import Settings
from tidemill.spec.feedback import Feedback
from tidemill.terminal.amounts import plain
from tidemill.terminal.shell import example, json_option, pass_settings, print_json

KINDS = ("thumbs", "score", "correction", "comment", "preference", "outcome")


@click.group()
def command() -> None:
    """Send feedback, follow what comes in, and look after the quarantine."""


@command.command(
    epilog=example(
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

    contract = _stream(settings, stream)
    topic = contract.topic
    with Tidemill(
        settings.brokers, topic, source="/cli", subject_key=settings.subject_key
    ) as client:
        event_id = client.send(
            response_id, kind, subject=subject, consent=consent, **_carried(kind, value)
        )
    said = {"event_id": event_id, "topic": topic}
    print_json(said) if as_json else click.echo(f"sent to {topic} as {event_id}")
    if kind not in contract.kinds:
        click.echo(
            f"it goes to quarantine: '{contract.name}' takes no {kind}; its kinds are "
            f"{', '.join(contract.kinds)}",
            err=True,
        )


@command.command(epilog=example("tidemill feedback tail --follow", "tidemill feedback tail --json"))
@click.option("--to", "stream", help="Feedback spec or topic; all without it.")
@click.option("--limit", "-n", default=20, show_default=True, help="How many of the newest.")
@click.option("--follow", "-f", is_flag=True, help="Go on printing what comes in.")
@json_option
@pass_settings
def tail(settings: Settings, stream: str | None, limit: int, follow: bool, as_json: bool) -> None:
    """Show the newest feedback in the ledger."""
    from tidemill.adapters.ledger import Ledger

    feedback = Ledger.open(settings.ledger_url).feedback
    topic = _stream(settings, stream).topic if stream else None
    rows = feedback.newest_feedback(topic, limit=limit)
    if as_json and not follow:
        print_json(rows)
        return
    while True:
        for row in rows:
            click.echo(
                json.dumps(row, default=str, ensure_ascii=False) if as_json else plain(_line(row))
            )
        if not follow:
            if not rows:
                click.echo("no feedback yet; see `tidemill status` for whether ingest runs")
            return
        time.sleep(1)
        newest = rows[-1]["seq"] if rows else 0
        rows = feedback.newest_feedback(topic, after=newest, limit=1000)


@command.command(
    epilog=example("tidemill feedback quarantine", "tidemill feedback quarantine -n 5")
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
        where = f"{row['topic']}/{row['partition']}@{row['offset']}"
        click.echo(plain(f"{row['id']:>6}  {where}  {row['reason']}"))
        click.echo(plain(f"        {row['value'][:100]}"))
    if not rows:
        click.echo("the quarantine is empty")


@command.command(epilog=example("tidemill feedback replay", "tidemill feedback replay 17 18"))
@click.argument("ids", nargs=-1, type=int)
@json_option
@pass_settings
def replay(settings: Settings, ids: tuple[int, ...], as_json: bool) -> None:
    """Try quarantined events again after a fix; IDS as `quarantine` shows them, all without."""
    from tidemill.adapters.clock import SystemClock
    from tidemill.adapters.ledger import Ledger

    contracts = {spec.topic: spec for spec in _streams(settings).values()}
    taken = Ledger.open(settings.ledger_url).events.replay(
        contracts, SystemClock().now(), ids or None
    )
    if as_json:
        print_json(taken)
        return
    click.echo(
        f"{taken.records} tried: {taken.inserted} taken in, {taken.duplicates} were there already, "
        f"{taken.quarantined} stay in quarantine"
    )


def _streams(settings: Settings) -> dict[str, Feedback]:
    """Streams by project and name; problems of other files are no reason to refuse feedback."""
    from tidemill.spec.load import read

    reading = read(settings.specs)
    found = {
        f"{project.name}/{loaded.spec.name}": loaded.spec
        for project in reading.workspace.projects.values()
        for loaded in project.specs.values()
        if isinstance(loaded.spec, Feedback)
    }
    if reading.problems and not found:
        raise SpecError(reading.problems)
    return found


def _stream(settings: Settings, wanted: str | None) -> Feedback:
    known = _streams(settings)
    found = {
        name: spec
        for name, spec in known.items()
        if wanted in (None, name, name.split("/")[1], spec.topic)
    }
    if len(found) == 1:
        return next(iter(found.values()))
    if not known:
        raise TidemillError(f"no Feedback spec in {settings.specs}; write one to have a stream")
    if not found:
        topics = [spec.topic for spec in known.values()]
        raise UnknownName("stream", str(wanted), [*known, *topics])
    several = ", ".join(sorted(found))
    raise TidemillError(f"there are several streams ({several}); pick one with --to")


def _carried(kind: str, value: str) -> Mapping[str, Any]:
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


def _line(row: Mapping[str, Any]) -> str:
    said = next((row[n] for n in ("output", "comment", "value") if row[n] is not None), "")
    who = (row["subject"] or "–")[:8]
    release = (row["release"] or "").removeprefix("sha256:")[:12] or row["state"]
    line = f"{row['time']:%H:%M:%S}  {row['kind']:<10}  {who:<8}  {release:<12}  {said}"
    return plain(line)  # what users write never drives the terminal
