"""Run the whole loop on this machine: release, data drift, feedback, retraining, canary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidemill.terminal.shell import examples_epilog, exit_with, json_option, print_json

if TYPE_CHECKING:
    from tidemill.demo.crowd import Quality
from tidemill.demo.report import DemoReport


@click.command(
    epilog=examples_epilog("tidemill demo", "tidemill demo --keep   # leaves it running")
)
@click.option(
    "--specs",
    type=click.Path(path_type=Path),
    default=Path("specs"),
    show_default=True,
    help="The specs that are copied into the demo's own Git repository.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path(".tidemill/demo"),
    show_default=True,
    help="Folder of the demo and its report.json.",
)
@click.option("--keep", is_flag=True, help="Leave the services running at the end.")
@json_option
def command(specs: Path, folder: Path, keep: bool, as_json: bool) -> None:
    """Run the whole loop on this machine: release, data drift, feedback, retraining, canary."""
    from tidemill.demo.story import tell
    from tidemill.terminal.progress import terminal_progress

    with terminal_progress() as say:
        report = tell(specs.resolve(), folder.resolve(), keep=keep, say=say)
    if as_json:
        print_json(report.to_dict())
    else:
        click.echo(summary(report, folder, keep))
    exit_with(0 if report.ok else 1)


def summary(report: DemoReport, folder: Path, keep: bool) -> str:
    """The last screen: what happened, and where to look."""
    before, after = report.quality_before, report.quality_after
    env = f"TIDEMILL_SPECS={folder}/repository/specs TIDEMILL_HOME={folder}/home"
    lines = [
        "",
        f"  The loop {'is closed' if report.ok else 'did not close'} after {report.seconds} s.",
        f"  Accuracy on new requests: {_interval(before)} before, {_interval(after)} after "
        "retraining.",
        f"  Events: {report.events_sent} sent, {report.events_ingested} ingested, "
        f"{report.quarantined} quarantined.",
        f"  Report: {folder}/report.json",
    ]
    if keep:
        lines += [f"  Still running: `{env} tidemill status`; stop with `{env} tidemill down`."]
    else:
        lines += [f"  Start it again: {env} TIDEMILL_SUBJECT_KEY=… tidemill up"]
    return "\n".join(lines)


def _interval(quality: Quality) -> str:
    return f"{quality.value:.0%} ({quality.low:.0%}–{quality.high:.0%})"
