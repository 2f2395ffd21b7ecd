"""Which language texts seem to be in, from their script and their commonest small words."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

_WORD = re.compile(r"[^\W\d_]+")
_SMALL = {
    "English": "the and to of is a in for my i it on you what how do not with this are",
    "German": "der die das und ich ist nicht ein eine zu mit für auf wie mein sie es kann was den",
    "French": "le la les des et je est une un pas pour dans que mon vous ce sur avec il comment",
    "Spanish": "el la los las y de que no un una mi por para es con en se cómo lo del",
    "Italian": "il la che di non un una per è con mi sono come gli le del della ho si ed",
    "Portuguese": "o a os as e de que não um uma meu para é com em se como do da eu",
    "Dutch": "de het een en ik is niet van mijn voor op te dat met hoe je zijn er aan kan",
    "Polish": "nie i w na z jest to że się do jak mój co czy o dla po ale mam od",
}
_TOLD = {language: frozenset(words.split()) for language, words in _SMALL.items()}
_FEWEST = 30
"""Small words below which nothing is said."""


def language_of(texts: Iterable[str]) -> str | None:
    """A language's name, a script's name where it is not Latin, or None where it is not clear."""
    words = [word.lower() for text in texts for word in _WORD.findall(text)]
    scripts = Counter(_script(word[0]) for word in words)
    if not scripts:
        return None
    script, count = scripts.most_common(1)[0]
    if script != "LATIN":
        return f"{script.title()} script" if count > sum(scripts.values()) / 2 else None
    counts = Counter(words)
    hits = {name: sum(counts[word] for word in markers) for name, markers in _TOLD.items()}
    best, second = sorted(hits, key=lambda name: -hits[name])[:2]
    clear = hits[best] >= max(_FEWEST, 1.2 * hits[second])
    return best if clear and hits[best] >= 0.05 * len(words) else None


def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNKNOWN").split()[0]
