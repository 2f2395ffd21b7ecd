"""Who knows whom: imports, and modules named in strings, against import-linter's layers."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from tests.house.source import ROOT, Module, Site

TABLES = ("entry_points", "catalog")
"""Modules that may name any other in a string: what is started by name, where techniques live."""
STARTED = re.compile(r"-m\s+([A-Za-z_][\w.]*)")
DOTTED = re.compile(r"([A-Za-z_]\w*(?:\.\w+)+)\.?(?::\w+)?")


@dataclass(frozen=True)
class Arrow:
    """One module that knows another."""

    source: str
    target: str
    site: Site


@dataclass(frozen=True)
class Layer:
    """One floor of the house."""

    floor: int
    """0 is the top one."""
    member: str
    """The package or module, such as `tidemill.engine`."""
    closed: bool
    """Whether its neighbours on the floor are out of reach too (`|` between them)."""


@lru_cache
def layers(pyproject: Path) -> tuple[tuple[Layer, ...], ...]:
    """Each `layers` contract of import-linter, as `pyproject.toml` has it."""
    settings = tomllib.loads(pyproject.read_text())["tool"]["importlinter"]
    contracts = [c for c in settings["contracts"] if c["type"] == "layers"]
    return tuple(
        tuple(layer for box in c.get("containers", [""]) for layer in _floors(c["layers"], box))
        for c in contracts
    )


def _floors(lines: Sequence[str], container: str) -> Iterator[Layer]:
    prefix = f"{container}." if container else ""
    for floor, line in enumerate(lines):
        for member in re.split(r"[:|]", line):
            yield Layer(floor, prefix + member.strip(" ()"), "|" in line)


def arrows(tree: Sequence[Module]) -> list[Arrow]:
    """Every import of a module of ours, and every string that names one."""
    names = frozenset(module.name for module in tree)
    return [arrow for m in tree for arrow in (*_imports(m, names), *_strings(m, names))]


def arrows_up(tree: Sequence[Module], pyproject: Path = ROOT / "pyproject.toml") -> list[Site]:
    """Arrows from a lower floor to a higher one, straight or through modules on no floor.

    A string counts when it is the name of a module of ours (with an attribute, `:attribute` or a
    dot after it), or says `-m` before one: `"tidemill_assets.launch"`, `"python -m tidemill.x"`.
    Docstrings, and the tables of entry points and of technique folders, do not count.
    """
    graph: dict[str, list[Arrow]] = {}
    for arrow in arrows(tree):
        graph.setdefault(arrow.source, []).append(arrow)
    return sorted(
        {site for contract in layers(pyproject) for site in _upward(graph, contract)},
        key=lambda site: (site.path, site.line, site.text),
    )


def private_imports(tree: Sequence[Module]) -> list[Site]:
    """Imports of a module with a leading underscore from outside the folder that holds it."""
    names = frozenset(module.name for module in tree)
    imports = (arrow for module in tree for arrow in _imports(module, names))
    return list(dict.fromkeys(arrow.site for arrow in imports if _crosses(arrow)))


def _crosses(arrow: Arrow) -> bool:
    parts = arrow.target.split(".")
    for depth, part in enumerate(parts):
        if part.startswith("_") and not part.startswith("__"):
            holder = ".".join(parts[:depth])
            return not _within(arrow.source, holder)
    return False


def _upward(graph: dict[str, list[Arrow]], contract: tuple[Layer, ...]) -> Iterator[Site]:
    for arrow in (arrow for source in graph.values() for arrow in source):
        if start := _layer(arrow.source, contract):
            for target in _ends(graph, arrow.target, contract):
                end = _layer(target, contract)
                if end and _forbidden(start, end):
                    via = "" if target == arrow.target else f" → {target}"
                    yield Site(arrow.site.path, arrow.site.line, f"{arrow.site.text}{via}")


def _ends(graph: dict[str, list[Arrow]], target: str, contract: tuple[Layer, ...]) -> list[str]:
    """The target, or, where it is on no floor, the modules with a floor that it leads to."""
    chain = {target: None}
    queue = [target]
    for module in queue:
        if not _layer(module, contract):
            fresh = {a.target: None for a in graph.get(module, ()) if a.target not in chain}
            chain |= fresh
            queue += fresh
    return [module for module in chain if _layer(module, contract)]


def _forbidden(start: Layer, end: Layer) -> bool:
    neighbours = start.floor == end.floor and start.member != end.member
    return end.floor < start.floor or (neighbours and start.closed)


@cache
def _layer(module: str, contract: tuple[Layer, ...]) -> Layer | None:
    return next((layer for layer in contract if _within(module, layer.member)), None)


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _imports(module: Module, names: frozenset[str]) -> Iterator[Arrow]:
    for node in module.imports:
        for target in _targets(module, node):
            if end := _longest(target, names):
                yield Arrow(module.name, end, module.site(node, ast.unparse(node)))


def _targets(module: Module, node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    parts = module.name.split(".")
    above = len(parts) - node.level + module.is_package
    base = ".".join([*(parts[:above] if node.level else ()), *filter(None, [node.module])])
    return [f"{base}.{alias.name}" for alias in node.names]


def _longest(dotted: str, names: Iterable[str]) -> str | None:
    """The module that a dotted name means: itself, or what is before its last dot."""
    return next((name for name in (dotted, dotted.rpartition(".")[0]) if name in names), None)


def _strings(module: Module, names: frozenset[str]) -> Iterator[Arrow]:
    if module.name.rpartition(".")[2] in TABLES:
        return
    docstrings = {id(node) for node in module.docstrings}
    for node in module.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for dotted in () if id(node) in docstrings else _named(node.value):
                if target := _longest(dotted, names):
                    yield Arrow(module.name, target, module.site(node, f'"{dotted}"'))


def _named(text: str) -> list[str]:
    alone = DOTTED.fullmatch(text.strip())
    return [alone.group(1)] if alone else STARTED.findall(text)
