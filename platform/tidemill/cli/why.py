"""Trace an answer upstream to its inputs, or anything downstream to what was built from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidemill.settings import Settings
from tidemill.terminal.amounts import strip_control
from tidemill.terminal.shell import (
    examples_epilog,
    exit_with,
    json_option,
    pass_settings,
    print_json,
)

if TYPE_CHECKING:
    from tidemill.home import Home
    from tidemill.lineage.result import DownstreamLineage, UpstreamLineage

_EXAMPLES = (
    "tidemill why 01J8ZC…",
    "tidemill why 11e12f82 --json | jq .links",
    "tidemill why 01J8ZC… --svg why.svg",
    "tidemill why --forward commit:ac6ce31",
    "tidemill why --forward subject:c-1577",
    "tidemill why --forward model:smollm2",
)


@click.command(epilog=examples_epilog(*_EXAMPLES))
@click.argument("target")
@click.option(
    "--forward",
    is_flag=True,
    help="Show what was built from it (downstream) instead of its inputs (upstream).",
)
@click.option("--all", "everything", is_flag=True, help="List all answers, one per line.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Write an SVG file.")
@click.option("--verify", is_flag=True, help="Hash all files again.")
@click.option("--meaning", is_flag=True, help="Find rows by embedding similarity.")
@json_option
@pass_settings
def command(
    settings: Settings,
    target: str,
    forward: bool,
    everything: bool,
    svg: Path | None,
    verify: bool,
    meaning: bool,
    as_json: bool,
) -> None:
    """Trace an answer upstream to its inputs, or anything downstream to what was built from it.

    TARGET is a response id (the header `x-tidemill-response-id` of every answer), a release, an
    artefact, a row or, forwards, a commit, a subject or an event; the beginning of an id is enough
    where only one thing begins so. `KIND:ID` says which is meant: answer, release, artefact,
    commit, row, event, subject, or model, dataset, prompt, finetune, compression, evaluation with
    a spec's name. A subject's plain id is hashed with TIDEMILL_SUBJECT_KEY; its hash is accepted
    too.

    Backwards, the files on disk are compared with every digest: by the size, times and inode that
    they had when they were last hashed, and by their bytes where one of these changed (or all with
    --verify). ✓ they match, ✗ they do not (exit code 1), – they are not here.
    """
    from tidemill.home import Home

    home = Home(settings)
    if everything and not forward:
        raise click.UsageError("--all needs --forward")
    lineage: UpstreamLineage | DownstreamLineage
    is_verified = True
    if forward:
        lineage = _downstream(home, target, complete=as_json or svg is not None)
    else:
        from tidemill.lineage.upstream import trace_upstream

        lineage = trace_upstream(home, target, every_byte=verify, by_embedding=meaning)
        is_verified = lineage.is_verified
    if svg is not None:
        _draw(lineage, svg)
    if everything:
        _stream(home, lineage, as_json)
    else:
        _print(lineage, as_json)
    exit_with(0 if is_verified else 1)


def _downstream(home: Home, target: str, *, complete: bool) -> DownstreamLineage:
    from tidemill.cli._why_text import SHOWN
    from tidemill.lineage.downstream import trace_downstream

    limit = None if complete else SHOWN
    return trace_downstream(home, target, limit=limit, with_edges=complete)


def _print(lineage: UpstreamLineage | DownstreamLineage, as_json: bool) -> None:
    if as_json:
        print_json(lineage.to_dict())
        return
    from tidemill.cli._why_text import downstream_lines, upstream_lines
    from tidemill.lineage.result import DownstreamLineage

    lines = (
        downstream_lines(lineage)
        if isinstance(lineage, DownstreamLineage)
        else upstream_lines(lineage)
    )
    for line in lines:
        click.echo(strip_control(line))


def _stream(home: Home, lineage: UpstreamLineage | DownstreamLineage, as_json: bool) -> None:
    """Every answer as it is read, so that a million of them need no memory."""
    from tidemill.cli._why_text import answer_line
    from tidemill.lineage.downstream import downstream_answers
    from tidemill.lineage.result import DownstreamLineage

    if not isinstance(lineage, DownstreamLineage):
        raise TypeError("only a downstream lineage lists answers")
    for row in downstream_answers(home, lineage):
        line = (
            json.dumps(row, default=str, ensure_ascii=False)
            if as_json
            else strip_control(answer_line(row))
        )
        click.echo(line)


def _draw(lineage: UpstreamLineage | DownstreamLineage, path: Path) -> None:
    from tidemill.lineage.svg import render_svg

    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(render_svg(lineage), encoding="utf-8")
    partial.replace(path)
    click.echo(f"wrote {path}", err=True)
