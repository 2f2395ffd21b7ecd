"""Sizes, documentation, types and shape of the code: each measure a list of sites or a number."""

from __future__ import annotations

import ast
import io
import re
import statistics
import tokenize
from collections.abc import Iterable, Iterator

from tests.house.source import DEFINITION, Definition, Function, Module, Site, children, inside

COMPLEX = 10
"""A function above this cyclomatic complexity is listed."""
DEEP = 4
"""A function that nests this many blocks, or more, is listed."""
LOOSE_DICT = re.compile(r"(?:dict|Mapping)\[str,\s*Any\]")
BLOCK = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.With, ast.AsyncWith, ast.Match)
FORK = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler)


def spread(sizes: Iterable[int]) -> tuple[float, int, int]:
    """Median, 90th percentile (the item at index `int(0.9 n)`) and maximum."""
    ordered = sorted(sizes)
    p90 = ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]
    return statistics.median(ordered), p90, ordered[-1]


def function_lines(function: Function) -> int:
    """Lines from `def` (without decorators) to the last one, docstring and inner functions too."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def complexity(function: Function) -> int:
    """Cyclomatic complexity of the function itself.

    1, and 1 for each `if`, `elif`, conditional expression, loop, `except` and comprehension (its
    conditions are free), `case`, and operand after the first of an `and` or `or`. Lambdas count
    with their function; inner functions count for themselves.
    """
    total = 1
    for node in inside(function):
        if isinstance(node, (*FORK, ast.comprehension, ast.match_case)):
            total += 1
        elif isinstance(node, ast.BoolOp):
            total += len(node.values) - 1
    return total


def nesting(node: ast.AST) -> int:
    """How many blocks stand inside each other: `if`, loops, `try`, `with` and `match`.

    As in the syntax tree, an `elif` stands inside the `if` before it. Inner functions and classes
    are not followed.
    """
    deepest = 0
    for child in children(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case) and not isinstance(
            child, DEFINITION
        ):
            deepest = max(deepest, nesting(child) + isinstance(child, BLOCK))
    return deepest


def complex_functions(tree: Iterable[Module]) -> list[Site]:
    """Functions above a complexity of 10."""
    sizes = ((m, f, complexity(f)) for m in tree for f in m.functions)
    return [m.site(f, f"{f.name}: {size}") for m, f, size in sizes if size > COMPLEX]


def deep_functions(tree: Iterable[Module]) -> list[Site]:
    """Functions that nest four blocks or more."""
    depths = ((m, f, nesting(f)) for m in tree for f in m.functions)
    return [m.site(f, f"{f.name}: {depth}") for m, f, depth in depths if depth >= DEEP]


def untyped_returns(tree: Iterable[Module]) -> list[Site]:
    """Functions without a return annotation."""
    return [m.site(f, f.name) for m in tree for f in m.functions if f.returns is None]


def silent_modules(tree: Iterable[Module]) -> list[Site]:
    """Modules of more than three lines without a docstring."""
    return [m.site(m.tree, m.name) for m in tree if m.counts and not ast.get_docstring(m.tree)]


def public_definitions(module: Module) -> Iterator[Definition]:
    """Functions and classes without a leading underscore, and the like methods of such classes.

    What stands inside a function, a private class or an `if` is not public.
    """
    bodies: list[list[ast.stmt]] = [module.tree.body]
    while bodies:
        for node in bodies.pop():
            if isinstance(node, DEFINITION) and not node.name.startswith("_"):
                yield node
                if isinstance(node, ast.ClassDef):
                    bodies.append(node.body)


def undocumented(tree: Iterable[Module]) -> list[Site]:
    """Public functions, classes and methods without a docstring."""
    public = ((m, node) for m in tree for node in public_definitions(m))
    return [m.site(node, node.name) for m, node in public if not ast.get_docstring(node)]


def inner_imports(tree: Iterable[Module]) -> list[Site]:
    """Import statements inside functions."""
    return [
        m.site(node, ast.unparse(node))
        for m in tree
        for node in m.imports
        if any(f.lineno < node.lineno <= (f.end_lineno or f.lineno) for f in m.functions)
    ]


def loose_dicts(tree: Iterable[Module]) -> list[Site]:
    """Each `dict[str, Any]` and `Mapping[str, Any]` in the text, `MutableMapping` too."""

    return [site for m in tree for site in m.matches(LOOSE_DICT)]


def asserted_types(tree: Iterable[Module]) -> list[Site]:
    """Each `assert isinstance(…)`."""
    return [
        m.site(node, ast.unparse(node))
        for m in tree
        for node in m.nodes
        if isinstance(node, ast.Assert)
        and isinstance(node.test, ast.Call)
        and isinstance(node.test.func, ast.Name)
        and node.test.func.id == "isinstance"
    ]


def comment_lines(module: Module) -> int:
    """Lines with a comment, at their end or alone."""
    if "#" not in module.text:
        return 0  # tokens take time
    tokens = tokenize.generate_tokens(io.StringIO(module.text).readline)
    return sum(token.type == tokenize.COMMENT for token in tokens)


def docstring_lines(module: Module) -> int:
    """Lines of the docstrings of the module, its classes and its functions."""
    return sum((doc.end_lineno or doc.lineno) - doc.lineno + 1 for doc in module.docstrings)
