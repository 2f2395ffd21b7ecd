"""Search for a better prompt within a budget; held-out rows decide, people merge.

PROMPT is a Prompt with an `optimise` block. Instructions and worked examples are tried on rows of
the train split; the best is compared with the prompt as it is on rows that nothing has looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from tidemill.settings import Settings
from tidemill.terminal.shell import examples_epilog, json_option, pass_settings

if TYPE_CHECKING:
    from tidemill.ports import Artefact
    from tidemill.spec.base import Spec


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
    help="Model, FineTune or Compression to use; default: the one that an Evaluation uses with "
    "this prompt.",
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
    from tidemill.home import Home
    from tidemill.pipeline import prompt_proposal
    from tidemill.terminal.progress import terminal_progress

    home = Home(settings)
    desk = _search.pull_requests(home) if open_pr else None
    target = _search_target(home, prompt, model, method)
    if desk is not None:
        desk.clean(target.builder.project.folder)
    with terminal_progress() as say:
        result = target.run(home, seed, calls, say)
    changed = prompt_proposal.changed_files(result, target.loaded) if result.has_proposal else {}
    project = target.builder.project
    again = _search.command_line(
        "optimise", f"{project.name}/{target.spec.name}",
        model=target.model, method=method, seed=seed, calls=calls,
    )  # fmt: skip
    report = prompt_proposal.search_report(
        result,
        target.search,
        project.name,
        project.folder,
        changed,
        again,
        _search.stale_specs(target.builder, target.spec.name),
        priced=bool(settings.reflection and settings.reflection.price),
    )
    branch = f"tidemill/optimise/{project.name}/{target.spec.name}"
    _search.show_outcome(report, changed, branch, project.folder, desk, as_json)


class _SearchTarget:
    """The prompt, who answers it, and what both need."""

    def __init__(self, builder: Any, spec: Any, model: str, method: str | None) -> None:
        self.builder, self.spec, self.model = builder, spec, model
        self.search = spec.optimise
        self.method = method or spec.optimise.method
        self.loaded = builder.project.specs[spec.name]

    def run(self, home: Any, seed: int, calls: int | None, say: Any) -> Any:
        from tidemill.adapters.answer_cache import SearchMemory
        from tidemill.adapters.reflection import ChatModel
        from tidemill.engine.search_budget import Limits
        from tidemill.pipeline.optimise import SearchRequest, optimise

        search, reflection = self.search, home.settings.reflection
        inputs = self._inputs(home)
        wish = SearchRequest(
            self.method,
            seed,
            Limits(calls=calls or search.calls, tokens=search.tokens, money=search.money),
            self._remarks(home),
            next((name for name in self._encoders() if name in inputs), ""),
        )
        return optimise(
            self.spec,
            search,
            (self.model, home.store.get(self.builder.current(self.model).artefact)),
            inputs,
            self.builder.build_context(self.spec.name, "optimise", say),
            SearchMemory(home.settings.home / "search" / "memory.db"),
            wish,
            ChatModel(reflection) if reflection else None,
        )

    def _inputs(self, home: Any) -> Mapping[str, Artefact]:
        from tidemill.errors import MissingArtefact

        self.builder.current(self.spec.name)  # the prompt as it is has to be made, and fresh
        names = dict.fromkeys([*self.builder.upstream(self.spec.name), self.search.dataset])
        artefacts = {name: home.store.get(self.builder.current(name).artefact) for name in names}
        for name in self._encoders():
            try:
                artefacts[name] = home.store.get(self.builder.current(name).artefact)
            except MissingArtefact:
                if self.method == "similar":
                    raise
        return artefacts

    def _encoders(self) -> list[str]:
        from tidemill.spec.model import Model

        specs = self.builder.specs.values()
        return [s.name for s in specs if isinstance(s, Model) and s.task != "causal-lm"]

    def _remarks(self, home: Any) -> tuple[Any, ...]:
        """User comments for the methods that reflect on them."""
        from tidemill.catalog import SEARCH

        dataset = self.builder.specs[self.search.dataset]
        streams = [s.of for s in dataset.sources if s.type == "feedback"]
        if not getattr(SEARCH.load(self.method), "REFLECTS", False) or not streams:
            return ()
        key = home.settings.subject_key
        topics = [self.builder.specs[name].topic for name in dict.fromkeys(streams)]
        feedback, inputs = home.ledger.feedback, self.spec.inputs
        return tuple(
            remark
            for topic in topics
            for remark in feedback.comments(topic, dataset.privacy, inputs, key=key)
        )


def _search_target(home: Any, prompt: str, model: str | None, method: str | None) -> _SearchTarget:
    from tidemill.catalog import SEARCH
    from tidemill.cli import _search
    from tidemill.spec.prompt import Prompt

    builder, spec = _search.find_searchable(
        home, prompt, Prompt, "optimise", "a dataset and a metric"
    )
    if method is not None:
        SEARCH.load(method)
    return _SearchTarget(builder, spec, model or _asked_through(builder.specs, spec.name), method)


def _asked_through(specs: Mapping[str, Spec], prompt: str) -> str:
    """The one model that an Evaluation asks through a prompt."""
    from tidemill.errors import TidemillError
    from tidemill.pipeline.prompt_loading import prompt_name
    from tidemill.spec.evaluation import Evaluation

    models = sorted(
        {
            spec.of
            for spec in specs.values()
            if isinstance(spec, Evaluation) and prompt_name(spec, specs) == prompt
        }
    )
    if len(models) == 1:
        return models[0]
    several = f"{', '.join(models)} are" if models else "no model is"
    raise TidemillError(f"{several} evaluated with '{prompt}'; choose one with --model NAME")
