"""Looking up what a name means to its neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from tidemill.spec.base import Spec
from tidemill.spec.compression import Compression
from tidemill.spec.finetune import FineTune
from tidemill.spec.load import Project
from tidemill.spec.model import Model

Kind = TypeVar("Kind", bound=Spec)


def find_spec(project: Project, name: str | None, kind: type[Kind]) -> Kind | None:
    """The spec of that name, if there is one and it is of this kind."""
    loaded = project.specs.get(name) if name else None
    return loaded.spec if loaded and isinstance(loaded.spec, kind) else None


def specs_of_kind(project: Project, kind: type[Kind]) -> Iterator[Kind]:
    """All specs of a kind."""
    for loaded in project.specs.values():
        if isinstance(loaded.spec, kind):
            yield loaded.spec


def ancestry(project: Project, name: str) -> Iterator[Spec]:
    """A spec that gives weights, then what it is made of, down to the base Model."""
    names: set[str] = set()
    while name in project.specs and name not in names:
        names.add(name)
        spec = project.specs[name].spec
        yield spec
        if isinstance(spec, Compression):
            name = spec.of
        elif isinstance(spec, FineTune):
            name = spec.base
        else:
            return


def base_of(project: Project, name: str) -> Model | None:
    """The base Model behind a model, a fine-tune or a compression."""
    return next((s for s in ancestry(project, name) if isinstance(s, Model)), None)


def fine_tune_of(project: Project, name: str) -> FineTune | None:
    """The nearest fine-tune behind a name, itself included."""
    return next((s for s in ancestry(project, name) if isinstance(s, FineTune)), None)


def lacks_prompt(project: Project, of: str, prompt: str | None) -> bool:
    """True for a causal language model that nothing says how to ask; a fine-tune without a prompt
    has been told so itself."""
    base = base_of(project, of)
    causal = base is not None and base.task == "causal-lm"
    return causal and not prompt and fine_tune_of(project, of) is None


def prompt_name(spec: Spec | None, specs: Mapping[str, Spec]) -> str | None:
    """The spec's own prompt, or that of the fine-tune behind it; None where there is none."""
    names = set()
    while spec is not None and spec.name not in names:
        names.add(spec.name)
        if prompt := getattr(spec, "prompt", None):
            return str(prompt)
        spec = specs.get(getattr(spec, "of", None) or getattr(spec, "base", None) or "")
    return None
