"""A dataset is its rows: what is built from it stays fresh where a new build has the same rows.

Every build of a dataset is an artefact of its own, with its offsets, its quarantine and its
origins. Where its rows are those of an earlier build, its record names the artefact of that build.
This identity is what versions, staleness and releases go by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tidemill.errors import ArtefactError
from tidemill.pipeline.context import BuildResult
from tidemill.ports import Materialisation, MaterialisationStore, Store
from tidemill.progress import Progress

ROWS, SAME_ROWS_AS = "rows_digest", "same_rows_as"
"""Facts of a dataset: the digest of its rows, and the artefact of the first build with them."""


def identity(record: Materialisation) -> str:
    """Digest that stands for an artefact in what is built from it: of a dataset the first artefact
    with its rows, of everything else the artefact itself."""
    return str(record.facts.get(SAME_ROWS_AS) or record.artefact)


def input_identities(
    record: Materialisation, newest: Mapping[str, Materialisation], history: MaterialisationStore
) -> dict[str, str]:
    """The identity of each input of an asset, by spec name; `newest` has the newest records by
    `project/name`, and former ones are looked up where a dataset was rebuilt since."""
    inputs = dict(record.inputs)
    for name, artefact in record.inputs.items():
        last = newest.get(f"{record.project}/{name}")
        if last is not None and last.kind == "Dataset":
            same = last.artefact == artefact
            build = last if same else history.by_artefact(record.project, name, artefact)
            inputs[name] = identity(build) if build else artefact
    return inputs


def first_build(
    records: MaterialisationStore, store: Store, record: Materialisation
) -> Materialisation:
    """The first build with the same rows, which releases name; the record itself where that one is
    not in the store any more."""
    first = records.by_artefact(record.project, record.name, identity(record))
    return record if first is None or store.missing({first.artefact}) else first


def link_same_rows(
    result: BuildResult,
    project: str,
    name: str,
    records: MaterialisationStore,
    store: Store,
    progress: Progress,
) -> BuildResult:
    """The result with the earlier build that has the same rows, where it is a dataset and there is
    one."""
    digest = result.facts.get(ROWS)
    earlier = _earlier_build(str(digest), project, name, records, store) if digest else None
    if earlier is None:
        return result
    progress(
        f"{name}: no row changed since the build of {earlier.started_at:%Y-%m-%d %H:%M} UTC; "
        "what is built from these rows stays as it is"
    )
    return replace(result, facts={**result.facts, SAME_ROWS_AS: identity(earlier)})


def _earlier_build(
    rows: str, project: str, name: str, records: MaterialisationStore, store: Store
) -> Materialisation | None:
    same = records.first_with_rows(project, name, rows)
    newest = records.latest(project, name)
    if same is not None or newest is None or ROWS in newest.facts:
        return same
    return newest if _read(store, newest.artefact) == rows else None


def _read(store: Store, digest: str) -> str:
    """The rows of a build whose record does not name their digest; empty where they are gone."""
    from tidemill.data.rows_digest import read_rows_digest

    try:
        return read_rows_digest(store.get(digest).path)
    except (ArtefactError, OSError, KeyError, ValueError):
        return ""
