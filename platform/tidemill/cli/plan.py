"""What a change would do: what is made anew and why, what it takes, what users would see."""

from __future__ import annotations

import click

from tidemill.errors import ServiceError
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
@pass_settings
def command(
    settings: Settings,
    against: str | None,
    head: str | None,
    shape: str,
    as_json: bool,
    post: bool,
) -> None:
    """What a change would do: what is made anew and why, what it takes, what users would see.

    Compared with the commit from which the change parted (the merge base), so that what others
    have merged since does not show. Exit codes: 0 nothing to make, 2 changes, 1 an error, 3 a
    person has to agree or a budget is exceeded.
    """
    from tidemill.adapters.clock import SystemClock
    from tidemill.planning.report import report
    from tidemill.planning.revisions import open_sides

    with open_sides(settings, against, head) as sides:
        found = report(settings, sides, SystemClock())
    if as_json or shape == "json":
        print_json(found)
    elif shape == "md":
        from tidemill.cli._plan_markdown import markdown

        click.echo(markdown(found))
    else:
        from tidemill.cli._plan_text import text

        click.echo(text(found))
    if post:
        from tidemill.cli._plan_markdown import markdown

        click.echo(_post(settings, markdown(found)), err=True)
    exit_with(found["exit_code"])


def _post(settings: Settings, body: str) -> str:
    """Write the comment, or renew it; gives where."""
    from tidemill.adapters.forge import open_forge, proposal_number
    from tidemill.cli._plan_markdown import MARKER

    number = proposal_number(settings.forge.job)
    if number is None:
        raise ServiceError(
            "--post found no pull request: this is no job of one; run it in one, or set "
            "TIDEMILL_PROPOSAL to its number"
        )
    return open_forge(settings).comment(number, body, marker=MARKER)
