"""The semantic digest of a spec: it changes only when what would be made changes.

In it: the spec with its defaults filled in, keys sorted; the options of its techniques likewise,
and their VERSION; the bytes of the files it names (of the pointer, for DVC). Left out: `owner`,
`description`, `labels`, how to search for a better spec (`optimise`, `sweep`), the order of keys,
comments, how a value is written (`1m` or `60s`).
The digests of the specs it names are not in it: they come with the asset's version.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tidemill.content import PREFIX, digest_of, hash_file
from tidemill.errors import Problem, SpecError, UnknownName
from tidemill.spec.base import SEARCHES, NamesFile, NamesTechnique, RefersTo, Spec
from tidemill.spec.digest_compat import without_later
from tidemill.spec.finetune import FineTune
from tidemill.spec.load import LoadedSpec, Project, display_path
from tidemill.spec.options import ignored_fields, options_model, technique_uses
from tidemill.spec.references import Reference, find_references

FORMAT = 1
"""Raise it to make every asset stale."""
_FOR_PEOPLE = {"owner", "description", "labels"}


@dataclass(frozen=True)
class DigestInputs:
    """A spec as plain values, with everything that its digest is taken over."""

    digest: str
    """`sha256:` and 64 hex digits."""
    values: dict[str, object]
    """Every default filled in, words for people included."""
    techniques: dict[str, int]
    """`tidemill.metrics:accuracy` → its VERSION."""
    files: dict[str, str]
    """The files it names, with the hash of their bytes."""
    references: tuple[str, ...]
    """The specs it names."""


def spec_digest(loaded: LoadedSpec, project: Project) -> str:
    """`sha256:` and 64 hex digits; raises `SpecError` where a named file cannot be read."""
    return digest_inputs(loaded, project).digest


def digest_inputs(loaded: LoadedSpec, project: Project) -> DigestInputs:
    """The spec's digest and what went into it; raises `SpecError` as `spec_digest` does."""
    named = tuple(site for site in find_references(loaded.spec) if site.path[0] not in SEARCHES)
    values, techniques = with_defaults(loaded.spec), _versions(named)
    files = _files(loaded, project.folder, named)
    references = dict.fromkeys(site.name for site in named if isinstance(site.marker, RefersTo))
    content = {
        "format": FORMAT,
        "spec": _without_people(without_later(loaded.spec, values)),
        "techniques": techniques,
        "files": files,
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    digest = PREFIX + hashlib.sha256(text.encode()).hexdigest()
    return DigestInputs(digest, values, techniques, files, tuple(references))


def with_defaults(spec: Spec) -> dict[str, object]:
    """The spec as plain values, every default filled in, options of techniques included; fields
    that have no effect with a fine-tune's method are left out."""
    values: dict[str, Any] = spec.model_dump(mode="json", by_alias=True)
    for path in ignored_fields(spec) if isinstance(spec, FineTune) else ():
        del (values if len(path) == 1 else values[path[0]])[path[-1]]
    for use in technique_uses(spec):
        model = options_model(use.catalog, use.name)
        if model is None:
            continue
        options = model.model_validate(use.option_values).model_dump(mode="json", by_alias=True)
        at: Any = values
        for part in use.path:
            at = at[part]
        at.update(options)
    return values


def _without_people(values: dict[str, object]) -> dict[str, object]:
    hashed = {key: value for key, value in values.items() if key not in _FOR_PEOPLE}
    return hashed | dict.fromkeys(SEARCHES & hashed.keys())


def _versions(named: Iterable[Reference]) -> dict[str, int]:
    """`tidemill.metrics:accuracy` → its VERSION, for every technique the spec uses."""
    versions: dict[str, int] = {}
    for site in named:
        if not isinstance(site.marker, NamesTechnique):
            continue
        catalog = site.marker.catalog
        try:
            versions[f"{catalog.digest_key}:{site.name}"] = int(catalog.load(site.name).VERSION)
        except UnknownName:
            if catalog.names():  # an empty catalog is a part that is not installed
                raise
    return versions


def _files(loaded: LoadedSpec, folder: Path, named: Iterable[Reference]) -> dict[str, str]:
    digests: dict[str, str] = {}
    for site in named:
        if not isinstance(site.marker, NamesFile):
            continue
        try:
            digests[site.name] = _content(folder / site.name)
        except OSError as error:
            cause = f"'{site.key}: {site.name}' cannot be read: {error.strerror}"
            line = loaded.line(*site.path)
            problem = Problem(display_path(loaded.path), line, cause, "check the file")
            raise SpecError([problem]) from error
    return digests


def _content(path: Path) -> str:
    if path.is_dir():
        return digest_of(path)
    status = path.stat()
    return _cached_hash(os.fspath(path), status.st_mtime_ns, status.st_size, status.st_ino)


@lru_cache(maxsize=20_000)
def _cached_hash(path: str, _mtime: int, _size: int, _inode: int) -> str:
    """A file's hash; hashed again when the file has been written to."""
    return PREFIX + hash_file(Path(path))
