"""Making a Model: fetch the weights, check them, bring them into plain safetensors."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from tidemill.errors import StorageError
from tidemill.form import FORM
from tidemill.models.fetch import fetch, link_tree
from tidemill.pipeline.context import BuildContext, BuildResult
from tidemill.ports import Artefact
from tidemill.spec.model import Model


def build(spec: Model, inputs: Mapping[str, Artefact], bench: BuildContext) -> BuildResult:
    """The base model as an artefact; raises HashMismatch, UnsafeFormat, ArtefactError."""
    start = time.monotonic()
    folder = bench.scratch / "model"
    try:
        weights = fetch(
            spec, project=bench.project_folder, cache=bench.cache, tell=lambda m: bench.progress(m)
        )
        _clear(folder)
        link_tree(weights.folder, folder)
    except (PermissionError, OSError) as error:
        raise StorageError(
            f"cannot write the model below {bench.cache} or {bench.scratch}: {error}; "
            "free some space or set TIDEMILL_CACHE to a folder that can be written"
        ) from None
    (folder / FORM).unlink(missing_ok=True)  # a link: written through, it would change the source
    weights.form.write(folder)
    facts = {
        "sha256": weights.sha256,
        "origin": weights.origin,
        "licence": spec.licence,
        "parameters": weights.form.parameters,
        "precision": weights.form.precision,
    }
    artefact = bench.store.put(folder, kind="model", meta=facts)
    return BuildResult(artefact, facts={**facts, "seconds": round(time.monotonic() - start, 2)})


def _clear(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
