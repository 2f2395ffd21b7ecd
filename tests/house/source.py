"""The source tree as values: each module's name, text and syntax tree, read once."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ("platform", "assets")
TOO_SHORT = 3  # an __init__.py of three lines at most only says what its folder is for

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITION = (*FUNCTION, ast.ClassDef)


@dataclass(frozen=True)
class Site:
    """One line of the tree that a measure counts."""

    path: str
    """Relative to the repository, with forward slashes."""
    line: int
    text: str
    """What was counted: a name, an import, a figure."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.text}"


@dataclass(frozen=True)
class Module:
    """One Python file."""

    name: str
    """As Python imports it: `tidemill.engine.gate`; a package has the name of its folder."""
    path: str
    """Relative to the repository, with forward slashes."""
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the syntax tree, level by level."""
        nodes: list[ast.AST] = [self.tree]
        for node in nodes:
            nodes += children(node)
        return tuple(nodes)

    @cached_property
    def definitions(self) -> tuple[Definition, ...]:
        """Every `def` and `class`."""
        return tuple(node for node in self.nodes if isinstance(node, DEFINITION))

    @cached_property
    def imports(self) -> tuple[ast.Import | ast.ImportFrom, ...]:
        """Every import statement."""
        return tuple(node for node in self.nodes if isinstance(node, ast.Import | ast.ImportFrom))

    @cached_property
    def functions(self) -> tuple[Function, ...]:
        """Every `def`: functions, methods and those inside others."""
        return tuple(node for node in self.definitions if isinstance(node, FUNCTION))

    @cached_property
    def docstrings(self) -> tuple[ast.Constant, ...]:
        """The docstrings of the module, its classes and its functions."""
        owners = (self.tree, *self.definitions)
        return tuple(doc for owner in owners if (doc := _docstring(owner)))

    @cached_property
    def lines(self) -> int:
        """How many lines the file has."""
        return len(self.text.splitlines())

    @property
    def counts(self) -> bool:
        """Whether the file is long enough to be counted among the modules."""
        return self.lines > TOO_SHORT

    @property
    def is_package(self) -> bool:
        """Whether the file is an `__init__.py`."""
        return self.path.endswith("__init__.py")

    def site(self, node: ast.AST, text: str) -> Site:
        """Where `node` stands."""
        return Site(self.path, getattr(node, "lineno", 1), text)

    def matches(self, pattern: re.Pattern[str]) -> Iterator[Site]:
        """Each match of a pattern in the text."""
        for match in pattern.finditer(self.text):
            line = self.text.count("\n", 0, match.start()) + 1
            yield Site(self.path, line, match.group())


def modules(root: Path = ROOT) -> tuple[Module, ...]:
    """Every module under `platform/` and `assets/`, sorted by path."""
    files = [(root / source, path) for source in SOURCES for path in (root / source).rglob("*.py")]
    return tuple(
        Module(
            ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"),
            path.relative_to(root).as_posix(),
            path.read_text(encoding="utf-8"),
        )
        for source, path in sorted(files)
    )


def children(node: ast.AST) -> list[ast.AST]:
    """What stands directly under a node; a third of the time that `ast.walk` takes for it."""
    nodes: list[ast.AST] = []
    for field in node._fields:
        value = getattr(node, field, None)
        if isinstance(value, ast.AST):
            nodes.append(value)
        elif isinstance(value, list):
            nodes += [item for item in value if isinstance(item, ast.AST)]
    return nodes


def inside(node: ast.AST) -> list[ast.AST]:
    """The nodes under a function or class, without those of functions and classes inside it."""
    nodes = [child for child in children(node) if not isinstance(child, DEFINITION)]
    for inner in nodes:
        nodes += [child for child in children(inner) if not isinstance(child, DEFINITION)]
    return nodes


def _docstring(owner: ast.AST) -> ast.Constant | None:
    body = getattr(owner, "body", [])
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return first.value if isinstance(first.value.value, str) else None
    return None
