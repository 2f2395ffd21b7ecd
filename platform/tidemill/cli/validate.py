"""Check specs: every problem of every file at once, each with its line and the way out.

PATH is a folder of projects, one project, or one file; default is the specs folder. A file is
checked together with its project, and only its own problems are shown.
"""

from __future__ import annotations

from pathlib import Path

import click

from tidemill.errors import Problem, SpecError, TidemillError
from tidemill.settings import Settings
from tidemill.terminal.amounts import plain
from tidemill.terminal.shell import ERROR, example, json_option, leave, pass_settings, print_json


@click.command(epilog=example("tidemill validate", "tidemill validate specs/support-chat --json"))
@click.argument("path", required=False, type=click.Path(path_type=Path))
@json_option
@pass_settings
def command(settings: Settings, path: Path | None, as_json: bool) -> None:
    """Check specs: every problem of every file at once.

    PATH is a folder of projects, one project, or one file; default is the specs folder. A file is
    checked together with its project, and only its own problems are shown.
    """
    from tidemill.spec.load import load, shown

    asked = path if path is not None else settings.specs
    folder = asked.parent if asked.is_file() else asked
    if not folder.is_dir():
        raise TidemillError(f"{shown(folder)}: there is no such folder; {_start()}")
    problems: tuple[Problem, ...] = ()
    count = projects = 0
    try:
        workspace = load(folder)
        count, projects = workspace.count, len(workspace.projects)
    except SpecError as error:
        problems = error.problems
    if asked.is_file():
        problems = tuple(p for p in problems if p.path == shown(asked))
        count = projects = 1
    if not problems and not count:
        raise TidemillError(f"{shown(folder)} holds no specs; {_start()}")
    _report(problems, count, projects, as_json)


def _start() -> str:
    return (
        "a project is a folder of .yaml files below it that begin with 'apiVersion: tidemill/v1'; "
        "name another folder, or begin with `tidemill init --data FILE.csv`"
    )


def _report(problems: tuple[Problem, ...], count: int, projects: int, as_json: bool) -> None:
    if as_json:
        found = [
            {"path": str(p.path), "line": p.line, "cause": p.cause, "way_out": p.way_out}
            for p in problems
        ]
        print_json({"ok": not problems, "specs": count, "projects": projects, "problems": found})
    elif problems:
        click.echo("\n".join(plain(str(one)) for one in problems), err=True)
        files = len({problem.path for problem in problems})
        click.echo(f"{_many(len(problems), 'problem')} in {_many(files, 'file')}", err=True)
    else:
        click.echo(f"{_many(count, 'spec')} in {_many(projects, 'project')}: all good")
    if problems:
        leave(ERROR)


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
