"""Search for a better prompt within a budget; held-out rows decide, people merge.

PROMPT is a Prompt with an `optimise` block. Instructions and worked examples are tried on rows of
the train split; the best is compared with the prompt as it is on rows that nothing has looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tidemill.settings import Settings
from tidemill.terminal.shell import examples_epilog, json_option, pass_settings

if TYPE_CHECKING:
    from tidemill.control.prompt_search import PromptSearch
    from tidemill.home import Home


@click.command(
    epilog=examples_epilog(
        "tidemill optimise support-chat/reply-prompt --model smollm2",
        "tidemill optimise by-example --method similar --seed 1 --json | jq .verdict",
        "tidemill optimise by-example --open-pr",
    )
)
@click.argument("prompt")
@click.option("--open-pr", is_flag=True, help="Open a pull request if there is a gain.")
@click.option(
    "--model",
    help="Model, FineTune or Compression to use; default: `optimise.model`, else the one that an "
    "Evaluation uses with this prompt.",
)
@click.option("--method", help="Search method; default: the spec's.")
@click.option("--seed", default=0, show_default=True, help="Random seed.")
@click.option("--calls", type=click.IntRange(min=1), help="Hard limit of model calls.")
@json_option
@pass_settings
def command(
    settings: Settings,
    prompt: str,
    open_pr: bool,
    model: str | None,
    method: str | None,
    seed: int,
    calls: int | None,
    as_json: bool,
) -> None:
    """Search for a better prompt within a budget; held-out rows decide, people merge.

    Without --open-pr nothing is written: the table and the diff are printed. Exit code 2 where a
    gain was found, 0 where none was. What was answered is kept, so that a search that was killed
    goes on, and the same search costs nothing again.
    """
    from tidemill.cli import _search
    from tidemill.control.pull_requests import pull_requests
    from tidemill.control.search_proposals import (
        command_line,
        prompt_branch,
        prompt_report,
    )
    from tidemill.home import Home
    from tidemill.terminal.progress import terminal_progress

    home = Home(settings)
    desk = pull_requests(home) if open_pr else None
    search = _search_of(home, prompt, model, method, seed, calls)
    project = search.builder.project
    if desk is not None:
        desk.clean(project.folder)
    with terminal_progress() as say:
        result = search.run(home, search.read_inputs(home), say)
    again = command_line(
        "optimise", f"{project.name}/{search.spec.name}",
        model=search.model, method=method, seed=seed, calls=calls,
    )  # fmt: skip
    report, changed = prompt_report(home, search, result, again)
    branch = prompt_branch(search)
    _search.show_outcome(home, report, changed, branch, project.folder, desk, as_json)


def _search_of(
    home: Home, prompt: str, model: str | None, method: str | None, seed: int, calls: int | None
) -> PromptSearch:
    from tidemill.catalog import SEARCH
    from tidemill.cli import _search
    from tidemill.control.prompt_search import PromptSearch, search_model
    from tidemill.spec.prompt import Prompt

    builder, spec = _search.find_searchable(
        home, prompt, Prompt, "optimise", "a dataset and a metric"
    )
    method = method or spec.optimise.method
    SEARCH.load(method)
    return PromptSearch(builder, spec, model or search_model(builder, spec), method, seed, calls)
