"""Make assets: what is missing or stale is made, the rest is reused.

NAMES are specs (`reply-eval` or `support-chat/reply-eval`) or whole projects (`support-chat`).
Everything a name needs is made first. The run shows in Dagster's UI.
"""

from __future__ import annotations

import subprocess
import sys
from itertools import groupby

import click

from tidemill.adapters.home import Home
from tidemill.cli._shell import example, json_option, leave, pass_settings, print_json
from tidemill.serving.dagster_home import environment
from tidemill.settings import Settings


@click.command(
    epilog=example("tidemill run support-chat", "tidemill run support-chat/reply-eval --only")
)
@click.argument("names", nargs=-1, required=True)
@click.option("--only", is_flag=True, help="Do not make what the names need; it has to be there.")
@json_option
@pass_settings
def command(settings: Settings, names: tuple[str, ...], only: bool, as_json: bool) -> None:
    """Make assets: what is missing or stale is made, the rest is reused."""
    home = Home(settings)
    wanted = [pair for name in names for pair in selected(home, name, only)]
    code, report = 0, []
    for project, pairs in groupby(dict.fromkeys(wanted), key=lambda pair: pair[0]):
        specs = [spec for _, spec in pairs]
        code = code or start(settings, project, specs)
        report += [described(home, project, spec) for spec in specs]
    if as_json:
        print_json({"ok": code == 0, "assets": report})
    leave(code)


def selected(home: Home, name: str, only: bool) -> list[tuple[str, str]]:
    """(project, spec) pairs that a name stands for, parents before children."""
    from tidemill.spec.graph import order, upstream

    if name in home.workspace.projects:
        return [(name, spec) for spec in order(home.project(name))]
    project_name, spec = home.find(name)
    if only:
        return [(project_name, spec)]
    return [(project_name, item) for item in upstream(home.project(project_name), spec)]


def start(settings: Settings, project: str, specs: list[str]) -> int:
    """Run the assets in a process of their own; gives its exit code."""
    command_line = [sys.executable, "-m", "tidemill_assets.launch", project, *specs]
    return subprocess.run(command_line, env=environment(settings), check=False).returncode


def described(home: Home, project: str, spec: str) -> dict[str, object]:
    """What is known of an asset after the run."""
    making = home.ledger.assets.latest(project, spec)
    if making is None:
        return {"project": project, "name": spec, "artefact": None}
    return {
        "project": project,
        "name": spec,
        "artefact": making.artefact,
        "passed": making.passed,
        "seconds": round(making.seconds, 1),
        "measures": making.measures,
    }
