"""Finds the rows nearest to a text by meaning, with the project's own sentence encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.adapters.row_index import SimilarRow, read
from tidemill.data.similar_rows import question_text
from tidemill.errors import ArtefactError, MissingArtefact, MissingExtra
from tidemill.form import ModelForm
from tidemill.home import Home

if TYPE_CHECKING:
    import numpy as np


def nearest_by_embedding(
    home: Home, digest: str, dataset: Path, query: Any, limit: int
) -> list[SimilarRow]:
    """The rows nearest to a text or to a row's columns, as `RowTexts.nearest` gives them; the
    similarity is the cosine of their embeddings. Raises MissingArtefact without an encoder."""
    encoder, folder = _encoder(home, digest)
    try:
        from tidemill.runtimes.sentence import Encoder
    except ImportError as error:
        raise MissingExtra(error.name or "torch", "train") from error
    columns = list(query) if isinstance(query, Mapping) else []
    text = question_text(query, columns) if isinstance(query, Mapping) else str(query)
    rows = list(read(dataset))
    texts = [question_text(row, columns) for _, row in rows]
    encode = Encoder(folder).encode
    key = "-".join((digest[7:23], encoder[7:23], *columns)).replace("/", "_")
    embedded = _embeddings(home.settings.home / "why" / f"meaning-{key}.npy", encode, texts)
    scores = embedded @ encode([text])[0]
    best: Sequence[int] = (-scores).argsort(kind="stable")[:limit].tolist()
    return [
        {**rows[i][0], "text": texts[i], "similarity": round(float(scores[i]), 4)} for i in best
    ]


def _embeddings(path: Path, encode: Any, texts: Sequence[str]) -> np.ndarray[Any, Any]:
    """Embeddings of the texts, shape (rows, width): from the cache file, or computed into it."""
    import numpy as np

    if path.exists():
        cached: np.ndarray[Any, Any] = np.load(path, allow_pickle=False)
        return cached
    embedded: np.ndarray[Any, Any] = encode(texts)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".fresh.npy")
    np.save(partial, embedded, allow_pickle=False)
    partial.replace(path)
    return embedded


def _encoder(home: Home, dataset: str) -> tuple[str, Path]:
    """Digest and folder of the newest encoder that the dataset's project has as a Model."""
    origins = home.ledger.lineage.builds_of([dataset])
    makings = home.ledger.lineage.materialisation_rows(key for key, _ in origins.values())
    project = next((making["project"] for making in makings.values()), "")
    for digest in home.ledger.lineage.base_models(project):
        try:
            folder = home.store.check_local(digest, "model").path
            if ModelForm.read(folder).task == "sequence-classification":
                return digest, folder
        except ArtefactError:
            continue
    raise MissingArtefact(
        f"project '{project}' has no sentence encoder here; add a Model with `task: "
        "sequence-classification` and run it, or compare by words (without --meaning)"
    )
