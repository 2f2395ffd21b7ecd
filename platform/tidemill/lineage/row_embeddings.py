"""Finds the rows nearest to a text by what they mean, with the project's own sentence encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tidemill.adapters.row_index import read
from tidemill.data.similar_rows import asked
from tidemill.errors import ArtefactError, MissingArtefact, MissingExtra
from tidemill.form import ModelForm
from tidemill.home import Home

Row = dict[str, Any]


def by_meaning(home: Home, digest: str, dataset: Path, given: Any, limit: int) -> list[Row]:
    """The rows nearest to a text or to a row's columns, as `RowTexts.nearest` gives them; the
    similarity is the cosine of their embeddings. Raises MissingArtefact without an encoder."""
    encoder, folder = _encoder(home, digest)
    try:
        import numpy as np

        from tidemill.runtimes.sentence import Encoder
    except ImportError as error:
        raise MissingExtra(error.name or "torch", "train") from error
    columns = list(given) if isinstance(given, Mapping) else []
    text = asked(given, columns) if isinstance(given, Mapping) else str(given)
    rows = list(read(dataset))
    texts = [asked(row.pop("row"), columns) for row in rows]
    encode = Encoder(folder).encode
    key = "-".join((digest[7:23], encoder[7:23], *columns)).replace("/", "_")
    path = home.settings.home / "why" / f"meaning-{key}.npy"
    if path.exists():
        embedded = np.load(path, allow_pickle=False)
    else:
        embedded = encode(texts)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".fresh.npy")
        np.save(partial, embedded, allow_pickle=False)
        partial.replace(path)
    scores = embedded @ encode([text])[0]
    best: Sequence[int] = (-scores).argsort(kind="stable")[:limit].tolist()
    return [{**rows[i], "text": texts[i], "similarity": round(float(scores[i]), 4)} for i in best]


def _encoder(home: Home, dataset: str) -> tuple[str, Path]:
    """The newest encoder that the dataset's project has as a Model, and its files."""
    made = home.ledger.lineage.builds_of([dataset])
    makings = home.ledger.lineage.materialisation_rows(key for key, _ in made.values())
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
