"""`tidemill feedback withdraw`: take feedback out of what is learnt, and put it back."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from tidemill.errors import TidemillError
from tidemill.settings import Settings
from tidemill.terminal.amounts import format_count, format_value, strip_control
from tidemill.terminal.shell import examples_epilog, json_option, pass_settings, print_json

if TYPE_CHECKING:
    from tidemill.adapters.ledger.withdrawals import WithdrawalLedger
    from tidemill.records import FeedbackSelection, SelectedFeedback, Withdrawal


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
    subject: str | None,
    response: str | None,
    start: datetime | None,
    end: datetime | None,
    stream: str | None,
    reason: str,
    yes: bool,
    undo: int | None,
    listing: bool,
    as_json: bool,
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
        return
    if undo is not None:
        done = ledger.undo(undo, datetime.now(UTC))
        rows = format_count(done.rows, "row")
        print_json(done) if as_json else click.echo(f"withdrawal {undo} is undone, with {rows}")
        return
    selection = _selection(settings, ledger, subject, response, start, end, stream)
    selected = ledger.select(selection)
    if selected.rows and not as_json:
        click.echo("\n".join(_selected_lines(selected)))
    if selected.rows:
        _confirm(yes=yes, as_json=as_json)
    _withdraw(settings, ledger, selection, selected, reason, as_json=as_json)


def _selection(
    settings: Settings,
    ledger: WithdrawalLedger,
    subject: str | None,
    response: str | None,
    start: datetime | None,
    end: datetime | None,
    stream: str | None,
) -> FeedbackSelection:
    from tidemill.cli._streams import find_stream
    from tidemill.events import hash_subject
    from tidemill.records import FeedbackSelection

    if not (subject or response or start or end):
        raise click.UsageError("choose rows with --subject, --response, --from or --to")
    names: tuple[str, ...] = ()
    if subject:
        key = settings.subject_key
        names = ledger.find_subject([subject, *([hash_subject(subject, key)] if key else [])])
    return FeedbackSelection(
        topic=find_stream(settings, stream).topic if stream else None,
        subjects=names,
        response_id=response,
        since=start.timestamp() if start else None,
        until=end.timestamp() if end else None,
    )


def _confirm(*, yes: bool, as_json: bool) -> None:
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise TidemillError("nothing was withdrawn: nobody can be asked here; add --yes")
    click.confirm("Take them out?", abort=True)


def _withdraw(
    settings: Settings,
    ledger: WithdrawalLedger,
    selection: FeedbackSelection,
    selected: SelectedFeedback,
    reason: str,
    *,
    as_json: bool,
) -> None:
    from tidemill.adapters.git.signed_statements import local_identity

    principal = local_identity(settings.specs).principal
    done = ledger.withdraw(selection, reason, principal, datetime.now(UTC))
    if as_json:
        print_json({"withdrawal": done, "withdrawn_before": selected.withdrawn_before})
    elif done is not None:
        rows = format_count(done.rows, "row")
        click.echo(
            f"withdrawal {done.id} took out {rows}; the next `tidemill run` of a dataset with such "
            f"rows builds it without them, `tidemill feedback withdraw --undo {done.id}` undoes it"
        )
    elif selected.withdrawn_before:
        before = format_count(selected.withdrawn_before, "row")
        click.echo(f"nothing to withdraw: all feedback that matches is out already ({before})")
    else:
        click.echo("nothing to withdraw: no feedback matches")


def _selected_lines(selected: SelectedFeedback) -> list[str]:
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(selected.kinds.items()))
    people = format_count(selected.subjects, "subject")
    lines = [
        f"{format_count(selected.rows, 'row')} of {people}: {kinds}",
        f"  given from {selected.first:%Y-%m-%d %H:%M:%S} to {selected.last:%Y-%m-%d %H:%M:%S} UTC",
    ]
    for row in selected.examples:
        person = (row.person or "–")[:8]
        line = f"  {row.time:%m-%d %H:%M:%S}  {row.kind:<10}  {person:<8}  "
        lines.append(strip_control(line) + format_value(row.content))
    hidden = selected.rows - len(selected.examples)
    return [*lines, f"  … and {hidden} more"] if hidden > 0 else lines


def _print_all(ledger: WithdrawalLedger, *, as_json: bool) -> None:
    all_of_them = ledger.newest()
    if as_json:
        print_json(all_of_them)
        return
    for one in all_of_them:
        click.echo(strip_control(_line(one)))
    if not all_of_them:
        click.echo("nothing was withdrawn so far")


def _line(one: Withdrawal) -> str:
    state = f", undone {one.undone_at:%Y-%m-%d %H:%M}" if one.undone_at else ""
    reason = f": {one.reason}" if one.reason else ""
    chosen = [f"{name} {value}" for name, value in asdict(one.selection).items() if value]
    return (
        f"{one.id:>4}  {one.withdrawn_at:%Y-%m-%d %H:%M}  {format_count(one.rows, 'row')}{state}  "
        f"by {one.principal or 'somebody'}{reason}  ({', '.join(chosen)})"
    )
