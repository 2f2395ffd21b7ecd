"""Look into a dataset: its splits, labels and quarantine, and what a change does to its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from tidemill.errors import TidemillError
from tidemill.settings import Settings
from tidemill.terminal.amounts import format_count, format_value, strip_control
from tidemill.terminal.shell import (
    CHANGES,
    examples_epilog,
    exit_with,
    json_option,
    pass_settings,
    print_json,
)

if TYPE_CHECKING:
    from tidemill.spec.load import Project

SHOWN = 5


@click.group()
def command() -> None:
    """Look into a dataset: splits, labels and quarantine, and what a change does to its rows."""


@command.command(
    epilog=examples_epilog(
        "tidemill data show requests", "tidemill data show support-chat/requests --json"
    )
)
@click.argument("dataset")
@click.option("--rows", "-n", default=SHOWN, show_default=True, help="How many rows of each split.")
@json_option
@pass_settings
def show(settings: Settings, dataset: str, rows: int, as_json: bool) -> None:
    """What a dataset would hold now: counts, labels, what is left out and why, a few rows.

    Read from its files by its own pipeline; feedback, hub files and expectations come with a run.
    """
    from tidemill.adapters.clock import SystemClock
    from tidemill.data.rows import columns_of
    from tidemill.home import Home
    from tidemill.pipeline.preview import preview

    home = Home(settings)
    project, name = home.find_spec(dataset)
    _is_dataset(home.project(project), name)
    found = preview(home.project(project), name, SystemClock(), settings.subject_key)
    told = {
        "project": project,
        "name": name,
        "rows": found.prepared.counts,
        "labels": found.labels,
        "quarantined": found.prepared.quarantine.counts(),
        "pii": found.prepared.pii,
        "duplicates": found.prepared.duplicates,
        "leaking": found.leaking_rows,
        "not_read": list(found.unread_sources),
        "examples": {
            split: [columns_of(row) for row in given[:rows]]
            for split, given in found.prepared.splits.items()
        },
    }
    print_json(told) if as_json else click.echo("\n".join(_shown(told)))


@command.command(
    epilog=examples_epilog(
        "tidemill data diff requests", "tidemill data diff requests --against v1.2"
    )
)
@click.argument("dataset")
@click.option("--against", metavar="REF", help="Default: the remote's default branch, else main.")
@click.option("--rows", "-n", default=SHOWN, show_default=True, help="How many rows of each sort.")
@json_option
@pass_settings
def diff(settings: Settings, dataset: str, against: str | None, rows: int, as_json: bool) -> None:
    """Rows a change adds, removes and changes, per split; labels, personal data, leakage.

    Compared with the commit from which the change parted. Exits with 2 where rows differ.
    """
    from tidemill.adapters.clock import SystemClock
    from tidemill.home import Home
    from tidemill.planning.report import compared, told
    from tidemill.planning.revisions import open_sides

    home = Home(settings)
    project, name = home.find_spec(dataset)
    _is_dataset(home.project(project), name)
    with open_sides(settings, against, None) as sides:
        if f"{project}/{name}" not in sides.wanted:  # no file of its project differs
            same = {"project": project, "name": name, "any": False}
            print_json(same) if as_json else click.echo("the rows stay the same")
            return
        found = compared(sides, project, name, SystemClock())
    report = {"project": project, "name": name, "any": found.rows.any, **told(found)}
    report["examples"] = _examples(found.rows, rows)
    print_json(report) if as_json else click.echo("\n".join(_differing(report)))
    exit_with(CHANGES if found.rows.any else 0)


def _is_dataset(project: Project, name: str) -> None:
    from tidemill.errors import suggest

    kinds = {key: loaded.spec.kind for key, loaded in project.specs.items()}
    if kinds[name] != "Dataset":
        known = [key for key, kind in kinds.items() if kind == "Dataset"]
        raise TidemillError(f"'{name}' is a {kinds[name]}, not a Dataset; {suggest(name, known)}")


def _examples(rows: Any, most: int) -> dict[str, list[Any]]:
    from tidemill.data.rows import columns_of

    return {
        "added": [columns_of(row) for row in rows.added[:most]],
        "removed": [columns_of(row) for row in rows.removed[:most]],
        "changed": [[columns_of(row) for row in pair] for pair in rows.changed[:most]],
    }


def _shown(told: Mapping[str, Any]) -> Iterator[str]:
    counts = ", ".join(f"{split} {count:,}" for split, count in told["rows"].items())
    yield f"{told['project']}/{told['name']}: {counts}"
    labels = sorted({label for given in told["labels"].values() for label in given})
    for label in labels:
        each = (f"{split} {told['labels'].get(split, {}).get(label, 0)}" for split in told["rows"])
        yield f"  {strip_control(label):<24} {', '.join(each)}"
    for reason, count in told["quarantined"].items():
        yield f"  left out: {strip_control(reason)} {count:,}"
    if told["pii"]:
        yield f"  personal data found: {', '.join(f'{n} {k}' for k, n in told['pii'].items())}"
    if told["not_read"]:
        yield f"  not read: {', '.join(map(strip_control, told['not_read']))}"
    for split, rows in told["examples"].items():
        yield from (f"  {split}: {_row(row)}" for row in rows)


def _differing(report: Mapping[str, Any]) -> Iterator[str]:
    from tidemill.cli._plan_words import data

    yield from data({"data": report, "data_note": ""}, strip_control)
    examples = report["examples"]
    yield from (f"+ {_row(row)}" for row in examples["added"])
    yield from (f"- {_row(row)}" for row in examples["removed"])
    for before, after in examples["changed"]:
        yield from _pair(before, after)
    hidden = _hidden(report)
    if hidden:
        yield f"… and {format_count(hidden, 'row')} more; --rows shows them"


def _pair(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    names = [name for name in after if before.get(name) != after.get(name) and name != "id"]
    yield f"~ {_row(before)}"
    yield from (
        f"    {name}: {format_value(before.get(name))} → {format_value(after.get(name))}"
        for name in names
    )


def _hidden(report: Mapping[str, Any]) -> int:
    shown = sum(map(len, report["examples"].values()))
    splits: Sequence[Mapping[str, int]] = list(report["splits"].values())
    return sum(one["added"] + one["removed"] + one["changed"] for one in splits) - shown


def _row(row: Mapping[str, Any]) -> str:
    kept = {k: v for k, v in row.items() if k not in ("id", "source", "weight") and v is not None}
    return "  ".join(f"{strip_control(name)}={format_value(given)}" for name, given in kept.items())
