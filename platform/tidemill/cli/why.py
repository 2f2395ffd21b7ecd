"""Walk from an answer back to all that made it, or forward to all that came of a thing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from tidemill.settings import Settings
from tidemill.terminal.amounts import plain
from tidemill.terminal.shell import example, json_option, leave, pass_settings, print_json

_EXAMPLES = (
    "tidemill why 01J8ZC…",
    "tidemill why 11e12f82 --json | jq .links",
    "tidemill why 01J8ZC… --svg why.svg",
    "tidemill why --forward commit:ac6ce31",
    "tidemill why --forward subject:c-1577",
    "tidemill why --forward model:smollm2",
)


@click.command(epilog=example(*_EXAMPLES))
@click.argument("target")
@click.option("--forward", is_flag=True, help="What came of it, instead of what it came of.")
@click.option("--all", "everything", is_flag=True, help="List every answer, one a line.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Draw it to a file.")
@click.option("--verify", is_flag=True, help="Hash every byte again, however unchanged it looks.")
@click.option("--meaning", is_flag=True, help="Compare rows by the project's sentence encoder.")
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
    """Walk from an answer back to all that made it, or forward to all that came of a thing.

    TARGET is a response id (the header `x-tidemill-response-id` of every answer), a release, an
    artefact, a row or, forwards, a commit, a subject or an event; the beginning of an id is enough
    where only one thing begins so. `KIND:ID` says which is meant: answer, release, artefact,
    commit, row, event, subject, or model, dataset, prompt, finetune, compression, evaluation with
    a spec's name. A subject's plain id is hashed with TIDEMILL_SUBJECT_KEY; its hash does too.

    Backwards, the files on disk are compared with every digest: by the size, times and inode that
    they had when they were last hashed, and by their bytes where one of these changed (or all with
    --verify). ✓ they match, ✗ they do not (exit code 1), – they are not here.
    """
    from tidemill.home import Home

    home = Home(settings)
    if everything and not forward:
        raise click.UsageError("--all lists answers; it goes with --forward")
    if forward:
        from tidemill.cli._why_text import SHOWN
        from tidemill.lineage.downstream import descend

        whole = as_json or svg is not None
        found = descend(home, target, limit=None if whole else SHOWN, drawn=whole)
    else:
        from tidemill.lineage.upstream import trace

        found = trace(home, target, every_byte=verify, meaning=meaning)
    if svg is not None:
        _draw(found, svg)
    if everything:
        _stream(home, found, as_json)
    else:
        _print(found, as_json)
    leave(0 if found.get("verified", True) else 1)


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    from tidemill.cli import _why_text

    said = _why_text.forward if found["direction"] == "forward" else _why_text.back
    for line in said(found):
        click.echo(plain(line))


def _stream(home: Any, found: dict[str, Any], as_json: bool) -> None:
    """Every answer as it is read, so that a million of them need no memory."""
    from tidemill.cli._why_text import answer
    from tidemill.lineage.downstream import answers

    for one in answers(home, found):
        line = json.dumps(one, default=str, ensure_ascii=False) if as_json else plain(answer(one))
        click.echo(line)


def _draw(found: dict[str, Any], path: Path) -> None:
    from tidemill.lineage.svg import draw

    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(draw(found), encoding="utf-8")
    partial.replace(path)
    click.echo(f"drawn to {path}", err=True)
