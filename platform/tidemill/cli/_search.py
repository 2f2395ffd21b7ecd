"""Code that `optimise` and `sweep` share: what may be searched, and output."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tidemill.control.pull_requests import Desk
from tidemill.control.search_proposals import propose
from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill.pipeline.builder import ProjectBuilder
from tidemill.pipeline.search_report import SearchReport, report_text, report_to_dict
from tidemill.spec.base import Spec
from tidemill.terminal.shell import CHANGES, DONE, exit_with, print_json


def find_searchable(
    home: Home, reference: str, kind: type[Spec], block: str, needs: str
) -> tuple[ProjectBuilder, Any]:
    """The line of a spec that may be searched, and the spec; raises where it has no such block."""
    project, name = home.find_spec(reference)
    builder = home.builder(project)
    spec, called = builder.specs[name], kind.__name__
    if not isinstance(spec, kind):
        fit = [n for n, s in sorted(builder.specs.items()) if isinstance(s, kind)]
        way_out = f"choose one of {', '.join(fit)}" if fit else f"{project} has none"
        raise TidemillError(f"'{name}' is a {spec.kind}, not a {called}; {way_out}")
    if getattr(spec, block) is None:
        raise TidemillError(
            f"'{name}' has no `{block}` block; add one with {needs} to "
            f"{builder.project.specs[name].path.name}"
        )
    return builder, spec


def show_outcome(
    home: Home,
    report: SearchReport,
    files: Mapping[str, bytes | None],
    branch: str,
    folder: Path,
    at: Desk | None,
    as_json: bool,
) -> None:
    """Show the outcome; with a desk and a gain, propose it. Exits 0 without a gain, 2 with one."""
    proposal = None
    if at is not None and report.has_proposal:
        proposal = propose(home, at, report, branch, folder, files)
    if as_json:
        print_json({**report_to_dict(report), "proposal": proposal})
    else:
        click.echo(report_text(report))
        if proposal is not None:
            click.echo(f"opened pull request {proposal.url or proposal.branch}")
        elif report.has_proposal:
            click.echo("no files changed; use --open-pr to open a pull request")
    exit_with(CHANGES if report.has_proposal else DONE)
