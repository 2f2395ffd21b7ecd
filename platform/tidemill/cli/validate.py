"""Check specs: every problem of every file at once, each with its line and the way out.

PATH is a folder of projects, one project, or one file; default is the specs folder. A file is
checked together with its project, and only its own problems are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidemill.errors import Problem, SpecError, TidemillError
from tidemill.settings import Settings
from tidemill.terminal.amounts import strip_control
from tidemill.terminal.shell import (
    ERROR,
    examples_epilog,
    exit_with,
    json_option,
    pass_settings,
    print_json,
)

if TYPE_CHECKING:
    from tidemill.planning.rollout_forecasts import ForecastSpec
    from tidemill.spec.load import Workspace


@click.command(
    epilog=examples_epilog("tidemill validate", "tidemill validate specs/support-chat --json")
)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@json_option
@pass_settings
def command(settings: Settings, path: Path | None, as_json: bool) -> None:
    """Check specs: every problem of every file at once.

    PATH is a folder of projects, one project, or one file; default is the specs folder. A file is
    checked together with its project, and only its own problems are shown. Of each rollout it is
    said what its steps can see at the traffic there is, and by when.
    """
    from tidemill.spec.load import display_path, load

    target = path if path is not None else settings.specs
    folder = target.parent if target.is_file() else target
    if not folder.is_dir():
        raise TidemillError(f"{display_path(folder)}: there is no such folder; {_start()}")
    problems: tuple[Problem, ...] = ()
    forecasts: list[ForecastSpec] = []
    count = projects = 0
    try:
        workspace = load(folder)
        count, projects = workspace.count, len(workspace.projects)
        forecasts = _forecasts(settings, workspace, target)
        problems = tuple(_problems(forecasts))
    except SpecError as error:
        problems = error.problems
    if target.is_file():
        problems = tuple(p for p in problems if p.path == display_path(target))
        count = projects = 1
    if not problems and not count:
        raise TidemillError(f"{display_path(folder)} holds no specs; {_start()}")
    _report(problems, count, projects, forecasts, as_json)


def _forecasts(settings: Settings, workspace: Workspace, target: Path) -> list[ForecastSpec]:
    """Of the rollouts below `target`, at the traffic of this home's ledger."""
    from tidemill.adapters.clock import SystemClock
    from tidemill.planning.rollout_forecasts import open_ledger, workspace_forecasts

    ledger, now = open_ledger(settings), SystemClock().now()
    forecasts = workspace_forecasts(workspace, ledger, now)
    return [item for item in forecasts if not target.is_file() or item.loaded.path == target]


def _problems(forecasts: Iterable[ForecastSpec]) -> Iterator[Problem]:
    from tidemill.spec.load import display_path

    for item in forecasts:
        problem = item.forecast.problem if item.forecast else None
        if problem:
            line = item.loaded.line(*problem.path)
            yield Problem(display_path(item.loaded.path), line, problem.cause, problem.way_out)


def _start() -> str:
    return (
        "a project is a folder of .yaml files below it that begin with 'apiVersion: tidemill/v1'; "
        "name another folder, or begin with `tidemill init --data FILE.csv`"
    )


def _report(
    problems: tuple[Problem, ...],
    count: int,
    projects: int,
    forecasts: Sequence[ForecastSpec],
    as_json: bool,
) -> None:
    if as_json:
        rows = [
            {"path": str(p.path), "line": p.line, "cause": p.cause, "way_out": p.way_out}
            for p in problems
        ]
        facts = {"ok": not problems, "specs": count, "projects": projects, "problems": rows}
        print_json({**facts, "rollouts": [item.to_dict() for item in forecasts]})
    elif problems:
        click.echo("\n".join(strip_control(str(problem)) for problem in problems), err=True)
        files = len({problem.path for problem in problems})
        click.echo(f"{_many(len(problems), 'problem')} in {_many(files, 'file')}", err=True)
    else:
        click.echo(f"{_many(count, 'spec')} in {_many(projects, 'project')}: valid")
        click.echo("".join(f"{line}\n" for line in _rollout_lines(forecasts)), nl=False)
    if problems:
        exit_with(ERROR)


def _rollout_lines(forecasts: Iterable[ForecastSpec]) -> Iterator[str]:
    from tidemill.cli._forecast_text import forecast_lines, unknown_traffic_line

    unknown = []
    for item in forecasts:
        if item.forecast is None:
            unknown.append(item.rollout.service)
            continue
        yield item.rollout.service
        yield from (f"  {line}" for line in forecast_lines(item.forecast, item.metric))
    if unknown:
        yield unknown_traffic_line(unknown)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
