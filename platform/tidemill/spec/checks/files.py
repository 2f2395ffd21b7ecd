"""Files a spec names: they exist, inside the project, and have an ending somebody can read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tidemill.errors import suggest
from tidemill.spec.dataset import DvcSource, FileSource
from tidemill.spec.load import inside
from tidemill.spec.model import PathSource
from tidemill.spec.options import Found
from tidemill.spec.references import Site

ROWS = (".jsonl", ".csv", ".parquet")


def check_file(site: Site, folder: Path) -> Iterator[Found]:
    """One file that a spec names."""
    here = f"'{site.key}: {site.name}'"
    path = folder / site.name
    try:
        within = inside(path, folder)
        there = path.is_file() or (isinstance(site.holder, PathSource) and path.is_dir())
    except (OSError, ValueError):
        yield Found(site.path, f"{here} is no path", "name a file of the project")
        return
    if not within or PurePosixPath(site.name).is_absolute():
        way_out = "copy the file in: a commit holds only what is below the folder"
        yield Found(site.path, f"{here} lies outside of the project", way_out)
    elif not there:
        yield Found(site.path, f"{here} names no file", _nearest(path, folder))
    else:
        yield from _ending(site, here)


def lies_in(folder: Path, name: str) -> bool:
    """True for a file inside the folder, wherever links lead; never raises."""
    try:
        return (folder / name).is_file() and inside(folder / name, folder)
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


def _ending(site: Site, here: str) -> Iterator[Found]:
    suffix = PurePosixPath(site.name).suffix.lower()
    if isinstance(site.holder, DvcSource) and suffix != ".dvc":
        yield Found(site.path, f"{here} is no .dvc pointer", "write 'type: file' for a data file")
    elif isinstance(site.holder, FileSource) and suffix == ".dvc":
        yield Found(site.path, f"{here} is a .dvc pointer", "write 'type: dvc'")
    elif isinstance(site.holder, FileSource) and suffix not in ROWS:
        yield Found(site.path, f"{here} ends in no format of rows", f"use {', '.join(ROWS)}")
