"""Prompt searches of a run: which prompts are searched, what answers, and what is built before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tidemill.spec.base import Spec
from tidemill.spec.evaluation import Evaluation
from tidemill.spec.graph import upstream
from tidemill.spec.load import Project
from tidemill.spec.model import Model
from tidemill.spec.neighbours import find_spec, prompt_name, specs_of_kind
from tidemill.spec.prompt import Prompt
from tidemill.spec.trigger import Trigger

ENDING = "/search"
"""Ends the name of a search where assets have names: `reply-prompt/search`."""


def searched_prompts(project: Project, names: Iterable[str]) -> tuple[str, ...]:
    """The prompts with something to search among the names that a trigger runs."""
    prompts = ((name, find_spec(project, name, Prompt)) for name in dict.fromkeys(names))
    return tuple(name for name, prompt in prompts if prompt and prompt.optimise)


def triggered_prompts(project: Project) -> tuple[str, ...]:
    """The prompts that triggers of a project search."""
    names = {name for trigger in specs_of_kind(project, Trigger) for name in trigger.run}
    return searched_prompts(project, sorted(names))


def search_models(specs: Mapping[str, Spec], prompt: Prompt) -> tuple[str, ...]:
    """What may answer a search: the model that `optimise` names, else all that Evaluations ask
    through the prompt."""
    if prompt.optimise and prompt.optimise.model:
        return (prompt.optimise.model,)
    evaluations = (spec for spec in specs.values() if isinstance(spec, Evaluation))
    return tuple(sorted({e.of for e in evaluations if prompt_name(e, specs) == prompt.name}))


def encoders(specs: Mapping[str, Spec]) -> tuple[str, ...]:
    """The sentence encoders that a search may look examples up by."""
    models = (spec for spec in specs.values() if isinstance(spec, Model))
    return tuple(model.name for model in models if model.task != "causal-lm")


def search_inputs(project: Project, name: str) -> tuple[str, ...]:
    """What is built before a search, in the order of building: the prompt, the dataset, the model,
    and everything that these need."""
    prompt = project.spec(name, Prompt)
    assert prompt.optimise is not None
    specs = {key: loaded.spec for key, loaded in project.specs.items()}
    similar = encoders(specs) if prompt.optimise.method == "similar" else ()
    return upstream(project, name, prompt.optimise.dataset, *search_models(specs, prompt), *similar)
