"""Tell the whole story on this machine: release, shift, feedback, retrain, canary."""

from __future__ import annotations

from pathlib import Path

import click

from tidemill.terminal.shell import example, json_option, leave, print_json


@click.command(epilog=example("tidemill demo", "tidemill demo --keep   # leaves it running"))
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
    help="Where the demo plays and leaves report.json.",
)
@click.option("--keep", is_flag=True, help="Leave the services running at the end.")
@json_option
def command(specs: Path, folder: Path, keep: bool, as_json: bool) -> None:
    """Tell the whole story on this machine: release, shift, feedback, retrain, canary."""
    from tidemill.demo.story import tell
    from tidemill.terminal.progress import terminal

    with terminal() as say:
        report = tell(specs.resolve(), folder.resolve(), keep=keep, say=say)
    if as_json:
        print_json(report)
    else:
        click.echo(summary(report, folder, keep))
    leave(0 if report["ok"] else 1)


def summary(report: dict[str, object], folder: Path, keep: bool) -> str:
    """The last screen: what happened, and where to look."""
    before, after = report["quality_before"], report["quality_after"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    env = f"TIDEMILL_SPECS={folder}/repository/specs TIDEMILL_HOME={folder}/home"
    lines = [
        "",
        f"  {'The wheel turned' if report['ok'] else 'The wheel did not turn'} "
        f"in {report['seconds']} s.",
        f"  New requests understood: {_interval(before)} before, {_interval(after)} after.",
        f"  Events: {report['events_sent']} sent, {report['events_ingested']} ingested, "
        f"{report['quarantined']} quarantined.",
        f"  Report: {folder}/report.json",
    ]
    if keep:
        lines += [f"  Running: see `{env} tidemill status`; stop with `tidemill down` likewise."]
    else:
        lines += [f"  Start it again: {env} TIDEMILL_SUBJECT_KEY=… tidemill up"]
    return "\n".join(lines)


def _interval(quality: dict[str, float]) -> str:
    return f"{quality['value']:.0%} ({quality['low']:.0%}–{quality['high']:.0%})"
