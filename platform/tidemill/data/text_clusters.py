"""Texts as vectors by their words, and groups of vectors that lie close together.

Words: TF-IDF projected onto its main directions (latent semantic analysis, Deerwester and others
1990). Groups: agglomerative clustering by average cosine distance, cut where two groups are nearly
as far apart as any two texts are. The same texts give the same groups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tidemill.errors import MissingExtra

NOWHERE = -1
SMALLEST = 3
"""Fewer texts are no group."""
CUT = 0.85
"""Distance from which two groups are not joined, as a share of the mean distance of two texts."""
MAX_BACKGROUND = 5000
_DIRECTIONS = 50
_WORDS = {"token_pattern": r"(?u)\w+"}
Vectors = npt.NDArray[np.float64]


def word_vectors(texts: Sequence[str], background: Sequence[str] = ()) -> Vectors:
    """Vectors of length one by the words of the texts, shape (texts, directions); zeros for a text
    without words. What words are rare, and which go together, is learnt from the `background` as
    well: other texts of the same kind."""
    try:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:
        raise MissingExtra("scikit-learn", "train") from error
    words = TfidfVectorizer(sublinear_tf=True, **_WORDS)
    if not any(map(words.build_analyzer(), texts)):
        return np.zeros((len(texts), 1))
    counts = words.fit_transform([*texts, *background[:MAX_BACKGROUND]])
    directions = min(_DIRECTIONS, *(side - 1 for side in counts.shape))
    if directions < 2:
        return np.asarray(counts.toarray(), dtype=np.float64)[: len(texts)]
    with np.errstate(invalid="ignore"):  # it divides by the variance, which equal texts lack
        projected = TruncatedSVD(directions, random_state=0).fit_transform(counts)
    return _unit(projected[: len(texts)])


def group_vectors(vectors: Any, smallest: int = SMALLEST) -> list[int]:
    """The group of each vector (texts, width), numbered from 0 in their order; `NOWHERE` for one
    that is like fewer than `smallest` - 1 others."""
    units = _unit(np.asarray(vectors, dtype=np.float64))
    if len(units) < smallest:
        return [NOWHERE] * len(units)
    try:
        from sklearn.cluster import AgglomerativeClustering
    except ImportError as error:
        raise MissingExtra("scikit-learn", "train") from error
    distances = np.clip(1 - units @ units.T, 0.0, 2.0)
    np.fill_diagonal(distances, 0.0)
    apart = float(distances.sum()) / (len(units) * (len(units) - 1))
    clustering = AgglomerativeClustering(
        n_clusters=None,
        metric="precomputed",
        linkage="average",
        distance_threshold=max(CUT * apart, 1e-6),
    )
    return _number_groups(clustering.fit_predict(distances).tolist(), smallest)


def _number_groups(labels: Sequence[int], smallest: int) -> list[int]:
    sizes = Counter(labels)
    large = dict.fromkeys(label for label in labels if sizes[label] >= smallest)
    numbers = {label: number for number, label in enumerate(large)}
    return [numbers.get(label, NOWHERE) for label in labels]


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0), dtype=np.float64)
