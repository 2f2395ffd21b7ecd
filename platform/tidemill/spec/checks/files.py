"""Files a spec names: they exist, inside the project, and have an ending somebody can read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tidemill.errors import suggest
from tidemill.spec.dataset import DvcSource, FileSource
from tidemill.spec.evaluation import Slice
from tidemill.spec.load import is_inside
from tidemill.spec.model import PathSource
from tidemill.spec.options import FieldProblem
from tidemill.spec.references import Reference
from tidemill.spec.slice_rows import ENDING

ROWS = (".jsonl", ".csv", ".parquet")


def check_file(site: Reference, folder: Path) -> Iterator[FieldProblem]:
    """Problems of one file that a spec names."""
    field_text = f"'{site.key}: {site.name}'"
    path = folder / site.name
    try:
        within = is_inside(path, folder)
        exists = path.is_file() or (isinstance(site.holder, PathSource) and path.is_dir())
    except (OSError, ValueError):
        yield FieldProblem(site.path, f"{field_text} is no path", "name a file of the project")
        return
    if not within or PurePosixPath(site.name).is_absolute():
        way_out = "copy the file in: a commit holds only what is below the folder"
        yield FieldProblem(site.path, f"{field_text} lies outside of the project", way_out)
    elif not exists:
        yield FieldProblem(site.path, f"{field_text} names no file", _nearest(path, folder))
    else:
        yield from _check_ending(site, field_text)


def lies_in(folder: Path, name: str) -> bool:
    """True for a file inside the folder, wherever links lead; never raises."""
    try:
        return (folder / name).is_file() and is_inside(folder / name, folder)
    except (OSError, ValueError):
        return False


def _nearest(path: Path, folder: Path) -> str:
    if path.is_dir():
        return "it is a folder; name a file in it"
    if not path.parent.is_dir():
        return f"there is no folder '{path.parent.relative_to(folder)}' either"
    names = [f.relative_to(folder).as_posix() for f in path.parent.iterdir() if f.is_file()]
    near = suggest(path.relative_to(folder).as_posix(), names)
    return near if near.startswith("did you mean") else "paths start at the project's folder"


def _check_ending(site: Reference, field_text: str) -> Iterator[FieldProblem]:
    suffix = PurePosixPath(site.name).suffix.lower()
    if isinstance(site.holder, DvcSource) and suffix != ".dvc":
        yield FieldProblem(
            site.path, f"{field_text} is no .dvc pointer", "write 'type: file' for a data file"
        )
    elif isinstance(site.holder, FileSource) and suffix == ".dvc":
        yield FieldProblem(site.path, f"{field_text} is a .dvc pointer", "write 'type: dvc'")
    elif isinstance(site.holder, FileSource) and suffix not in ROWS:
        yield FieldProblem(
            site.path, f"{field_text} ends in no format of rows", f"use {', '.join(ROWS)}"
        )
    elif isinstance(site.holder, Slice) and suffix != ENDING:
        yield FieldProblem(
            site.path, f"{field_text} is no list of rows", f"name a file that ends in {ENDING}"
        )
