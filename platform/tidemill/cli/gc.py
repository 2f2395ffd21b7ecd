"""Free the artefacts and folders that nothing needs any more."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from tidemill.settings import Settings
from tidemill.terminal.amounts import format_bytes, format_count
from tidemill.terminal.shell import examples_epilog, json_option, pass_settings, print_json

if TYPE_CHECKING:
    from tidemill.engine.garbage import Collection


@click.command(epilog=examples_epilog("tidemill gc --dry-run", "tidemill gc --json | jq .bytes"))
@click.option("--dry-run", is_flag=True, help="Free nothing; show what would be freed.")
@json_option
@pass_settings
def command(settings: Settings, dry_run: bool, as_json: bool) -> None:
    """Free the artefacts and folders that nothing needs any more.

    Kept are: the live release of each service, rollouts in progress, releases kept for a rollback,
    what tidemill.lock names, pinned baselines, the newest build of each spec with its inputs, and
    the checkpoints of unfinished builds. Nothing is freed while an asset is being built.
    """
    from tidemill.control.garbage_collection import collection, free
    from tidemill.home import Home

    home = Home(settings)
    with collection(home) as garbage:
        if not dry_run:
            free(home, garbage)
    if as_json:
        print_json(_to_dict(garbage, dry_run))
    else:
        click.echo("\n".join(_lines(garbage, dry_run)))


def _to_dict(garbage: Collection, dry_run: bool) -> dict[str, object]:
    return {
        "freed": not dry_run,
        "bytes": garbage.bytes,
        "artefacts": [
            {"digest": artefact.digest, "kind": artefact.kind, "bytes": artefact.bytes}
            for artefact in garbage.artefacts
        ],
        "folders": [{"path": folder.path, "bytes": folder.bytes} for folder in garbage.folders],
        "kept": dict(garbage.reasons),
    }


def _lines(garbage: Collection, dry_run: bool) -> list[str]:
    artefacts = [
        f"  {artefact.kind:<9} {artefact.digest[7:19]}  {format_bytes(artefact.bytes)}"
        for artefact in garbage.artefacts
    ]
    folders = [f"  {folder.path}  {format_bytes(folder.bytes)}" for folder in garbage.folders]
    verb = "Would free" if dry_run else "Freed"
    counts = (
        f"{format_count(len(artefacts), 'artefact')} and {format_count(len(folders), 'folder')}"
    )
    head = f"{verb} {format_bytes(garbage.bytes)}: {counts}." if artefacts or folders else _NOTHING
    reasons = Counter(garbage.reasons.values())
    reason_lines = [f"  {count:>3}  {reason}" for reason, count in sorted(reasons.items())]
    title = f"{format_count(len(garbage.reasons), 'artefact')} are kept, each for its first reason:"
    return [head, *artefacts, *folders, *([title, *reason_lines] if reason_lines else [])]


_NOTHING = "Nothing to free: everything in this home is needed."
