"""Texts as vectors, for trivial baselines: of a frozen encoder, or TF-IDF where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tidemill.errors import DataError, MissingExtra

_WORDS: dict[str, Any] = {"ngram_range": (1, 2), "token_pattern": r"(?u)\w+"}


@dataclass(frozen=True)
class FrozenEncoder:
    """A sentence encoder of the project that nothing was trained on."""

    name: str
    folder: Path

    @cached_property
    def model(self) -> Any:
        """The encoder, loaded at first use."""
        from tidemill.runtimes.sentence import Encoder

        return Encoder(self.folder)


@dataclass(frozen=True)
class TextFeatures:
    """A vector of length one for each text of each split, shape (n, d), dense or sparse."""

    name: str
    """The encoder, or `TF-IDF`."""
    train: Any
    validation: Any
    test: Any


def text_features(encoder: FrozenEncoder | None, *splits: Sequence[str]) -> TextFeatures:
    """The vectors of train, validation and test, in that order; TF-IDF without an encoder."""
    if encoder is None:
        return TextFeatures("TF-IDF", *_tfidf(*splits))
    texts = list(dict.fromkeys(text for split in splits for text in split))
    vectors = encoder.model.encode(texts)
    places = {text: place for place, text in enumerate(texts)}
    return TextFeatures(encoder.name, *(vectors[[places[t] for t in split]] for split in splits))


def _tfidf(train: Sequence[str], *others: Sequence[str]) -> list[Any]:
    """Over words and pairs of words of the training texts (smoothed idf, sublinear tf)."""
    try:
        from scipy.sparse import csr_array
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError:
        raise MissingExtra("scikit-learn", "train") from None
    words = TfidfVectorizer(sublinear_tf=True, **_WORDS)
    if not any(map(words.build_analyzer(), train)):
        raise DataError("the training rows hold no words to compare; name an encoder in the specs")
    vectors = [words.fit_transform(train)]
    size = vectors[0].shape[1]
    return vectors + [words.transform(t) if t else csr_array((0, size)) for t in others]
