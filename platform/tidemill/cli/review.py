"""Settle the rows that are worth a human minute most: contested, new, doubted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import click

from tidemill.errors import TidemillError, UnknownName
from tidemill.settings import Settings
from tidemill.terminal.shell import examples_epilog, json_option, pass_settings, print_json

if TYPE_CHECKING:
    from tidemill.control.reviews import ReviewDesk
    from tidemill.data.votes import SettledQuestion
    from tidemill.home import Home
    from tidemill.planning.current_dataset import CurrentDataset


@click.command(
    epilog=examples_epilog(
        "tidemill review support-chat/requests",
        "tidemill review requests --json | jq '.[].id'",
        "tidemill review requests --row 9c1f6a0e23bd --label refund",
    )
)
@click.argument("name", metavar="DATASET|SERVICE")
@click.option("--limit", "-n", default=20, show_default=True, help="How many rows at most.")
@click.option("--row", metavar="ID", help="Settle this row, without asking anything.")
@click.option("--label", help="With --row: the right label.")
@click.option("--answer", metavar="TEXT", help="With --label: the words that go with it.")
@click.option("--reject", is_flag=True, help="With --row: leave the row out.")
@click.option("--reopen", is_flag=True, help="With --row: take the verdict on it back.")
@click.option("--reviewer", metavar="NAME", help="Who decides; default: Git's user.email.")
@json_option
@pass_settings
def command(
    settings: Settings,
    name: str,
    limit: int,
    row: str | None,
    label: str | None,
    answer: str | None,
    reject: bool,
    reopen: bool,
    reviewer: str | None,
    as_json: bool,
) -> None:
    """Settle the rows that are worth a human minute most: contested, new, doubted.

    Keyboard only. Each verdict is an event of the stream as soon as it is made; the newest verdict
    on a row counts, and outranks all votes.
    """
    from tidemill.cli._review_text import item_to_dict
    from tidemill.control.reviews import find_dataset
    from tidemill.home import Home
    from tidemill.planning.review_items import review_items

    verdict = _verdict(row, label, answer, reject, reopen)
    if verdict is None and not as_json and not sys.stdin.isatty():
        raise TidemillError(
            "a review asks at a terminal, and there is none; list the rows with --json, and settle "
            "one with --row ID --label LABEL"
        )
    home = Home(settings)
    target = find_dataset(home, name)
    if verdict is not None:
        _settle_row(home, target, reviewer, verdict, as_json=as_json)
    elif as_json:
        items = review_items(_current(home, target).preview.prepared.questions)
        print_json([item_to_dict(item) for item in items[:limit]])
    else:
        _ask(home, target, reviewer, limit)


@dataclass(frozen=True)
class RowVerdict:
    """A verdict that the command line gives, without asking."""

    row: str
    """The beginning of a row's id."""
    decision: Literal["label", "reject", "reopen"]
    label: str
    answer: str | None


def _verdict(
    row: str | None, label: str | None, answer: str | None, reject: bool, reopen: bool
) -> RowVerdict | None:
    """What the options decide; raises UsageError where they do not go together."""
    if answer and not label:
        raise click.UsageError("--answer goes with --label LABEL")
    chosen = sum((label is not None, reject, reopen))
    if row is None:
        if chosen:
            raise click.UsageError("--label, --answer, --reject and --reopen go with --row ID")
        return None
    if chosen != 1:
        raise click.UsageError("--row needs one of --label LABEL, --reject and --reopen")
    return RowVerdict(
        row, "reject" if reject else "reopen" if reopen else "label", label or "", answer
    )


def _current(home: Home, target: tuple[str, str]) -> CurrentDataset:
    from tidemill.planning.current_dataset import current_dataset

    current = current_dataset(home, *target)
    if current.lacks_model:
        click.echo(
            f"'{current.lacks_model}' is not built yet, so no model says which labels it doubts; "
            f"build it with `tidemill run {target[0]}/{current.lacks_model}`",
            err=True,
        )
    return current


def _desk(home: Home, target: tuple[str, str], reviewer: str | None) -> ReviewDesk:
    from tidemill.adapters.kafka import open_bus
    from tidemill.control.reviews import ReviewDesk, open_streams, reviewer_name
    from tidemill.spec.dataset import Dataset

    project = home.project(target[0])
    streams = open_streams(project, project.spec(target[1], Dataset))
    desk = ReviewDesk(open_bus(home.settings), reviewer_name(home.settings, reviewer), streams)
    desk.check_broker()
    return desk


def _settle_row(
    home: Home, target: tuple[str, str], reviewer: str | None, verdict: RowVerdict, *, as_json: bool
) -> None:
    desk = _desk(home, target, reviewer)
    question = _find(_current(home, target).preview.prepared.questions, verdict.row)
    event = _send(desk, question, verdict)
    desk.bus.close()
    if as_json:
        about = {"row": question.id, "verdict": verdict.decision, "label": verdict.label or None}
        print_json({**about, "event_id": event})
        return
    outcome = {"label": f"is '{verdict.label}'", "reject": "is left out", "reopen": "is open again"}
    click.echo(f"{question.id} {outcome[verdict.decision]}, sent as {event}; {_when(target)}")


def _send(desk: ReviewDesk, question: SettledQuestion, verdict: RowVerdict) -> str:
    if verdict.decision == "label":
        return desk.answer(question, verdict.label, verdict.answer)
    return desk.reject(question) if verdict.decision == "reject" else desk.reopen(question)


def _find(questions: Sequence[SettledQuestion], row: str) -> SettledQuestion:
    matches = [question for question in questions if question.id.startswith(row)]
    if len(matches) != 1:
        raise UnknownName("row to review", row, [question.id for question in questions])
    return matches[0]


def _ask(home: Home, target: tuple[str, str], reviewer: str | None, limit: int) -> None:
    from tidemill.cli._review_session import ReviewSession
    from tidemill.planning.review_items import review_items

    preview = _current(home, target).preview
    items = review_items(preview.prepared.questions)[:limit]
    if not items:
        click.echo(f"nothing of {'/'.join(target)} waits for a review")
        return
    labels = {label for counts in preview.labels.values() for label in counts}
    desk = _desk(home, target, reviewer)
    session = ReviewSession(items, sorted(labels), desk, _read, click.echo)
    try:
        session.run()
    except click.Abort:
        click.echo()  # what follows does not stand behind ^C
        raise
    finally:
        desk.bus.close()
        click.echo(f"{session.summary()}; {_when(target)}")


def _read(prompt: str) -> str:
    return str(click.prompt(prompt, default="", show_default=False, prompt_suffix=" "))


def _when(target: tuple[str, str]) -> str:
    name = "/".join(target)
    return f"it counts from the next `tidemill run {name} --fresh`, or when a trigger fires"
