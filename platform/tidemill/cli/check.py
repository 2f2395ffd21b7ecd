"""Dry run: build datasets with their checks and render prompts; nothing is trained.

NAMES are projects or specs; default is every project, with --against only those that changed.
All is made in a scratch home that goes when the command ends: ledger and store stay as they are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidemill.settings import Settings
from tidemill.terminal.shell import (
    CHANGES,
    examples_epilog,
    exit_with,
    json_option,
    pass_settings,
    print_json,
)

if TYPE_CHECKING:
    from tidemill.home import Home
    from tidemill.pipeline.dry_run import Result


@click.command(
    epilog=examples_epilog(
        "tidemill check",
        "tidemill check support-chat",
        "tidemill check --against origin/main --json",
    )
)
@click.argument("names", nargs=-1)
@click.option(
    "--against", metavar="REF", help="Only projects that differ from the merge base with REF."
)
@json_option
@pass_settings
def command(settings: Settings, names: tuple[str, ...], against: str | None, as_json: bool) -> None:
    """Test the cheap assets: datasets with their checks, prompts over a few rows.

    Nothing is trained and no model is loaded. Exit code 2 when one does not pass.
    """
    from tidemill.home import Home

    home = Home(settings)
    results = []
    for project, specs in _selected_specs(home, names, against).items():
        for result in _results(home, project, specs):
            results.append(result)
            if not as_json:
                click.echo("\n".join(_lines(result)))
    failed = [result for result in results if result.state == "failed"]
    if as_json:
        print_json({"ok": not failed, "assets": [asdict(result) for result in results]})
    else:
        click.echo(_summary(results))
    if failed:
        exit_with(CHANGES)


def _selected_specs(
    home: Home, names: tuple[str, ...], against: str | None
) -> dict[str, list[str]]:
    """Specs to test by project, in the order of making."""
    from tidemill.spec.graph import build_order, upstream

    selected: dict[str, set[str]] = {}
    for name in names or _projects(home, against):
        if name in home.workspace.projects:
            selected.setdefault(name, set()).update(build_order(home.project(name)))
        else:
            project, spec = home.find_spec(name)
            selected.setdefault(project, set()).update(upstream(home.project(project), spec))
    return {
        p: [s for s in build_order(home.project(p)) if s in chosen]
        for p, chosen in selected.items()
    }


def _projects(home: Home, against: str | None) -> list[str]:
    projects = home.workspace.projects
    if against is None:
        return sorted(projects)
    from tidemill.adapters.git.branches import changed_files

    folders = {path.split("/", 1)[0] for path in changed_files(home.settings.specs, against)}
    return sorted(name for name, project in projects.items() if project.folder.name in folders)


def _results(home: Home, project: str, specs: list[str]) -> Iterator[Result]:
    """Made in a scratch home; downloads alone are shared with the real one."""
    from tidemill.adapters.git import GitRepository
    from tidemill.adapters.ledger import Ledger
    from tidemill.adapters.store import MemoryStore
    from tidemill.pipeline.builder import ProjectBuilder
    from tidemill.pipeline.dry_run import NoFeedback, cheap

    ledger = Ledger.open("sqlite://")
    with tempfile.TemporaryDirectory(prefix="tidemill-check-") as scratch:
        builder = ProjectBuilder(
            project=home.project(project),
            home=Path(scratch),
            cache=home.settings.cache,
            store=MemoryStore(),
            records=ledger.materialisations,
            repository=GitRepository(home.settings.specs),
            clock=home.clock,
            keep=ledger.materialisations.add_artefacts,
            feedback=NoFeedback(),
            subject_key=home.settings.subject_key,
        )
        yield from cheap(builder, specs)
    ledger.engine.dispose()


def _lines(result: Result) -> list[str]:
    name = f"{result.project}/{result.name}"
    first = f"{result.state:<8} {name}  ({result.kind}, {result.seconds:.1f} s)"
    return [first, *(f"         {message}" for message in result.messages)]


def _summary(results: list[Result]) -> str:
    if not results:
        return "nothing to check: no project changed, or none has a dataset or a prompt"
    counts = {
        state: sum(r.state == state for r in results) for state in ("passed", "failed", "skipped")
    }
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)
