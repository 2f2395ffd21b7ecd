"""`tidemill feedback withdraw`: take feedback out of what is learnt, and put it back."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from tidemill.cli._withdraw_text import result_line, selected_lines, withdrawal_line
from tidemill.errors import TidemillError
from tidemill.settings import Settings
from tidemill.terminal.amounts import format_count, strip_control
from tidemill.terminal.shell import examples_epilog, json_option, pass_settings, print_json

if TYPE_CHECKING:
    from tidemill.adapters.ledger.withdrawals import WithdrawalLedger
    from tidemill.records import FeedbackSelection


class Moment(click.ParamType[datetime]):
    """A time as ISO 8601; UTC where it names no zone."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The moment in UTC."""
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"'{value}' is no time; write 2026-05-01 or 2026-05-01T12:30", param, ctx)
        return moment.replace(tzinfo=moment.tzinfo or UTC)


class Chosen(TypedDict):
    """The options that choose rows."""

    subject: str | None
    response: str | None
    start: datetime | None
    end: datetime | None
    stream: str | None


@click.command(
    epilog=examples_epilog(
        "tidemill feedback withdraw --subject 3f2a91bc --reason 'always wrong'",
        "tidemill feedback withdraw --from 2026-05-01T09:00 --to 2026-05-01T09:30",
        "tidemill feedback withdraw --undo 3",
    )
)
@click.option("--subject", help="A user, by name or pseudonym (8 characters do), or a reviewer.")
@click.option("--response", metavar="ID", help="All that was said of this answer.")
@click.option("--from", "start", type=Moment(), help="Feedback from this time on; UTC.")
@click.option("--to", "end", type=Moment(), help="Feedback before this time; UTC.")
@click.option("--stream", help="Only of this Feedback spec or topic; all without it.")
@click.option("--reason", default="", help="Stored with the withdrawal.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--undo", type=int, metavar="N", help="Put the rows of withdrawal N back.")
@click.option("--list", "listing", is_flag=True, help="Show all withdrawals.")
@json_option
@pass_settings
def withdraw(
    settings: Settings,
    reason: str,
    yes: bool,
    undo: int | None,
    listing: bool,
    as_json: bool,
    **chosen: Unpack[Chosen],
) -> None:
    """Take feedback out of datasets, triggers and rollouts.

    Exactly the rows that match now, and all options together choose them; what the same person
    says later counts again. Reviews stay, but for a reviewer who is named. The next run of a
    dataset that has such rows builds it without them.
    """
    from tidemill.adapters.ledger import Ledger

    ledger = Ledger.open(settings.ledger_url).withdrawals
    if listing:
        _print_all(ledger, as_json=as_json)
    elif undo is not None:
        _undo(ledger, undo, as_json=as_json)
    else:
        _withdraw(settings, ledger, _selection(settings, ledger, chosen), reason, yes, as_json)


def _withdraw(
    settings: Settings,
    ledger: WithdrawalLedger,
    selection: FeedbackSelection,
    reason: str,
    yes: bool,
    as_json: bool,
) -> None:
    selected = ledger.select(selection)
    if selected.rows and not as_json:
        click.echo("\n".join(selected_lines(selected)))
    if selected.rows:
        _confirm(yes=yes, as_json=as_json)
    done = ledger.withdraw(selection, reason, _principal(settings), datetime.now(UTC))
    if as_json:
        print_json({"withdrawal": done, "withdrawn_before": selected.withdrawn_before})
    else:
        click.echo(result_line(done, selected.withdrawn_before))


def _selection(settings: Settings, ledger: WithdrawalLedger, chosen: Chosen) -> FeedbackSelection:
    from tidemill.records import FeedbackSelection

    start, end = chosen["start"], chosen["end"]
    if not (chosen["subject"] or chosen["response"] or start or end):
        raise click.UsageError("choose rows with --subject, --response, --from or --to")
    return FeedbackSelection(
        _topic(settings, chosen["stream"]),
        _names(settings, ledger, chosen["subject"]),
        chosen["response"],
        start,
        end,
    )


def _undo(ledger: WithdrawalLedger, number: int, *, as_json: bool) -> None:
    done = ledger.undo(number, datetime.now(UTC))
    rows = format_count(done.rows, "row")
    print_json(done) if as_json else click.echo(f"withdrawal {number} is undone, with {rows}")


def _topic(settings: Settings, stream: str | None) -> str | None:
    from tidemill.cli._streams import find_stream

    return find_stream(settings, stream).topic if stream else None


def _names(settings: Settings, ledger: WithdrawalLedger, subject: str | None) -> tuple[str, ...]:
    """What the ledger may call a person: by name, or by the keyed hash of it."""
    from tidemill.events import hash_subject

    if not subject:
        return ()
    key = settings.subject_key
    return ledger.find_subject([subject, *([hash_subject(subject, key)] if key else [])])


def _principal(settings: Settings) -> str:
    from tidemill.adapters.git.signed_statements import local_identity

    return local_identity(settings.specs).principal


def _confirm(*, yes: bool, as_json: bool) -> None:
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise TidemillError("nothing was withdrawn: nobody can be asked here; add --yes")
    click.confirm("Take them out?", abort=True)


def _print_all(ledger: WithdrawalLedger, *, as_json: bool) -> None:
    all_of_them = ledger.newest()
    if as_json:
        print_json(all_of_them)
        return
    for one in all_of_them:
        click.echo(strip_control(withdrawal_line(one)))
    if not all_of_them:
        click.echo("nothing was withdrawn so far")
