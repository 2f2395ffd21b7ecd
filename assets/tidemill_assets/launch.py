"""Make assets now, in this process, as a run that Dagster's UI shows: `tidemill run` calls this."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence

import click
import dagster as dg
from dagster._core.errors import DagsterAssetCheckFailedError, DagsterExecutionInterruptedError

from tidemill.errors import GateFailed
from tidemill.home import Home
from tidemill.pipeline.builder import ProjectBuilder
from tidemill.progress import Progress
from tidemill.settings import Settings
from tidemill.terminal.progress import terminal_progress
from tidemill.terminal.shell import INTERRUPTED, exit_with, run
from tidemill_assets.definitions import definitions
from tidemill_assets.display import listeners
from tidemill_assets.runs import failed_checks, key

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The run's log is in the UI; the terminal shows progress."""


def launch(
    home: Home, project: str, names: Sequence[str], *, tags: dict[str, str], say: Progress
) -> dict[str, str]:
    """Materialise the named assets of a project in order; gives `{"run": id}`.

    Raises what the first failing asset raised, and `GateFailed` for a blocking check.
    """
    listeners.append(say)
    keys = [key(project, name) for name in names]
    repository = definitions(home).get_repository_def()
    assets = [
        asset for asset in repository.assets_defs_by_key.values() if asset.key.path[0] == project
    ]
    with dg.DagsterInstance.get() as instance:
        try:
            result = dg.materialize(
                assets, selection=keys, instance=instance, tags=tags, run_config=_QUIET
            )
        except DagsterAssetCheckFailedError as error:
            raise GateFailed(_failed_checks(instance, home.builder(project))) from error
        finally:
            listeners.remove(say)
        return {"run": result.run_id}


def _failed_checks(instance: dg.DagsterInstance, builder: ProjectBuilder) -> str:
    """What the blocking checks of the newest run said, and where to look next."""
    run = instance.get_run_records(limit=1)[0].dagster_run
    failed = failed_checks(instance, run.run_id)
    messages = (
        "; ".join(f"{name}: {message}" for name, message in failed) or "a blocking check failed"
    )
    way_out = "fix it and run again"
    for name, _ in failed:
        if builder.specs[name].kind == "Evaluation":
            way_out = f"`tidemill report {builder.project.name}/{name}` shows the rows behind it"
    return f"{messages}; what is live stays, {way_out}"


@click.command()
@click.argument("project")
@click.argument("names", nargs=-1, required=True)
@click.option("--tags", default="{}", help="Tags of the run, as a JSON object.")
def command(project: str, names: tuple[str, ...], tags: str) -> None:
    """Make assets of one project, in this order."""
    # Below `nohup` SIGINT is inherited as ignored; only `tidemill run` sends it, and means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with terminal_progress() as say:
        try:
            launch(Home(Settings.read()), project, names, tags=json.loads(tags), say=say)
        except DagsterExecutionInterruptedError:
            exit_with(INTERRUPTED)  # `tidemill run` says so


if __name__ == "__main__":
    sys.exit(run(command))
