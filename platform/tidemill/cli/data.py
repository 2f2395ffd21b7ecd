"""Inspect a dataset: splits, labels, quarantine, and the row changes of a spec change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tidemill.errors import TidemillError
from tidemill.settings import Settings
from tidemill.terminal.shell import (
    CHANGES,
    examples_epilog,
    exit_with,
    json_option,
    pass_settings,
    print_json,
)

if TYPE_CHECKING:
    from tidemill.cli._data_text import DatasetContent, Examples
    from tidemill.data.compare import RowChanges
    from tidemill.planning.current_dataset import CurrentDataset
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
    """What a dataset would hold now: counts, labels, votes, what is left out and why, a few rows.

    Read by its own pipeline from its files and all feedback so far, as `run --fresh` does; hub
    files and expectations come with a run.
    """
    from tidemill.cli._data_text import content_lines
    from tidemill.home import Home
    from tidemill.planning.current_dataset import current_dataset

    home = Home(settings)
    project, name = home.find_spec(dataset)
    _is_dataset(home.project(project), name)
    current = current_dataset(home, project, name)
    content = _content(project, name, current, rows)
    print_json(content) if as_json else click.echo("\n".join(content_lines(content)))


def _content(project: str, name: str, current: CurrentDataset, rows: int) -> DatasetContent:
    from tidemill.cli._votes_text import vote_content
    from tidemill.data.example_order import prepared_kind_counts
    from tidemill.data.rows import columns_of

    preview = current.preview
    dataset, splits = preview.prepared, preview.prepared.splits.items()
    return {
        "project": project,
        "name": name,
        "rows": dataset.counts,
        "labels": preview.labels,
        "quarantined": dataset.quarantine.counts(),
        "pii": dataset.pii,
        "duplicates": dataset.duplicates,
        "leaking": preview.leaking_rows,
        "not_read": list(preview.unread_sources),
        "vouched": prepared_kind_counts(dataset.splits["train"]),
        "feedback": vote_content(current, rows),
        "examples": {name: [columns_of(row) for row in rows_of[:rows]] for name, rows_of in splits},
    }


@command.command(
    epilog=examples_epilog(
        "tidemill data diff requests", "tidemill data diff requests --against v1.2"
    )
)
@click.argument("dataset")
@click.option("--against", metavar="REF", help="Default: the remote's default branch, else main.")
@click.option(
    "--rows", "-n", default=SHOWN, show_default=True, help="Rows to show of each kind of change."
)
@json_option
@pass_settings
def diff(settings: Settings, dataset: str, against: str | None, rows: int, as_json: bool) -> None:
    """Rows a change adds, removes and changes, per split; labels, personal data, leakage.

    Compared with the merge base. Exits with 2 where rows differ.
    """
    from tidemill.adapters.clock import SystemClock
    from tidemill.cli._data_text import difference_lines
    from tidemill.home import Home
    from tidemill.planning.dataset_differences import compare_dataset
    from tidemill.planning.report import difference_to_dict
    from tidemill.planning.revisions import open_revisions

    home = Home(settings)
    project, name = home.find_spec(dataset)
    _is_dataset(home.project(project), name)
    with open_revisions(settings, against, None) as revisions:
        if f"{project}/{name}" not in revisions.desired:  # no file of its project differs
            same = {"project": project, "name": name, "any": False}
            print_json(same) if as_json else click.echo("no row changes")
            return
        data = compare_dataset(revisions, project, name, SystemClock())
    examples = _examples(data.rows, rows)
    if as_json:
        facts = {"project": project, "name": name, "any": data.rows.has_changes}
        print_json({**facts, **difference_to_dict(data), "examples": examples})
    else:
        click.echo("\n".join(difference_lines(data, examples)))
    exit_with(CHANGES if data.rows.has_changes else 0)


def _is_dataset(project: Project, name: str) -> None:
    from tidemill.errors import suggest

    kinds = {key: loaded.spec.kind for key, loaded in project.specs.items()}
    if kinds[name] != "Dataset":
        datasets = [key for key, kind in kinds.items() if kind == "Dataset"]
        way_out = suggest(name, datasets)
        raise TidemillError(f"'{name}' is a {kinds[name]}, not a Dataset; {way_out}")


def _examples(rows: RowChanges, most: int) -> Examples:
    from tidemill.data.rows import columns_of

    return {
        "added": [columns_of(row) for row in rows.added[:most]],
        "removed": [columns_of(row) for row in rows.removed[:most]],
        "changed": [[columns_of(row) for row in pair] for pair in rows.changed[:most]],
    }
