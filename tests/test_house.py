"""The house keeps its measures: sizes, names and arrows, as `python -m tests.house` counts them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house import arrows, measures, names, vocabulary
from tests.house.figures import Figures, measure
from tests.house.source import Module

LIMITS: dict[str, float] = {
    "module lines, median": 94,
    "module lines, 90 of 100": 207,
    "module lines, longest": 400,
    "function lines, median": 7,
    "function lines, 90 of 100": 19,
    "function lines, longest": 50,
    "participles, percent": 1,
    "story words, percent": 1,
    "loose dicts": 60,
    "asserted types": 5,
    "untyped returns": 0,
    "silent modules": 0,
    "undocumented": 0,
    "arrows up": 0,
    "private imports": 0,
}
"""What the tree has to keep."""


@pytest.fixture(scope="module")
def figures() -> Figures:
    return measure()


@pytest.mark.parametrize("what", LIMITS)
def test_the_tree_keeps_the_limit(what: str, figures: Figures) -> None:
    assert values(figures)[what] <= LIMITS[what], sites(what, figures)


def test_no_name_brings_a_retired_word_back(figures: Figures) -> None:
    assert [str(site) for site in figures.sites["refused_names"]] == []


def test_a_past_participle_is_told_from_a_verb_a_noun_and_an_adjective() -> None:
    bare = ["told", "_known", "reached", "fed", "agreed", "written"]
    fine = ["read", "put", "split", "embed", "feed", "bound", "unknown", "stale", "was_told"]

    assert [name for name in (*bare, *fine) if names.is_participle(name)] == bare


def test_a_story_word_counts_where_it_is_bound_and_a_parameter_does_not() -> None:
    tree = (module("a", "def f(one):\n  for who, y in one:\n    found = [what for what in y]\n"),)

    assert [site.text for site in names.story_words(tree)] == ["who", "found", "what"]
    assert [site.text for site in names.story_parameters(tree)] == ["one"]


def test_complexity_counts_forks_and_nesting_counts_blocks() -> None:
    code = "def f(a):\n if a and a[0]:\n  for b in a:\n   with b:\n    if b: return [c for c in b]"
    (function,) = module("a", code).functions

    assert (measures.complexity(function), measures.nesting(function)) == (6, 4)


def test_an_arrow_up_is_seen_as_import_as_string_and_through_a_module_on_no_floor(
    tmp_path: Path,
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.importlinter]\n[[tool.importlinter.contracts]]\n"
        'type = "layers"\nlayers = ["a.top : a.side", "a.low"]\n'
    )
    tree = [
        module("a.top", "import a.low\nimport a.side\n"),
        module("a.side", ""),
        module("a.path", "from a import top\n"),
        module("a.low", '"""a.top"""\nimport a.path\nrun("a.top")\nrun("python -m a.side x")\n'),
        module("a.low.entry_points", 'NAMES = ["a.top"]\n'),
    ]

    assert [str(site) for site in arrows.arrows_up(tree, tmp_path / "pyproject.toml")] == [
        "a.low.py:2 import a.path → a.top",
        'a.low.py:3 "a.top"',
        'a.low.py:4 "a.side"',
    ]


def test_a_private_module_belongs_to_the_folder_that_holds_it() -> None:
    tree = [
        module("a.b._own", ""),
        module("a.b.c.near", "from a.b import _own\n"),
        module("a.far", "from a.b._own import x, y\n"),
    ]

    assert [str(site) for site in arrows.private_imports(tree)] == [
        "a.far.py:1 from a.b._own import x, y"
    ]


@pytest.mark.parametrize(
    ("name", "code", "old"),
    [
        ("a", "class FirstRival: ...", "rival"),
        ("a", "class _Bench: ...", "Bench"),
        ("a", "def _said(): ...", "said"),
        ("tidemill.engine._walk", "", "engine/walk"),
    ],
)
def test_a_retired_word_is_seen_in_every_kind_of_name(name: str, code: str, old: str) -> None:
    (site,) = vocabulary.retired_names([module(name, code)])

    assert f"not '{old}' but" in site.text


def module(name: str, code: str) -> Module:
    """A module of that name and text."""
    return Module(name, f"{name}.py", code)


def values(figures: Figures) -> dict[str, float]:
    """The figure for each limit."""
    parts = ("median", "90 of 100", "longest")
    return {
        **{f"module lines, {k}": v for k, v in zip(parts, figures.module_lines, strict=True)},
        **{f"function lines, {k}": v for k, v in zip(parts, figures.function_lines, strict=True)},
        "participles, percent": figures.percent("participles", figures.named_functions),
        "story words, percent": figures.percent("story_words", figures.assigned),
        **{what.replace("_", " "): len(sites) for what, sites in figures.sites.items()},
    }


def sites(what: str, figures: Figures) -> str:
    """The first sites that a failing limit counts, and how to see all of them."""
    key = what.partition(",")[0].replace(" ", "_")
    if key not in figures.sites:
        return f"{what}: see python -m tests.house"
    first = map(str, figures.sites[key][:20])
    return "\n".join(["", *first, f"all: python -m tests.house --list {key}"])
