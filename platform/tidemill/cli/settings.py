"""List the environment variables that Tidemill reads: meaning, default, and what is set now."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from tidemill.terminal.shell import ERROR, examples_epilog, exit_with, json_option, print_json

if TYPE_CHECKING:
    from tidemill.settings.variables import Variable


@click.command(
    epilog=examples_epilog("tidemill settings", "tidemill settings --json | jq '.[].name'")
)
@json_option
def command(as_json: bool) -> None:
    """List the environment variables that Tidemill reads: meaning, default, and what is set now.

    A secret is only said to be set. Exits with 1 where a variable cannot be used.
    """
    from tidemill.errors import SettingsError
    from tidemill.settings import Settings
    from tidemill.settings.variables import unknown_variables, values, variables

    problems: tuple[str, ...] = ()
    try:
        current = values(Settings.read())
    except SettingsError as error:
        current, problems = {}, error.problems
    rows = [(variable, current.get(variable.name)) for variable in variables()]
    if as_json:
        print_json([{**vars(variable), "value": value} for variable, value in rows])
    else:
        click.echo("\n".join(line for row in rows for line in _lines(*row)))
    for sentence in (*problems, *unknown_variables(os.environ)):
        click.echo(sentence, err=True)
    if problems:
        exit_with(ERROR)


def _lines(variable: Variable, value: str | None) -> list[str]:
    defaults = [text for text in (" or ".join(variable.fallbacks), variable.default) if text]
    lines = [variable.name, f"    {variable.meaning}"]
    if defaults:
        lines.append(f"    default: {', else '.join(defaults)}")
    return [*lines, f"    set to: {value}"] if value is not None else lines
