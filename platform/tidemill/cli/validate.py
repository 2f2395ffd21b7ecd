"""Check specs: every problem of every file at once, each with its line and the way out.

PATH is a folder of projects, one project, or one file; default is the specs folder. A file is
checked together with its project, and only its own problems are shown.
"""

from __future__ import annotations

from pathlib import Path

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


@click.command(
    epilog=examples_epilog("tidemill validate", "tidemill validate specs/support-chat --json")
)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@json_option
@pass_settings
def command(settings: Settings, path: Path | None, as_json: bool) -> None:
    """Check specs: every problem of every file at once.

    PATH is a folder of projects, one project, or one file; default is the specs folder. A file is
    checked together with its project, and only its own problems are shown.
    """
    from tidemill.spec.load import display_path, load

    target = path if path is not None else settings.specs
    folder = target.parent if target.is_file() else target
    if not folder.is_dir():
        raise TidemillError(f"{display_path(folder)}: there is no such folder; {_start()}")
    problems: tuple[Problem, ...] = ()
    count = projects = 0
    try:
        workspace = load(folder)
        count, projects = workspace.count, len(workspace.projects)
    except SpecError as error:
        problems = error.problems
    if target.is_file():
        problems = tuple(p for p in problems if p.path == display_path(target))
        count = projects = 1
    if not problems and not count:
        raise TidemillError(f"{display_path(folder)} holds no specs; {_start()}")
    _report(problems, count, projects, as_json)


def _start() -> str:
    return (
        "a project is a folder of .yaml files below it that begin with 'apiVersion: tidemill/v1'; "
        "name another folder, or begin with `tidemill init --data FILE.csv`"
    )


def _report(problems: tuple[Problem, ...], count: int, projects: int, as_json: bool) -> None:
    if as_json:
        rows = [
            {"path": str(p.path), "line": p.line, "cause": p.cause, "way_out": p.way_out}
            for p in problems
        ]
        print_json({"ok": not problems, "specs": count, "projects": projects, "problems": rows})
    elif problems:
        click.echo("\n".join(strip_control(str(problem)) for problem in problems), err=True)
        files = len({problem.path for problem in problems})
        click.echo(f"{_many(len(problems), 'problem')} in {_many(files, 'file')}", err=True)
    else:
        click.echo(f"{_many(count, 'spec')} in {_many(projects, 'project')}: valid")
    if problems:
        exit_with(ERROR)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
