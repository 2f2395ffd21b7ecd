"""Cluster the failures of a service by meaning; make one an evaluation slice."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from tidemill.settings import Settings
from tidemill.terminal.shell import examples_epilog, json_option, pass_settings, print_json

if TYPE_CHECKING:
    from tidemill.engine.failure_cluster import FailureCluster
    from tidemill.home import Home
    from tidemill.planning.failure_clusters import FailureClusters

Span = timedelta | datetime


class Since(click.ParamType[Span]):
    """A length of time before now (`28d`), or a moment as ISO 8601, UTC where it names no zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Span:
        """The length, or the moment."""
        from pydantic import TypeAdapter, ValidationError

        from tidemill.cli._withdraw import Moment
        from tidemill.spec.base import Duration

        try:
            length: timedelta = TypeAdapter(Duration).validate_python(value)
        except ValidationError:
            moment: datetime = Moment().convert(value, param, ctx)
            return moment
        return length


@click.command(
    epilog=examples_epilog(
        "tidemill errors support-chat",
        "tidemill errors support-chat --since 28d --json | jq '.clusters[0]'",
        "tidemill errors support-chat --cluster 1 --open-pr",
    )
)
@click.argument("service")
@click.option(
    "--since",
    type=Since(),
    default="56d",
    show_default=True,
    help="Answers since then: a length of time (28d) or a date (2026-05-01).",
)
@click.option("--cluster", "number", type=int, metavar="N", help="Show the rows of this cluster.")
@click.option("--open-pr", is_flag=True, help="Propose a slice of this cluster's rows.")
@click.option("--name", help="With --open-pr: name of the slice; default: the cluster's words.")
@json_option
@pass_settings
def command(
    settings: Settings,
    service: str,
    since: Span,
    number: int | None,
    open_pr: bool,
    name: str | None,
    as_json: bool,
) -> None:
    """Cluster the failures of a service by meaning; make one an evaluation slice.

    A failure is an answer that users rate below the middle or correct, or that a reviewer
    contradicts, and a test row that the live release got wrong. With --open-pr the cluster's rows
    that people or a reviewer vouch for become a slice that gates may name, as a pull request.
    """
    from tidemill.control.pull_requests import pull_requests
    from tidemill.home import Home

    if (open_pr and number is None) or (name and not open_pr):
        raise click.UsageError("--open-pr goes with --cluster N, and --name with --open-pr")
    home = Home(settings)
    desk = pull_requests(home) if open_pr else None
    groups = _find(home, service, since)
    cluster = None if number is None else groups.find(number)
    if desk is not None and cluster is not None:
        desk.clean(groups.source.specs.project.folder)
        _propose(home, desk, groups, cluster, name, as_json=as_json)
    else:
        _show(groups, cluster, as_json=as_json)


def _find(home: Home, service: str, since: Span) -> FailureClusters:
    from tidemill.planning.failure_clusters import cluster_failures
    from tidemill.planning.service_failures import service_failures

    now = home.clock.now()
    start = since if isinstance(since, datetime) else now - since
    if start >= now:
        raise click.UsageError("--since lies in the future")
    return cluster_failures(home, service_failures(home, service, start, now))


def _show(groups: FailureClusters, cluster: FailureCluster | None, *, as_json: bool) -> None:
    from tidemill.cli import _errors_text as text

    if as_json:
        clusters = groups.clusters if cluster is None else [cluster]
        rows = text.EXAMPLES if cluster is None else None
        print_json(text.clusters_to_dict(groups, clusters, rows))
    else:
        lines = text.table_lines(groups) if cluster is None else text.cluster_rows(groups, cluster)
        click.echo("\n".join(lines))


def _propose(
    home: Home,
    desk: Any,
    groups: FailureClusters,
    cluster: FailureCluster,
    name: str | None,
    *,
    as_json: bool,
) -> None:
    from tidemill.cli._errors_text import trend_text
    from tidemill.planning.slice_proposal import propose_slice
    from tidemill.planning.slice_report import slice_markdown, slice_title

    project = groups.source.specs.project
    proposal = propose_slice(home, groups, cluster, name)
    branch = f"tidemill/slice/{project.name}/{proposal.name}"
    body = slice_markdown(groups, cluster, proposal, trend_text(cluster.trend))
    title = slice_title(groups, proposal)
    files = proposal.files
    opened = desk.open(branch, project.folder, files, title, body) if files else None
    if as_json:
        content = {"slice": proposal.name, "rows": len(proposal.rows), "proposal": opened}
        print_json({**content, "added": len(proposal.added_rows), "left_out": proposal.left_out})
        return
    rows, added = len(proposal.rows), len(proposal.added_rows)
    click.echo(f"slice '{proposal.name}': {rows} test rows, {added} of them new")
    for reason, count in proposal.left_out.items():
        click.echo(f"  left out: {count} {reason}")
    if opened is None:
        click.echo("nothing is proposed: the slice has all of them already")
    else:
        click.echo(f"opened pull request {opened.url or opened.branch}")
