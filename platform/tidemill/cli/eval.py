"""Run the evaluations that a change touches: before and after, on the same rows, within a budget.

NAMES are projects or specs; default is every evaluation that differs from the merge base with REF.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidemill.errors import StorageError
from tidemill.settings import Settings
from tidemill.terminal.shell import (
    examples_epilog,
    exit_with,
    json_option,
    pass_settings,
    print_json,
)

if TYPE_CHECKING:
    from tidemill.home import Home


@click.command(
    epilog=examples_epilog(
        "tidemill eval",
        "tidemill eval support-chat/reply-prompt --against origin/main --budget 10m",
        "tidemill eval --rows 50 --json | jq '.compared[].comparison.metrics'",
        "tidemill eval --markdown eval.md; tidemill plan --post --section eval.md    # in CI",
    )
)
@click.argument("names", nargs=-1)
@click.option("--against", metavar="REF", help="Default: the remote's default branch, else main.")
@click.option(
    "--rows", type=click.IntRange(min=1), help="Test rows of each evaluation; default: all."
)
@click.option(
    "--budget",
    default="5m",
    show_default=True,
    metavar="DURATION",
    help="Time for answers, all evaluations together; the rest of the rows is counted.",
)
@click.option(
    "--markdown",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write the section of the pull request's comment.",
)
@json_option
@pass_settings
def command(
    settings: Settings,
    names: tuple[str, ...],
    against: str | None,
    rows: int | None,
    budget: str,
    markdown: Path | None,
    as_json: bool,
) -> None:
    """Run the evaluations that a change touches, before and after, on the same test rows.

    An evaluation differs where its own spec does, or one that it is built from, such as a prompt.
    Models are used as they are built: what needs a training is named and left out. Answers that
    were given before are not asked again, so a changed gate needs none. Nothing is recorded.

    Exit codes: 0 nothing is shown to be worse, 2 a gate of the new version fails or a metric of
    quality surely fell, 1 an error.
    """
    from tidemill.home import Home
    from tidemill.planning.evaluation_run import EvaluationRun
    from tidemill.planning.revisions import open_revisions
    from tidemill.terminal.durations import parse_duration
    from tidemill.terminal.progress import terminal_progress

    seconds = parse_duration("--budget", budget)
    home = Home(settings)
    selection = _selection(home, names) if names else None
    with open_revisions(settings, against, None) as revisions, terminal_progress() as say:
        report = EvaluationRun(home, revisions, seconds, rows, say).report(selection)
    if markdown is not None:
        from tidemill.cli._eval_markdown import eval_markdown

        _write(markdown, eval_markdown(report))
    if as_json:
        print_json(report.to_dict())
    else:
        from tidemill.cli._eval_text import eval_text

        click.echo(eval_text(report))
    exit_with(report.exit_code)


def _selection(home: Home, names: tuple[str, ...]) -> set[str]:
    """The specs that are named, by `project/name`; a project is all of its specs."""
    selection: set[str] = set()
    for name in names:
        if name in home.workspace.projects:
            selection |= {f"{name}/{spec}" for spec in home.project(name).specs}
        else:
            selection.add("/".join(home.find_spec(name)))
    return selection


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}; name another --markdown file") from error
