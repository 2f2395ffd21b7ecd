"""All figures of the tree at once: the review's table, as one value."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.house import arrows, measures, names, vocabulary
from tests.house.source import ROOT, Module, Site, modules

Spread = tuple[float, int, int]
"""Median, 90th percentile and maximum."""

LISTS: dict[str, Callable[[tuple[Module, ...]], list[Site]]] = {
    "untyped_returns": measures.untyped_returns,
    "silent_modules": measures.silent_modules,
    "inner_imports": measures.inner_imports,
    "undocumented": measures.undocumented,
    "complex": measures.complex_functions,
    "nested": measures.deep_functions,
    "one_word": names.one_word_functions,
    "participles": names.participles,
    "story_words": names.story_words,
    "loose_dicts": measures.loose_dicts,
    "asserted_types": measures.asserted_types,
    "arrows_up": arrows.arrows_up,
    "private_imports": arrows.private_imports,
    "ing_names": names.ing_names,
    "story_parameters": names.story_parameters,
    "vocabulary": vocabulary.retired_names,
    "refused_names": vocabulary.refused_names,
    "words_to_refuse": vocabulary.words_to_refuse,
}
"""What `--list` shows; from `ing_names` on, they stand beside the review's table."""


@dataclass(frozen=True)
class Figures:
    """The measured tree, or the part of it under one folder."""

    files: int
    """Modules of more than three lines."""
    lines: int
    """Of those modules, blank lines too."""
    module_lines: Spread
    function_lines: Spread
    functions: int
    named_functions: int
    """Those whose name is ours: all but `__init__` and its like."""
    public: int
    """Public functions, classes and methods."""
    assigned: int
    """Names bound, each time anew."""
    imports: int
    """Import statements."""
    comment_lines: int
    docstring_lines: int
    sites: Mapping[str, tuple[Site, ...]]
    """For each entry of `LISTS`, where it was counted."""

    def count(self, what: str) -> int:
        """How many sites a list has."""
        return len(self.sites[what])

    def percent(self, what: str, total: int) -> float:
        """The share of a list among `total`, in percent."""
        return 100 * self.count(what) / total if total else 0.0


def measure(root: Path = ROOT, under: str = "") -> Figures:
    """Measure the tree; `under` names a folder, relative to the root, to look at alone."""
    with _no_collector():
        tree = modules(root)
        part = tuple(m for m in tree if _under(m.path, under))
        lists = {what: function(tree) for what, function in LISTS.items()}
        return _figures(part, {k: _only(sites, under) for k, sites in lists.items()})


def _figures(part: tuple[Module, ...], sites: Mapping[str, tuple[Site, ...]]) -> Figures:
    sized = [m.lines for m in part if m.counts]
    functions = [f for m in part for f in m.functions]
    return Figures(
        files=len(sized),
        lines=sum(sized),
        module_lines=measures.spread(sized),
        function_lines=measures.spread(map(measures.function_lines, functions)),
        functions=len(functions),
        named_functions=sum(not names.is_dunder(f.name) for f in functions),
        public=sum(1 for m in part for _ in measures.public_definitions(m)),
        assigned=sum(len(names.assigned(m)) for m in part),
        imports=sum(len(m.imports) for m in part),
        comment_lines=sum(map(measures.comment_lines, part)),
        docstring_lines=sum(map(measures.docstring_lines, part)),
        sites=sites,
    )


def _only(sites: Iterable[Site], folder: str) -> tuple[Site, ...]:
    return tuple(site for site in sites if _under(site.path, folder))


def _under(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(folder.rstrip("/") + "/")


@contextmanager
def _no_collector() -> Iterator[None]:
    """Syntax trees are no garbage: without the collector they are read in half the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
