"""What comes of a search: its report, and the pull request of a gain."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from tidemill.control.lock_pull_request import base_branch
from tidemill.control.prompt_search import PromptSearch
from tidemill.control.pull_requests import Desk
from tidemill.home import Home
from tidemill.pipeline import prompt_proposal
from tidemill.pipeline.builder import ProjectBuilder
from tidemill.pipeline.optimise import PromptSearchResult
from tidemill.pipeline.search_report import SearchReport, report_markdown
from tidemill.ports import PullRequest

LONGEST_TITLE = 72


def prompt_branch(search: PromptSearch) -> str:
    """The branch of a prompt's proposal: a later gain brings the same one up to date."""
    return f"tidemill/optimise/{search.builder.project.name}/{search.spec.name}"


def prompt_report(
    home: Home, search: PromptSearch, result: PromptSearchResult, command: str
) -> tuple[SearchReport, dict[str, bytes | None]]:
    """The report of a prompt search, and the files that a gain changes."""
    changed = (
        prompt_proposal.changed_files(result, search.loaded_spec) if result.has_proposal else {}
    )
    project, reflection = search.builder.project, home.settings.reflection
    report = prompt_proposal.search_report(
        result,
        search.optimise,
        project.name,
        project.folder,
        changed,
        command,
        stale_specs(search.builder, search.spec.name),
        priced=bool(reflection and reflection.price),
    )
    return report, changed


def propose(
    home: Home,
    desk: Desk,
    report: SearchReport,
    branch: str,
    folder: Path,
    files: Mapping[str, bytes | None],
) -> PullRequest:
    """Open the pull request of a gain, or bring the open one up to date."""
    title = " ".join(f"{report.title}: {report.leader}".split())
    short = title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 1]}…"
    return desk.open(branch, folder, files, short, report_markdown(report), base_branch(home))


def stale_specs(builder: ProjectBuilder, name: str) -> list[str]:
    """Specs that a change of this one makes stale."""
    return [other for other in builder.specs if name in builder.upstream(other)]


def command_line(verb: str, name: str, **options: object) -> str:
    """The command that does it again."""
    parts = ["tidemill", verb, name]
    for key, value in options.items():
        if value is not None:
            parts += [f"--{key}", str(value)]
    return shlex.join(parts)
