"""Prompts: what their technique needs, what their template uses, what an optimiser may see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tidemill.catalog import METRICS
from tidemill.errors import Problem
from tidemill.spec.checks.files import lies_in
from tidemill.spec.load import Project, display_path
from tidemill.spec.model import Model
from tidemill.spec.neighbours import base_of, find_spec
from tidemill.spec.options import FieldProblem
from tidemill.spec.positions import MAX_BYTES, TOO_LARGE
from tidemill.spec.prompt import JsonOutput, Prompt, TextOutput

SEES = ("labels",)
"""Names every template may use beside the row's inputs."""
SEES_WITH = {"contextual": ("passages",)}
"""Names that a technique adds."""


def check(spec: Prompt, project: Project) -> Iterator[FieldProblem | Problem]:
    """Problems of one prompt."""
    yield from _technique(spec)
    yield from _leak(spec)
    yield from _optimiser(spec)
    yield from _search_model(spec, project)
    yield from _encoders(spec, project)
    yield from _template(spec, project.folder)
    if isinstance(spec.output, JsonOutput):
        yield from _schema(spec.output)


def _technique(spec: Prompt) -> Iterator[FieldProblem]:
    technique = spec.technique
    if technique == "few-shot" and spec.examples is None:
        way_out = "add 'examples' with a dataset, or choose zero-shot"
        yield FieldProblem(("technique",), "technique few-shot has no examples", way_out)
    if technique == "zero-shot" and spec.examples is not None:
        way_out = "choose few-shot, or delete 'examples'"
        yield FieldProblem(("examples",), "technique zero-shot shows no examples", way_out)
    if technique == "contextual" and spec.context is None:
        way_out = "add 'context' with a source of passages"
        yield FieldProblem(("technique",), "technique contextual has no context", way_out)
    if technique != "contextual" and spec.context is not None:
        way_out = "choose contextual, or delete 'context'"
        yield FieldProblem(("context",), f"technique {technique} shows no context", way_out)
    if technique != "chain-of-thought" and spec.reasoning is not None:
        way_out = "choose chain-of-thought, or delete 'reasoning'"
        yield FieldProblem(("reasoning",), f"technique {technique} has no reasoning", way_out)


def _leak(spec: Prompt) -> Iterator[FieldProblem]:
    output = spec.output
    answers = [output.column, output.label] if isinstance(output, TextOutput) else [output.column]
    for index, column in enumerate(spec.inputs):
        if column in answers:
            cause = f"the input '{column}' is the answer that 'output' asks for"
            yield FieldProblem(("inputs", index), cause, "take it out of the inputs")


def _encoders(spec: Prompt, project: Project) -> Iterator[FieldProblem]:
    for field in ("examples", "context"):
        encoder = getattr(getattr(spec, field), "encoder", None)
        model = find_spec(project, encoder, Model)
        if model and model.task == "causal-lm":
            cause = f"'encoder: {encoder}' generates text, it does not embed sentences"
            way_out = "name a Model with 'task: sequence-classification'"
            yield FieldProblem((field, "encoder"), cause, way_out)


def _optimiser(spec: Prompt) -> Iterator[FieldProblem]:
    search = spec.optimise
    if search is None:
        return
    if search.train == search.validate_on:
        cause = f"the optimiser trains and validates on the same split '{search.train}'"
        way_out = "search on train and decide on validation"
        yield FieldProblem(("optimise", "validate_on"), cause, way_out)
    if METRICS.load(search.metric).KIND in ("quantile", "speed", "size"):
        cause = f"'metric: {search.metric}' does not look at what is answered"
        yield FieldProblem(("optimise", "metric"), cause, "choose one such as accuracy or rouge_l")
    for field in ("train", "validate_on"):
        if getattr(search, field) == "test":
            cause = "the optimiser uses the test split, which the gates use"
            way_out = "search on train and decide on validation"
            yield FieldProblem(("optimise", field), cause, way_out)


def _search_model(spec: Prompt, project: Project) -> Iterator[FieldProblem]:
    model = spec.optimise.model if spec.optimise else None
    base = base_of(project, model) if model else None
    if base is not None and base.task != "causal-lm":
        cause = f"'model: {model}' takes no prompt: it does not generate text"
        way_out = "name a model whose base has 'task: causal-lm'"
        yield FieldProblem(("optimise", "model"), cause, way_out)


def _template(spec: Prompt, folder: Path) -> Iterator[Problem]:
    path = folder / spec.template
    if not lies_in(folder, spec.template):
        return
    from jinja2 import TemplateSyntaxError

    if path.stat().st_size > MAX_BYTES:
        yield Problem(display_path(path), 1, TOO_LARGE, "keep data in files of its own")
        return
    try:
        uses = _uses(path.read_text(encoding="utf-8"))
    except TemplateSyntaxError as error:
        cause = f"this is no Jinja2 template: {error.message}"
        yield Problem(display_path(path), error.lineno, cause, "fix it on this line or above")
    except UnicodeDecodeError:
        yield Problem(display_path(path), 1, "the template is not UTF-8", "save it as UTF-8")
    except (OSError, ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        detail = "it is nested too deeply" if deep else str(error).splitlines()[0]
        cause = f"this is no Jinja2 template: {detail}"
        yield Problem(display_path(path), 1, cause, "simplify it")
    else:
        yield from _names(spec, uses, display_path(path))


@dataclass(frozen=True)
class _Uses:
    """Names that a template uses."""

    names: tuple[str, ...]
    """Names that are given to it, sorted."""
    lines: Mapping[str, int]
    """Line of each name's first use."""
    others: tuple[int, ...]
    """Lines on which it reaches for another template."""


@lru_cache(maxsize=1000)
def _uses(text: str) -> _Uses:
    """Parsed once for all prompts with the same text; raises what Jinja2 raises."""
    from jinja2 import meta, nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    tree = ImmutableSandboxedEnvironment().parse(text)
    lines = {name.name: name.lineno for name in reversed(list(tree.find_all(nodes.Name)))}
    tags = tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends))
    names = sorted(meta.find_undeclared_variables(tree))
    return _Uses(tuple(names), lines, tuple(tag.lineno for tag in tags))


def _names(spec: Prompt, uses: _Uses, path: Path) -> Iterator[Problem]:
    allowed = {*spec.inputs, *SEES, *SEES_WITH.get(spec.technique, ())}
    for name in (name for name in uses.names if name not in allowed):
        cause = f"the template uses '{name}', which is no input of '{spec.name}'"
        way_out = "add it to the inputs, or take it out here"
        yield Problem(path, uses.lines.get(name, 1), cause, way_out)
    for line in uses.others:
        cause = "a template stands alone: its bytes are what a prompt's digest holds"
        yield Problem(path, line, cause, "write the other template's text here")


def _schema(output: JsonOutput) -> Iterator[FieldProblem]:
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(output.schema_)
    except SchemaError as error:
        cause = f"the output's schema is no JSON Schema: {error.message}"
        location = [part for part in error.absolute_path if isinstance(part, str | int)]
        yield FieldProblem(
            ("output", "schema", *location), cause, "see json-schema.org, draft 2020-12"
        )
