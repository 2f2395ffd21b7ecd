"""A prompt search that a trigger started: it ends in a pull request, or in a reason for none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidemill.adapters.answer_cache import SearchMemory
from tidemill.control.lifecycle_events import announce
from tidemill.control.prompt_search import PromptSearch, search_model
from tidemill.control.pull_requests import pull_requests
from tidemill.control.search_proposals import (
    command_line,
    prompt_branch,
    prompt_report,
    propose,
)
from tidemill.home import Home
from tidemill.pipeline.builder import ProjectBuilder
from tidemill.pipeline.search_report import SearchReport, report_text
from tidemill.progress import Progress
from tidemill.spec.prompt import Prompt


@dataclass(frozen=True)
class SearchOutcome:
    """What came of a search."""

    verdict: str
    """The gain with its interval, or why nothing is proposed."""
    pull_request: str = ""
    """Address or branch of the proposal; empty where there is none."""
    searched: bool = True
    """False where the same search ended before."""
    report: str = ""
    """The whole report; empty where it did not search."""

    @property
    def message(self) -> str:
        """One line for the decision and for people."""
        address = self.pull_request
        return f"{self.verdict}; pull request: {address}" if address else self.verdict


def search_and_propose(
    home: Home, builder: ProjectBuilder, name: str, say: Progress
) -> SearchOutcome:
    """Search a prompt as its spec says, on what is built now; a gain is proposed and nothing else.

    A search whose inputs did not change since it last ended is not run again. May be killed and
    run again at any point. Raises ServiceError where a gain could not be proposed, OverBudget,
    DataError and MissingArtefact as the search does.
    """
    spec = builder.project.spec(name, Prompt)
    search = PromptSearch(builder, spec, search_model(builder, spec), _method(spec))
    inputs, memory = search.read_inputs(home, frozen=True), SearchMemory.of_home(home.settings.home)
    key = search.key(home, inputs)
    former = memory.outcome(key)
    if former is not None:
        say(f"{name}: nothing that the search reads has changed")
        return SearchOutcome(_repeat_verdict(former), former["pull_request"], searched=False)
    desk, folder = pull_requests(home), builder.project.folder
    desk.clean(folder)
    result = search.run(home, inputs, say)
    command = command_line("optimise", f"{builder.project.name}/{name}", model=search.model, seed=0)
    report, files = prompt_report(home, search, result, command)
    address = ""
    if report.has_proposal:
        proposal = propose(home, desk, report, prompt_branch(search), folder, files)
        address = proposal.url or proposal.branch
    outcome = SearchOutcome(report.verdict, address, report=report_text(report))
    _announce(home, search, key, report, outcome)
    now = f"{home.clock.now():%Y-%m-%d %H:%M} UTC"
    memory.record_outcome(key, {"verdict": outcome.verdict, "pull_request": address, "at": now})
    return outcome


def _method(spec: Prompt) -> str:
    assert spec.optimise is not None
    return spec.optimise.method


def _repeat_verdict(former: Mapping[str, str]) -> str:
    return (
        "not searched again: no row, comment, model or spec changed since the search of "
        f"{former['at']} ({former['verdict']})"
    )


def _announce(
    home: Home, search: PromptSearch, key: str, report: SearchReport, outcome: SearchOutcome
) -> None:
    """Before the outcome is kept, so that a process that is killed in between tells it again, under
    the same id."""
    project, name = search.builder.project.name, search.spec.name
    announce(
        home,
        "prompt-searched",
        project,
        name,
        key=f"search/{project}/{name}/{key[7:23]}",
        reason=outcome.verdict,
        pull_request=outcome.pull_request,
        command=report.command,
    )
