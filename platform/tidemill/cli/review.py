"""Settle the rows that are worth a human minute most: contested, new, doubted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
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

Decision = Literal["label", "reject", "reopen"]


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
    from tidemill.home import Home

    decision = _decision(row, label, answer, reject, reopen)
    if row is None and not as_json and not sys.stdin.isatty():
        raise TidemillError(
            "a review asks at a terminal, and there is none; list the rows with --json, and settle "
            "one with --row ID --label LABEL"
        )
    home = Home(settings)
    project, dataset = _dataset(home, name)
    if row is not None and decision is not None:
        desk = _desk(home, project, dataset, reviewer)
        _settle_row(home, desk, project, dataset, row, decision, label, answer, as_json=as_json)
        return
    shown = _current(home, project, dataset)
    if as_json:
        _print_queue(shown, limit)
    else:
        _ask(home, shown, project, dataset, reviewer, limit)


def _decision(
    row: str | None, label: str | None, answer: str | None, reject: bool, reopen: bool
) -> Decision | None:
    """What is decided without asking; raises UsageError where the options do not go together."""
    chosen: list[Decision] = [*(["label"] if label else [])]  # type: ignore[list-item]
    chosen += ["reject"] if reject else []
    chosen += ["reopen"] if reopen else []
    if row is None and (chosen or answer):
        raise click.UsageError("--label, --answer, --reject and --reopen go with --row ID")
    if row is not None and len(chosen) != 1:
        raise click.UsageError("--row needs one of --label LABEL, --reject and --reopen")
    if answer and not label:
        raise click.UsageError("--answer goes with --label LABEL")
    return chosen[0] if chosen else None


def _dataset(home: Home, name: str) -> tuple[str, str]:
    from tidemill.control.reviews import find_dataset

    return find_dataset(home, name)


def _current(home: Home, project: str, dataset: str) -> CurrentDataset:
    from tidemill.planning.current_dataset import current_dataset

    shown = current_dataset(home, project, dataset)
    if shown.lacks_model:
        click.echo(
            f"'{shown.lacks_model}' is not built yet, so no model says which labels it doubts; "
            f"build it with `tidemill run {project}/{shown.lacks_model}`",
            err=True,
        )
    return shown


def _desk(home: Home, project: str, dataset: str, reviewer: str | None) -> ReviewDesk:
    from tidemill.adapters.kafka import open_bus
    from tidemill.control.reviews import ReviewDesk, open_streams, reviewer_name
    from tidemill.spec.dataset import Dataset

    specs = home.project(project)
    streams = open_streams(specs, specs.spec(dataset, Dataset))
    desk = ReviewDesk(open_bus(home.settings), reviewer_name(home.settings, reviewer), streams)
    desk.check_broker()
    return desk


def _settle_row(
    home: Home,
    desk: ReviewDesk,
    project: str,
    dataset: str,
    row: str,
    decision: Decision,
    label: str | None,
    answer: str | None,
    *,
    as_json: bool,
) -> None:
    question = _find(_current(home, project, dataset).preview.prepared.questions, row)
    if decision == "label":
        event = desk.answer(question, str(label), answer)
    else:
        event = desk.reject(question) if decision == "reject" else desk.reopen(question)
    desk.bus.close()
    if as_json:
        print_json({"row": question.id, "verdict": decision, "label": label, "event_id": event})
        return
    outcome = f"is '{label}'" if decision == "label" else _OUTCOMES[decision]
    click.echo(f"{question.id} {outcome}, sent as {event}; {_when(project, dataset)}")


_OUTCOMES = {"reject": "is left out", "reopen": "is open again"}


def _find(questions: Sequence[SettledQuestion], row: str) -> SettledQuestion:
    matches = [question for question in questions if question.id.startswith(row)]
    if len(matches) != 1:
        raise UnknownName("row to review", row, [question.id for question in questions])
    return matches[0]


def _print_queue(shown: CurrentDataset, limit: int) -> None:
    from tidemill.cli._review_text import item_to_dict
    from tidemill.planning.review_items import review_items

    items = review_items(shown.preview.prepared.questions)
    print_json([item_to_dict(item) for item in items[:limit]])


def _ask(
    home: Home,
    shown: CurrentDataset,
    project: str,
    dataset: str,
    reviewer: str | None,
    limit: int,
) -> None:
    from tidemill.cli._review_session import ReviewSession
    from tidemill.planning.review_items import review_items

    items = review_items(shown.preview.prepared.questions)
    if not items:
        click.echo(f"nothing of {project}/{dataset} waits for a review")
        return
    labels = {label for counts in shown.preview.labels.values() for label in counts}
    desk = _desk(home, project, dataset, reviewer)
    session = ReviewSession(items[:limit], sorted(labels), desk, _read, click.echo)
    try:
        session.run()
    finally:
        desk.bus.close()
        click.echo(f"{session.summary()}; {_when(project, dataset)}")


def _read(prompt: str) -> str:
    return str(click.prompt(prompt, default="", show_default=False, prompt_suffix=" "))


def _when(project: str, dataset: str) -> str:
    return (
        f"it counts from the next `tidemill run {project}/{dataset} --fresh`, or when a trigger "
        "fires"
    )
