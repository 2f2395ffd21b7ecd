"""Write one HTML report of a release: verdict, metrics, curves, failures, rollout, provenance."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from tidemill.settings import Settings
from tidemill.terminal.shell import examples_epilog, json_option, pass_settings, print_json


@click.command(
    epilog=examples_epilog(
        "tidemill report support-chat --open",
        "tidemill report cd52aa78ec26 --out report.html",
        "tidemill report support-chat/reply-quality",
    )
)
@click.argument("name", metavar="RELEASE|SERVICE|EVALUATION")
@click.option(
    "--out", type=click.Path(path_type=Path), help="The file; default below home, by release."
)
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@json_option
@pass_settings
def command(settings: Settings, name: str, out: Path | None, show: bool, as_json: bool) -> None:
    """Write one HTML report of a release: verdict, metrics, curves, failures, rollout, provenance.

    RELEASE is a digest, or a beginning of one that no other release has; a SERVICE stands for its
    live release, else for its newest; an EVALUATION for what it judged last, so that a missed gate
    can be looked into. The file needs no script and no network.
    """
    from tidemill.home import Home
    from tidemill.report import gather
    from tidemill.report.page import page
    from tidemill.report.resolve_name import resolve_name
    from tidemill.report.verdict import verdict
    from tidemill.report.write import write

    home = Home(settings)
    record = resolve_name(home, name, datasets=False).release
    assert record is not None
    story = gather.gather_release(home, record)
    digest = story.digest.removeprefix("sha256:")[:12]
    path = out or settings.home / "reports" / f"{story.service}-{digest}.html"
    count = write(path, page(story))
    if as_json:
        outcome = verdict(story)
        print_json(
            {
                "path": path.resolve(), "bytes": count, "release": story.digest,
                "verdict": outcome.sentence, "tone": outcome.tone, "missing": dict(story.missing),
            }
        )  # fmt: skip
    else:
        click.echo(f"{path} ({count / 1000:.0f} kB)")
    if show and not webbrowser.open(path.resolve().as_uri()):
        click.echo("no browser could be started here; open the file yourself", err=True)
