"""What a change would do: what is rebuilt and why, what it takes, what users would see."""

from __future__ import annotations

from pathlib import Path

import click

from tidemill.errors import ServiceError, TidemillError
from tidemill.settings import Settings
from tidemill.terminal.shell import examples_epilog, exit_with, pass_settings, print_json


@click.command(
    epilog=examples_epilog(
        "tidemill plan",
        "tidemill plan --against origin/main --format md",
        "tidemill plan --format json | jq .counts",
        "tidemill plan --post    # in CI: writes or renews its comment on the pull request",
    )
)
@click.option("--against", metavar="REF", help="Default: the remote's default branch, else main.")
@click.option("--head", metavar="REF", help="Plan this commit instead of the working tree.")
@click.option(
    "--format",
    "shape",
    type=click.Choice(["text", "md", "json"]),
    default="text",
    show_default=True,
    help="For a terminal, a comment, or machines.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--post", is_flag=True, help="Also write the comment on the pull request of this job."
)
@click.option(
    "--section",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Markdown to add to the comment, such as that of `eval`; left out where there is none.",
)
@pass_settings
def command(
    settings: Settings,
    against: str | None,
    head: str | None,
    shape: str,
    as_json: bool,
    post: bool,
    section: Path | None,
) -> None:
    """What a change would do: what is rebuilt and why, what it takes, what users would see.

    The specs are compared with those of the merge base, so that what others have merged since does
    not show, and with what is built here. Exit codes: 0 nothing to build, 2 changes, 1 an error, 3
    a person has to agree, a budget is exceeded or a rollout cannot finish.
    """
    from tidemill.adapters.clock import SystemClock
    from tidemill.planning.planner import plan_report
    from tidemill.planning.revisions import open_revisions

    with open_revisions(settings, against, head) as revisions:
        report = plan_report(settings, revisions, SystemClock())
    if as_json or shape == "json":
        print_json(report.to_dict())
    elif shape == "md":
        from tidemill.cli._plan_markdown import plan_markdown

        click.echo(plan_markdown(report, _read_section(section)))
    else:
        from tidemill.cli._plan_text import plan_text

        click.echo(plan_text(report))
    if post:
        from tidemill.cli._plan_markdown import plan_markdown

        click.echo(_post(settings, plan_markdown(report, _read_section(section))), err=True)
    exit_with(report.exit_code)


def _read_section(path: Path | None) -> str:
    """The text of a section; empty without one."""
    if path is None or not path.exists():
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TidemillError(f"{path}: {error}; --section is a UTF-8 Markdown file") from error


def _post(settings: Settings, body: str) -> str:
    """Write the comment, or replace it; returns its address."""
    from tidemill.adapters.forge import open_forge, proposal_number
    from tidemill.cli._plan_markdown import MARKER

    number = proposal_number(settings.forge.job)
    if number is None:
        raise ServiceError(
            "--post found no pull request: this is no job of one; run it in one, or set "
            "TIDEMILL_PROPOSAL to its number"
        )
    return open_forge(settings).comment(number, body, marker=MARKER)
