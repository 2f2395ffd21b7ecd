"""Jinja2 in its sandbox: what a template may use, and where it is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

from tidemill.errors import Problem, SpecError, suggest


def render(source: str, path: Path, variables: Mapping[str, object]) -> str:
    """The text; raises SpecError with file and line."""
    try:
        text: str = _compile(source, path).render(variables)
    except SpecError:
        raise
    except Exception as error:
        line = _line(error.__traceback__, path)
        raise _template_error(
            path, line, str(error) or type(error).__name__, sorted(variables)
        ) from error
    return text.strip()


def check(source: str, path: Path, allowed: Iterable[str]) -> None:
    """Raise SpecError for bad syntax, or a variable that is not allowed."""
    from jinja2 import TemplateSyntaxError, meta, nodes

    try:
        tree = _environment().parse(source, filename=str(path))
        used = meta.find_undeclared_variables(tree)  # raises for a filter that does not exist
    except TemplateSyntaxError as error:
        raise _template_error(path, error.lineno, error.message or "syntax error", ()) from error
    names = sorted(allowed)
    lines = {name.name: name.lineno for name in reversed(list(tree.find_all(nodes.Name)))}
    wrong = sorted(used - set(names))
    if wrong:
        raise SpecError(
            Problem(
                path,
                lines.get(name, 1),
                f"'{name}' is not among the prompt's `inputs`",
                suggest(name, names),
            )
            for name in wrong
        )


@lru_cache(maxsize=64)
def uses_variable(source: str, name: str) -> bool:
    """Whether a template uses a variable."""
    from jinja2 import meta

    return name in meta.find_undeclared_variables(_environment().parse(source))


@lru_cache(maxsize=64)
def _compile(source: str, path: Path) -> Any:
    from jinja2 import Template, TemplateSyntaxError

    environment = _environment()
    try:
        code = environment.compile(source, name=path.name, filename=str(path))
    except TemplateSyntaxError as error:
        raise _template_error(path, error.lineno, error.message or "syntax error", ()) from error
    return Template.from_code(environment, code, environment.make_globals(None))


@lru_cache(maxsize=1)
def _environment() -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # A prompt is no HTML: escaping would change what the model reads.
    return ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )


def _template_error(path: Path, line: int, cause: str, known: Iterable[str]) -> SpecError:
    names = ", ".join(known)
    return SpecError([Problem(path, line, cause, f"the template may use {names}" if names else "")])


def _line(traceback: TracebackType | None, path: Path) -> int:
    line = 1
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == str(path):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
