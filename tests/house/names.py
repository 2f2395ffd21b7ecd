"""Names that say little: story words, bare participles and function names of one word."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from tests.house.source import Module, Site

_STORY_WORDS = """
one found said told known given kept made place wanted shown asked left held seen taken whole more
there here what who why where
"""
STORY_WORDS = frozenset(_STORY_WORDS.split())
"""Words that carry a sentence along and name nothing."""

_NOT_PARTICIPLES = """
bed bleed breed embed exceed feed heed hundred indeed kindred naked need proceed red reed sacred
seed shed shred sled speed succeed wed weed
"""
NOT_PARTICIPLES = frozenset(_NOT_PARTICIPLES.split())
"""English words that end in -ed and are no participles."""

_IRREGULAR = """
arisen awoken beaten begun bent bitten blown bought broken brought built caught chosen clung dealt
done drawn driven drunk dug eaten fallen felt flown forbidden forgotten forgiven fought found
frozen given gone grown had heard held hidden hung kept known laid lain learnt led left lent lit
lost made meant met mistaken overtaken paid proven rewritten ridden risen rung said seen sent sewn
shaken shown sold sought spent spun stolen stood struck stuck swept sworn taken taught thought
thrown told torn understood undertaken upheld withdrawn withheld woken won worn woven written
"""
IRREGULAR = frozenset(_IRREGULAR.split())
"""Irregular participles whose base form reads differently.

`put`, `read`, `run`, `set`, `split` and the like are verbs in their base form; `bound` is a noun.
"""


def is_participle(name: str) -> bool:
    """Whether a whole name is one past participle: `told`, `known`, `reached`.

    Underscores at its ends do not count. Adjectives in `un-` (`unknown`, `unapproved`) say a state
    as `stale` does, and are not participles here. Names of several words never are.
    """
    word = name.strip("_")
    if word in IRREGULAR:
        return True
    regular = re.fullmatch(r"[a-z]+ed", word) is not None
    return regular and not word.startswith("un") and word not in NOT_PARTICIPLES


def is_ing(name: str) -> bool:
    """Whether a whole name is one word in -ing: a gerund or a present participle."""
    return re.fullmatch(r"[a-z]{2,}ing", name.strip("_")) is not None


def is_dunder(name: str) -> bool:
    """Whether Python itself calls it: `__init__`."""
    return name.startswith("__") and name.endswith("__")


def participles(tree: Iterable[Module]) -> list[Site]:
    """Functions, methods and properties whose whole name is one past participle."""
    return [m.site(f, f.name) for m in tree for f in m.functions if is_participle(f.name)]


def ing_names(tree: Iterable[Module]) -> list[Site]:
    """Functions whose whole name is one word in -ing; beside the limit, for whoever renames."""
    ordinary = {"string", "nothing", "thing", "king"}
    functions = ((m, f) for m in tree for f in m.functions)
    return [m.site(f, f.name) for m, f in functions if is_ing(f.name) and f.name not in ordinary]


def one_word_functions(tree: Iterable[Module]) -> list[Site]:
    """Functions whose name, without the underscores at its ends, is one word: not `__init__`."""
    functions = ((m, f) for m in tree for f in m.functions if not is_dunder(f.name))
    return [m.site(f, f.name) for m, f in functions if "_" not in f.name.strip("_")]


def assigned(module: Module) -> list[ast.Name]:
    """The names that the module binds.

    Targets of assignments (of fields with an annotation too), of `for`, `with … as`, `:=`, and the
    variables of comprehensions, counted at each binding. Parameters, attributes, imports
    and `except … as` are not among them.
    """
    names = (node for node in module.nodes if isinstance(node, ast.Name))
    return [name for name in names if isinstance(name.ctx, ast.Store)]


def story_words(tree: Iterable[Module]) -> list[Site]:
    """Assigned names that are, as a whole, a story word."""
    names = ((m, name) for m in tree for name in assigned(m))
    return [m.site(name, name.id) for m, name in names if name.id in STORY_WORDS]


def story_parameters(tree: Iterable[Module]) -> list[Site]:
    """Parameters that are a story word; beside the limit, for whoever renames."""
    arguments = ((m, node) for m in tree for node in m.nodes if isinstance(node, ast.arg))
    return [m.site(node, node.arg) for m, node in arguments if node.arg in STORY_WORDS]
