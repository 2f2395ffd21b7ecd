"""Build assets: missing and stale ones are built, fresh ones are reused.

NAMES are specs (`reply-eval` or `support-chat/reply-eval`) or whole projects (`support-chat`).
Everything a name needs is built first. Feedback that has come since a dataset was built waits for a
trigger, or for `--fresh`. The run shows in Dagster's UI.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from itertools import groupby

import click

from tidemill import entry_points
from tidemill.control.trigger_runs import OFFSETS_TAG
from tidemill.home import Home
from tidemill.local.dagster_home import environment
from tidemill.settings import Settings
from tidemill.spec.feedback import Feedback
from tidemill.terminal.shell import (
    examples_epilog,
    exit_with,
    json_option,
    pass_settings,
    print_json,
)


@click.command(
    epilog=examples_epilog(
        "tidemill run support-chat",
        "tidemill run support-chat/reply-eval --only",
        "tidemill run support-chat --fresh",
    )
)
@click.argument("names", nargs=-1, required=True)
@click.option("--only", is_flag=True, help="Build only these assets; their inputs must exist.")
@click.option("--fresh", is_flag=True, help="Include all feedback received so far.")
@json_option
@pass_settings
def command(
    settings: Settings, names: tuple[str, ...], only: bool, fresh: bool, as_json: bool
) -> None:
    """Build assets: missing and stale ones are built, fresh ones are reused.

    A dataset keeps the feedback it was built with until a trigger, or `--fresh`, takes in more.
    """
    home = Home(settings)
    selection = [pair for name in names for pair in select_assets(home, name, only)]
    home.prepare_ledger()
    code, report = 0, []
    for project, pairs in groupby(dict.fromkeys(selection), key=lambda pair: pair[0]):
        specs = [spec for _, spec in pairs]
        tags = {OFFSETS_TAG: json.dumps(frozen_now(home, project))} if fresh else {}
        code = code or start(settings, project, specs, tags)
        report += [describe_asset(home, project, spec) for spec in specs]
    if as_json:
        print_json({"ok": code == 0, "assets": report})
    exit_with(code)


def select_assets(home: Home, name: str, only: bool) -> list[tuple[str, str]]:
    """(project, spec) pairs that a name stands for, parents before children."""
    from tidemill.spec.graph import build_order, upstream

    if name in home.workspace.projects:
        return [(name, spec) for spec in build_order(home.project(name))]
    project_name, spec = home.find_spec(name)
    if only:
        return [(project_name, spec)]
    return [(project_name, item) for item in upstream(home.project(project_name), spec)]


def frozen_now(home: Home, project: str) -> dict[str, int]:
    """Where every stream of a project stands now."""
    streams = (loaded.spec for loaded in home.project(project).specs.values())
    topics = [spec.topic for spec in streams if isinstance(spec, Feedback)]
    return {
        k: end for topic in topics for k, end in home.ledger.feedback.frozen_offsets(topic).items()
    }


def start(
    settings: Settings, project: str, specs: list[str], tags: Mapping[str, str] | None = None
) -> int:
    """Run the assets in a process of their own; gives its exit code."""
    command_line = [sys.executable, "-m", entry_points.LAUNCH, project, *specs]
    command_line += ["--tags", json.dumps(dict(tags))] if tags else []
    # In a group of its own: Control-C is for the run alone, not for what Dagster starts beside it.
    with subprocess.Popen(command_line, env=environment(settings), process_group=0) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            _wait(process)
            raise


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Until it has put things in order; who presses Control-C again does not wait."""
    try:
        process.wait()
    except KeyboardInterrupt:
        process.kill()
        raise


def describe_asset(home: Home, project: str, spec: str) -> dict[str, object]:
    """What is known of an asset after the run."""
    making = home.ledger.materialisations.latest(project, spec)
    if making is None:
        return {"project": project, "name": spec, "artefact": None}
    return {
        "project": project,
        "name": spec,
        "artefact": making.artefact,
        "passed": making.has_passed,
        "seconds": round(making.seconds, 1),
        "measures": [measure.to_dict() for measure in making.measures],
    }
